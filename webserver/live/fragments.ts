import { createHash } from 'node:crypto'

/** One element of a page that may change while it is looked at; `html` carries the id. */
export interface Fragment {
  id: string
  html: string
  /** SVG elements need their namespace when the browser parses them */
  svg: boolean
}

/** What a page shows, in short: a browser that connects with the same mark has nothing to catch up on. */
export function markOf(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)
}
