import type { Instant } from '../../json.js'
import { wallAt } from '../dag/zone.js'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** How the times of a message are shown. */
export interface TimeStyle {
  timezone: string
  /** whether minutes do not tell them apart */
  seconds: boolean
}

/** True for what is due between two full minutes; `06:30` would be another instant. */
export const isWithinMinute = (instant: Instant): boolean => Math.floor(instant / 1_000) % 60 !== 0

/** `Fri 20 Nov 2026, 06:30 Paris (05:30 UTC)`: the DAG's time first, UTC after it, as on the pages. */
export function longTime(instant: Instant, style: TimeStyle): string {
  const wall = new Date(wallAt(style.timezone, instant))
  const date = `${WEEKDAYS[wall.getUTCDay()]} ${wall.getUTCDate()} ${MONTHS[wall.getUTCMonth()]} ${wall.getUTCFullYear()}`
  const utc = isUtc(style.timezone) ? '' : ` (${clock(instant, style)} UTC)`
  return `${date}, ${shortTime(instant, style)}${utc}`
}

/** `06:30 Paris`, with seconds `06:30:20 Paris` */
function shortTime(instant: Instant, style: TimeStyle): string {
  const { timezone } = style
  const zone = isUtc(timezone) ? 'UTC' : (timezone.split('/').at(-1) ?? timezone).replaceAll('_', ' ')
  return `${clock(wallAt(timezone, instant), style)} ${zone}`
}

/** `06:30 Paris`, and on another day than that of `now`, as clocks there show it, `5 Nov, 06:30 Paris`. */
export function timeOfDay(instant: Instant, style: TimeStyle, now: Instant): string {
  const [wall, today] = [instant, now].map((one) => new Date(wallAt(style.timezone, one)))
  const short = shortTime(instant, style)
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

/** An instant of a payload, where they are ISO 8601; null for anything else. */
export function instantOf(value: unknown): Instant | null {
  const instant = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(instant) ? null : instant
}

const clock = (wall: number, { seconds }: TimeStyle): string =>
  new Date(wall).toISOString().slice(11, seconds ? 19 : 16)

const isUtc = (timezone: string): boolean => ['UTC', 'Etc/UTC', 'GMT', 'Etc/GMT'].includes(timezone)
