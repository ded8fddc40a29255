import type { Colour } from './style.js'
import { paint } from './style.js'

/** As in the web view each state has a colour and a shape; its word is always there too. */
const STATES: Record<string, { glyph: string; colour: Colour | null }> = {
  none: { glyph: '◌', colour: 'grey' },
  scheduled: { glyph: '◷', colour: 'grey' },
  queued: { glyph: '◍', colour: 'grey' },
  running: { glyph: '▶', colour: 'blue' },
  deferred: { glyph: '⧗', colour: 'magenta' },
  up_for_retry: { glyph: '↻', colour: 'yellow' },
  success: { glyph: '✔', colour: 'green' },
  failed: { glyph: '✖', colour: 'red' },
  skipped: { glyph: '»', colour: 'grey' },
  upstream_failed: { glyph: '◈', colour: 'red' },
  cancelled: { glyph: '⊘', colour: 'grey' },
}

/** `✔ success` for people, `success` for programs. */
export function stateWord(state: string, coloured: boolean): string {
  const known = STATES[state]
  if (known === undefined) return state
  return paint(coloured ? `${known.glyph} ${state}` : state, known.colour, coloured)
}
