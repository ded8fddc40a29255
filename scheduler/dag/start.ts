import type { Instant } from '../../json.js'
import { firstInstant } from './zone.js'

/**
 * The instant that `start` or `end` means: a date is midnight in the time zone of the schedule (the first instant of the day where
 * midnight is skipped), an instant is itself.
 * @returns null when there is no such day or time
 */
export function startInstant(text: string, timezone: string): Instant | null {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const utc = new Date(isDate ? `${text}T00:00:00Z` : text.replace(' ', 'T'))
  if (Number.isNaN(utc.getTime())) return null
  // Date rolls 30 February over into March
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(text.slice(0, 10))) return null
  if (!isDate) return utc.getTime()
  return firstInstant(timezone, utc.getTime())
}
