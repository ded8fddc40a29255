import type { Instant } from '../../json.js'

const WEEK_MS = 7 * 86_400_000
/** Weeks remembered over all zones; asking Intl costs 20 µs, and a page says a thousand times. */
const WEEK_LIMIT = 10_000

const formats = new Map<string, Intl.DateTimeFormat>()
/** by zone and week: the offset all week long; null for a week in which it changes */
const weeks = new Map<string, number | null>()

/** What a zone's wall clock is ahead of UTC at an instant, in milliseconds. */
export function zoneOffset(instant: Instant, timezone: string): number {
  const week = Math.floor(instant / WEEK_MS)
  const key = `${timezone} ${week}`
  let offset = weeks.get(key)
  if (offset === undefined) {
    // no zone changes its clock twice within a week, so equal ends mean that nothing happens between them
    const start = askIntl(week * WEEK_MS, timezone)
    offset = start === askIntl((week + 1) * WEEK_MS - 1, timezone) ? start : null
    weeks.set(key, offset)
    const oldest = weeks.keys().next()
    if (weeks.size > WEEK_LIMIT && !oldest.done) weeks.delete(oldest.value)
  }
  return offset ?? askIntl(instant, timezone)
}

function askIntl(instant: Instant, timezone: string): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of formatOf(timezone).formatToParts(instant)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000
}

function formatOf(timezone: string): Intl.DateTimeFormat {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(timezone, format)
  }
  return format
}
