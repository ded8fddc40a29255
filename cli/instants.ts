import { InvalidArgumentError } from 'commander'
import type { Instant } from '../json.js'

const FORM = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,3})?)?)?(Z|[+-]\d{2}:\d{2})?$/

/**
 * An ISO 8601 date or instant from the command line, e.g. `2026-03-29`, `2026-03-29T01:30Z`, `2026-03-29T03:30+02:00`.
 * A date is its midnight; what names no zone is UTC, never the zone of this machine.
 * @returns null when it is neither, or names a day that does not exist
 */
export function parseInstant(text: string): Instant | null {
  const [matched, date, minutes = '00:00', seconds = ':00', zone = 'Z'] = FORM.exec(text) ?? []
  if (matched === undefined || date === undefined) return null
  // Date would quietly turn 30 February into 2 March.
  const midnight = Date.parse(`${date}T00:00:00Z`)
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date) return null
  const instant = Date.parse(`${date}T${minutes}${seconds}${zone}`)
  return Number.isNaN(instant) ? null : instant
}

/** For commander: an instant. */
export function instantOption(text: string): Instant {
  const instant = parseInstant(text)
  if (instant === null)
    throw new InvalidArgumentError('It must be an ISO 8601 date or instant, such as 2026-03-29 or 2026-03-29T01:30Z.')
  return instant
}

/** For commander: `START/END`, the data interval `[START, END)`. */
export function intervalOption(text: string): { start: Instant; end: Instant } {
  const [from, to, ...more] = text.split('/')
  const [start, end] = [parseInstant(from ?? ''), parseInstant(to ?? '')]
  if (start === null || end === null || more.length > 0 || start >= end)
    throw new InvalidArgumentError('It must be START/END in ISO 8601, START before END, such as 2026-03-01/2026-03-02.')
  return { start, end }
}
