import { ShellScanner } from './template-shell-place.js'
import { SqlScanner } from './template-sql-place.js'
import type { TemplatePart } from './template-syntax.js'

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
   * @param after the text behind the value, up to the next one, for which a NUL stands
   */
  inside(after: string): string | null
  /** after what nobody can say for certain which text is quoted; null as long as that is clear */
  lost(): string | null
  /** whether several values, one behind the other, may stand here */
  takesList(): boolean
}

/** Stands for the value behind the text that follows a value. */
const NEXT_VALUE = '\0'

const FREE: PlaceScanner = {
  feed: () => undefined,
  value: () => undefined,
  inside: () => null,
  lost: () => null,
  takesList: () => true,
}

/**
 * A scanner for one text, at its beginning. Plain text, and what is no template, has no places where a value may not
 * stand.
 * @param script the text of the parts, for what is said behind a value and counts before it
 */
function placeScanner(mode: TemplateMode, script: () => string): PlaceScanner {
  if (mode === 'sql') return new SqlScanner()
  return mode === 'shell' ? new ShellScanner(script()) : FREE
}

/** Where an expression of a template stands. */
export interface ValuePlace {
  /** what it is inside of, as of `PlaceScanner` */
  inside: string | null
  lost: string | null
  takesList: boolean
}

/** The place of each part that is an expression; null for the texts between them. */
export function placesOf(parts: readonly TemplatePart[], mode: TemplateMode): (ValuePlace | null)[] {
  const scanner = placeScanner(mode, () => parts.map((part) => (part.kind === 'text' ? part.text : 'x')).join(''))
  return parts.map((part, index) => {
    if (part.kind === 'text') {
      scanner.feed(part.text)
      return null
    }
    const next = parts[index + 1]
    const after = next === undefined ? '' : next.kind === 'text' ? next.text : NEXT_VALUE
    // so that the text before the next value is not taken for the end of the script
    const followed = next?.kind === 'text' && index + 2 < parts.length ? after + NEXT_VALUE : after
    const place = { inside: scanner.inside(followed), lost: scanner.lost(), takesList: scanner.takesList() }
    scanner.value()
    return place
  })
}
