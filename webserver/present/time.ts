import type { Instant } from '../../json.js'
import { wallAt } from '../../scheduler/dag/zone.js'

/** One instant in one zone, taken apart. */
export interface WallTime {
  year: number
  /** 1 to 12 */
  month: number
  day: number
  /** `Mon` to `Sun` */
  weekday: string
  /** `05:00` */
  clock: string
  /** `05:00:09` */
  seconds: string
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/**
 * What a clock and a calendar in the zone show at an instant.
 * @param timezone an IANA name that has been checked when the DAG was read
 */
export function wallTime(instant: Instant, timezone: string): WallTime {
  const wall = new Date(wallAt(timezone, instant))
  const text = wall.toISOString()
  const time = text.slice(text.indexOf('T') + 1)
  return {
    year: wall.getUTCFullYear(),
    month: wall.getUTCMonth() + 1,
    day: wall.getUTCDate(),
    weekday: WEEKDAYS[wall.getUTCDay()] ?? '',
    clock: time.slice(0, 5),
    seconds: time.slice(0, 8),
  }
}

/** What the zone is called beside a time: `Paris`, `New York`, `UTC`. */
export function zoneName(timezone: string): string {
  return isUtc(timezone) ? 'UTC' : (timezone.split('/').at(-1) ?? timezone).replaceAll('_', ' ')
}

/** Whether a zone tells the same time as UTC by its name; London in winter does not count. */
export function isUtc(timezone: string): boolean {
  return timezone === 'UTC' || timezone === 'Etc/UTC' || timezone === 'GMT' || timezone === 'Etc/GMT'
}

/** `20 Nov`; with the year when it is not the year of `now`. */
export function day(instant: Instant, timezone: string, now: Instant): string {
  const wall = wallTime(instant, timezone)
  const date = `${wall.day} ${MONTHS[wall.month - 1]}`
  return wall.year === wallTime(now, timezone).year ? date : `${date} ${wall.year}`
}

/** `20 Nov 2026` */
export function dayAndYear(instant: Instant, timezone: string): string {
  const wall = wallTime(instant, timezone)
  return `${wall.day} ${MONTHS[wall.month - 1]} ${wall.year}`
}

export interface TimeTwice {
  /** DAG time with its zone, e.g. `19 Nov 06:12 Paris`; the UTC text when the zone is UTC */
  local: string
  /** UTC, e.g. `05:12Z`, with the date when it is another one; '' when `local` is UTC already */
  utc: string
  /** ISO 8601, for `datetime` */
  iso: string
}

export interface TimeStyle {
  /** `due`: of an instant that a schedule below the minute gives, as without them three runs would have one name */
  seconds?: boolean | 'due'
  /** days within a week of now by their weekday: `Sat 06:00` */
  weekday?: boolean
}

/** Time is said twice: DAG time first, UTC after it. */
export function timeTwice(instant: Instant, timezone: string, now: Instant, style: TimeStyle = {}): TimeTwice {
  const iso = new Date(instant).toISOString()
  const utc = `${dated(instant, 'UTC', now, style)}Z`
  if (isUtc(timezone)) return { local: utc, utc: '', iso }
  const local = `${dated(instant, timezone, now, style)} ${zoneName(timezone)}`
  const sameDate = day(instant, timezone, now) === day(instant, 'UTC', now)
  return {
    local,
    utc: sameDate
      ? `${clockOf(instant, 'UTC', style)}Z`
      : `${day(instant, 'UTC', now)} ${clockOf(instant, 'UTC', style)}Z`,
    iso,
  }
}

/** Both on one line: `06:41 Paris · 05:41Z`. */
export function timeLine(instant: Instant, timezone: string, now: Instant, style: TimeStyle = {}): string {
  const { local, utc } = timeTwice(instant, timezone, now, style)
  return utc === '' ? local : `${local} · ${utc}`
}

/** A stretch of time, each end with its date: `19 Nov 06:00 to 20 Nov 06:00 Paris`, and the same in UTC; with seconds where it has any. */
export function intervalTwice(
  start: Instant,
  end: Instant,
  timezone: string,
  now: Instant,
): { local: string; utc: string } {
  const finer = start !== end && (start % 60_000 !== 0 || end % 60_000 !== 0)
  const text = (zone: string, mark: string) => {
    const one = (at: Instant) => `${day(at, zone, now)} ${clockOf(at, zone, { seconds: finer })}${mark}`
    return start === end ? one(start) : `${one(start)} to ${one(end)}`
  }
  const utc = text('UTC', 'Z')
  return isUtc(timezone) ? { local: utc, utc: '' } : { local: `${text(timezone, '')} ${zoneName(timezone)}`, utc }
}

/** `20 Nov 06:00 Paris`, the date always there: what a run is called. */
export function runName(dueAt: Instant, timezone: string, now: Instant): string {
  const clock = clockOf(dueAt, timezone, { seconds: 'due' })
  return `${day(dueAt, timezone, now)} ${isUtc(timezone) ? `${clock}Z` : `${clock} ${zoneName(timezone)}`}`
}

function dated(instant: Instant, timezone: string, now: Instant, style: TimeStyle): string {
  const date = day(instant, timezone, now)
  const clock = clockOf(instant, timezone, style)
  if (date === day(now, timezone, now)) return clock
  const near = style.weekday === true && Math.abs(instant - now) < 6 * 86_400_000
  return `${near ? wallTime(instant, timezone).weekday : date} ${clock}`
}

/** The clock alone; a person who starts a run does so at some millisecond, a schedule at a whole second. */
export function clockOf(instant: Instant, timezone: string, { seconds }: TimeStyle): string {
  const wall = wallTime(instant, timezone)
  const finer = seconds === 'due' ? instant % 60_000 !== 0 && instant % 1_000 === 0 : seconds === true
  return finer ? wall.seconds : wall.clock
}
