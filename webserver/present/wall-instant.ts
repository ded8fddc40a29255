import type { Instant } from '../../json.js'
import { firstInstant, segmentAt, wallAt } from '../../scheduler/dag/zone.js'

const WALL = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2}))?)?$/

/**
 * Reads what people write into a form: `2026-11-18 06:00` or `2026-11-18` as time of the zone, or ISO 8601 with its own
 * zone.
 * @returns the first instant where a time comes twice; null when it is neither, names no real date, or names a time that
 * the zone skips
 */
export function instantFromText(text: string, timezone: string): Instant | null {
  const trimmed = text.trim()
  const match = WALL.exec(trimmed)
  if (match === null) {
    const zoned = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(trimmed)
    const instant = zoned ? Date.parse(trimmed) : Number.NaN
    return Number.isNaN(instant) ? null : instant
  }
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0))
  const asUtc = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second)
  // 30 February would be taken for a day in March
  if (!new Date(asUtc).toISOString().startsWith(trimmed.slice(0, 10))) return null
  const instant = firstInstant(timezone, asUtc)
  return wallAt(timezone, instant) === asUtc ? instant : null
}

/** `2026-11-18 06:00` in the zone; what `instantFromText` reads back. */
export function textFromInstant(instant: Instant, timezone: string): string {
  return new Date(wallAt(timezone, instant)).toISOString().slice(0, 16).replace('T', ' ')
}

/** How a zone stands to UTC at an instant, as the middle of a sentence: `1 h ahead of`, `3 h 30 m behind`, `the same as`. */
export function offsetWords(instant: Instant, timezone: string): string {
  const minutes = Math.round(segmentAt(timezone, instant).offset / 60_000)
  if (minutes === 0) return 'the same as'
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  const parts = [hours > 0 ? `${hours} h` : '', rest > 0 ? `${rest} m` : ''].filter((part) => part !== '')
  return `${parts.join(' ')} ${minutes > 0 ? 'ahead of' : 'behind'}`
}
