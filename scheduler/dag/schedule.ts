import type { Instant } from '../../json.js'
import { nextCron, previousCron } from './cron.js'
import type { Dag, Schedule } from './model.js'
import { remembered } from './remembered.js'
import { DEFAULT_TIMEZONE } from './schedule-schema.js'
import { DAY_MS, firstInstant, type Wall, wallAt, zoneClock } from './zone.js'

/**
 * When schedules are due: the earliest of their crons, or every so often, but never on a day that their calendar leaves out
 * and never after their end. What is left out has no run, and the interval of the next run reaches back over it: intervals
 * tile.
 */

/** Half-open: `[start, end)`. */
export interface Interval {
  start: Instant
  end: Instant
}

/** A schedule that is due at all is due within this time: the longest wait of a cron is 40 years. */
const LONGEST_WAIT_MS = 45 * 366 * DAY_MS

/** The first due instant after `after` (exclusive); null when there is none. */
export function nextDue(schedule: Schedule, after: Instant): Instant | null {
  const { timezone, end } = schedule
  const latest = Math.min(end ?? Number.POSITIVE_INFINITY, after + LONGEST_WAIT_MS)
  for (let from = after; ; ) {
    const due = nextPlanned(schedule, from)
    if (due === null || due > latest) return null
    const day = dayLeftOut(schedule, due)
    if (day === null) return due
    from = Math.max(due, firstInstant(timezone, day + DAY_MS) - 1)
  }
}

/** The last due instant at or before `atOrBefore`; null when there is none. */
export function previousDue(schedule: Schedule, atOrBefore: Instant): Instant | null {
  const { timezone, end } = schedule
  const earliest = atOrBefore - LONGEST_WAIT_MS
  for (let to = Math.min(end ?? Number.POSITIVE_INFINITY, atOrBefore); ; ) {
    const due = previousPlanned(schedule, to)
    if (due === null || due < earliest) return null
    const day = dayLeftOut(schedule, due)
    if (day === null) return due
    to = Math.min(due, firstInstant(timezone, day)) - 1
  }
}

/** The due instants with `from <= due < to`, earliest first, at most `limit`. */
export function dueTicks(schedule: Schedule, from: Instant, to: Instant, limit: number): Instant[] {
  const ticks: Instant[] = []
  let due = nextDue(schedule, from - 1)
  while (due !== null && due < to && ticks.length < limit) {
    ticks.push(due)
    due = nextDue(schedule, due)
  }
  return ticks
}

/** The data interval of the run due at `dueAt`: from the due instant before it up to it, so that intervals tile. */
export function intervalOf(schedule: Schedule, dueAt: Instant): Interval {
  return { start: previousDue(schedule, dueAt - 1) ?? dueAt, end: dueAt }
}

/** The latest interval that is over at `now`: what a run by hand takes. Null when the schedule was never due. */
export function latestInterval(schedule: Schedule, now: Instant): Interval | null {
  const end = previousDue(schedule, now)
  return end === null ? null : intervalOf(schedule, end)
}

/**
 * The intervals of the next runs of a DAG, at most `limit`.
 * @param nextDueAt the next due instant as the store has it; null when nothing is known, then it goes on from `now`
 */
export function upcomingIntervals(
  { schedule, start }: Pick<Dag, 'schedule' | 'start'>,
  nextDueAt: Instant | null,
  now: Instant,
  limit: number,
): Interval[] {
  if (schedule === null) return []
  const intervals: Interval[] = []
  let due = nextDueAt !== null && nextDueAt > now ? nextDueAt : nextDue(schedule, now)
  while (due !== null && intervals.length < limit) {
    const interval = intervalOf(schedule, due)
    if (start === null || interval.start >= start) intervals.push(interval)
    due = nextDue(schedule, due)
  }
  return intervals
}

/** The wall clock that the DAG goes by: that of its schedule, or UTC. */
export function zoneClockOf({ schedule }: Pick<Dag, 'schedule'>): ReturnType<typeof zoneClock> {
  return zoneClock(schedule?.timezone ?? DEFAULT_TIMEZONE)
}

/** True for the names of time zones that this Node knows, e.g. `Europe/Paris`. */
export const isTimezone = remembered((timezone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
    return timezone !== '' && !/^[+-]/.test(timezone)
  } catch {
    return false
  }
})

function nextPlanned({ crons, everyMs, anchor, timezone }: Schedule, after: Instant): Instant | null {
  if (everyMs !== null) return anchor + (Math.floor((after - anchor) / everyMs) + 1) * everyMs
  return furthest(crons, (cron) => nextCron({ cron, timezone }, after), Math.min)
}

function previousPlanned({ crons, everyMs, anchor, timezone }: Schedule, atOrBefore: Instant): Instant | null {
  if (everyMs !== null) return anchor + Math.floor((atOrBefore - anchor) / everyMs) * everyMs
  return furthest(crons, (cron) => previousCron({ cron, timezone }, atOrBefore), Math.max)
}

function furthest(
  crons: readonly string[],
  dueOf: (cron: string) => Instant | null,
  choose: (a: Instant, b: Instant) => Instant,
): Instant | null {
  let found: Instant | null = null
  for (const cron of crons) {
    const due = dueOf(cron)
    if (due !== null) found = found === null ? due : choose(found, due)
  }
  return found
}

/** Midnight of the day on which `due` falls when the calendar leaves that day out, else null. */
function dayLeftOut({ timezone, skip, businessDays }: Schedule, due: Instant): Wall | null {
  if (skip.length === 0 && !businessDays) return null
  const day = Math.floor(wallAt(timezone, due) / DAY_MS) * DAY_MS
  const date = new Date(day)
  const isWeekend = date.getUTCDay() === 0 || date.getUTCDay() === 6
  const left = (businessDays && isWeekend) || skip.includes(date.toISOString().slice(0, 10))
  return left ? day : null
}
