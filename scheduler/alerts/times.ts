import type { Instant } from '../../json.js'
import { wallAt } from '../dag/zone.js'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** `Fri 20 Nov 2026, 06:30 Paris (05:30 UTC)`: the DAG's time first, UTC after it, as on the pages. */
export function longTime(instant: Instant, timezone: string): string {
  const wall = new Date(wallAt(timezone, instant))
  const date = `${WEEKDAYS[wall.getUTCDay()]} ${wall.getUTCDate()} ${MONTHS[wall.getUTCMonth()]} ${wall.getUTCFullYear()}`
  const utc = isUtc(timezone) ? '' : ` (${clock(new Date(instant))} UTC)`
  return `${date}, ${shortTime(instant, timezone)}${utc}`
}

/** `06:30 Paris` */
export function shortTime(instant: Instant, timezone: string): string {
  const zone = isUtc(timezone) ? 'UTC' : (timezone.split('/').at(-1) ?? timezone).replaceAll('_', ' ')
  return `${clock(new Date(wallAt(timezone, instant)))} ${zone}`
}

/** `06:30 Paris`, and on another day than that of `now`, as clocks there show it, `5 Nov, 06:30 Paris`. */
export function timeOfDay(instant: Instant, timezone: string, now: Instant): string {
  const [wall, today] = [instant, now].map((one) => new Date(wallAt(timezone, one)))
  const short = shortTime(instant, timezone)
  if (wall === undefined || wall.toISOString().slice(0, 10) === today?.toISOString().slice(0, 10)) return short
  return `${wall.getUTCDate()} ${MONTHS[wall.getUTCMonth()]}, ${short}`
}

/** `22 m`, `1 h 05 m`, `40 s`, `3 d 2 h` */
export function spelledDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} m`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} m`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const clock = (date: Date): string => date.toISOString().slice(11, 16)

const isUtc = (timezone: string): boolean => ['UTC', 'Etc/UTC', 'GMT', 'Etc/GMT'].includes(timezone)
