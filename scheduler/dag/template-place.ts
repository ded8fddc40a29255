import { ShellScanner } from './template-shell-place.js'
import { SqlScanner } from './template-sql-place.js'

/**
 * What a rendered value becomes part of (`x-template` in an operator's schema). A `condition` is no template: the whole text
 * is one (condition.ts), and it is written out as `true` or `false`.
 */
export type TemplateMode = 'sql' | 'shell' | 'text' | 'condition' | 'none'

/** Follows a text piece by piece and knows where in the language the end of the last piece stands. */
export interface PlaceScanner {
  feed(text: string): void
  /** a rendered value stands here */
  value(): void
  /**
   * What the place is inside of, such as `single quotes`; null where a value may stand.
   * @param after the text behind the value, up to the next one
   */
  inside(after: string): string | null
  /** after what nobody can say for certain which text is quoted; null as long as that is clear */
  lost(): string | null
}

const FREE: PlaceScanner = { feed: () => undefined, value: () => undefined, inside: () => null, lost: () => null }

/**
 * A scanner for one text, at its beginning. Plain text, and what is no template, has no places where a value may not
 * stand.
 */
export function placeScanner(mode: TemplateMode): PlaceScanner {
  if (mode === 'sql') return new SqlScanner()
  return mode === 'shell' ? new ShellScanner() : FREE
}
