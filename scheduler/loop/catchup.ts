import type { Instant } from '../../json.js'
import type { Catchup, Dag } from '../dag/model.js'
import type { Timetable } from './ports.js'

/** One due instant with the interval whose data its run works on. */
export interface Slot {
  dueAt: Instant
  interval: { start: Instant; end: Instant }
}

/** What is to be made now, and where to look next. */
export interface DueSlots {
  slots: Slot[]
  nextDueAt: Instant | null
}

/**
 * The slots to make for a DAG that has been due since `dueSince`, at most `limit` of them; the rest stays due. `all` makes
 * each slot missed, a window those that were due so lately, and whatever the DAG says the latest is made: however long
 * Sluice was down, it comes up with fresh data.
 */
export function dueSlots(timetable: Timetable, dag: Dag, dueSince: Instant, now: Instant, limit: number): DueSlots {
  const { schedule } = dag
  if (schedule === null) return { slots: [], nextDueAt: null }
  const slots: Slot[] = []
  let due: Instant | null = firstToMake(timetable, dag, dueSince, now)
  while (due !== null && due <= now && slots.length < limit) {
    // intervals tile, so each begins where the one before it was due
    const start: Instant | undefined = slots.at(-1)?.dueAt
    const interval = start === undefined ? timetable.intervalOf(schedule, due) : { start, end: due }
    slots.push({ dueAt: due, interval })
    due = timetable.nextDue(schedule, due)
  }
  return { slots, nextDueAt: due }
}

/**
 * The first due instant of a schedule that begins at `now`: the next tick, so that a first start makes no run at once. A new
 * DAG with catchup begins in the past, as far as its `start` and its catchup let it. No interval begins before `start`.
 */
export function firstDue(timetable: Timetable, dag: Dag, now: Instant, isNew: boolean): Instant | null {
  const { schedule, start } = dag
  if (schedule === null) return null
  if (start === null) return timetable.nextDue(schedule, now)
  const firstStart = timetable.nextDue({ ...schedule, end: null }, start - 1)
  const firstEnd = firstStart === null ? null : timetable.nextDue(schedule, firstStart)
  if (firstEnd === null) return null
  if (isNew && dag.catchup !== 'none' && firstEnd <= now) return firstToMake(timetable, dag, firstEnd, now)
  return timetable.nextDue(schedule, Math.max(now, firstEnd - 1))
}

/** The slots that were due from `dueSince` up to `now`: how many (counted up to `limit`), the first and the last. */
export interface Missed {
  count: number
  first: Instant | null
  last: Instant | null
  /** how many of them a resume makes */
  makes: number
}

/** What has been missed by a DAG that was paused while it was due, and what its catchup makes of it. */
export function missedSlots(
  timetable: Timetable,
  dag: Dag,
  dueSince: Instant | null,
  now: Instant,
  limit: number,
): Missed {
  const { schedule, catchup } = dag
  if (schedule === null || dueSince === null || dueSince > now) return { count: 0, first: null, last: null, makes: 0 }
  const from = catchup === 'none' ? null : firstToMake(timetable, dag, dueSince, now)
  let [count, makes] = [0, 0]
  let due: Instant | null = dueSince
  while (due !== null && due <= now && count < limit) {
    count += 1
    if (from !== null && due >= from) makes += 1
    due = timetable.nextDue(schedule, due)
  }
  const last = timetable.previousDue(schedule, now)
  return { count, first: dueSince, last: Math.max(last ?? dueSince, dueSince), makes: catchup === 'last' ? 1 : makes }
}

/** The next due instant of a DAG that is resumed at `now`: what it missed counts only with catchup. */
export function resumedDue(timetable: Timetable, dag: Dag, dueSince: Instant | null, now: Instant): Instant | null {
  if (dag.catchup === 'none' || dueSince === null || dueSince > now) return firstDue(timetable, dag, now, false)
  return firstToMake(timetable, dag, dueSince, now)
}

/** The first of the due instants from `dueSince` on that is to be made at `now`; the latest at any rate. */
function firstToMake(
  timetable: Timetable,
  { schedule, catchup }: Dag,
  dueSince: Instant,
  now: Instant,
): Instant | null {
  if (schedule === null) return null
  const latest = timetable.previousDue(schedule, now)
  if (latest === null || latest <= dueSince) return dueSince
  const from = earliestMade(catchup, latest, now)
  return from <= dueSince ? dueSince : timetable.nextDue(schedule, from - 1)
}

/** A run that is due at or after this is made. */
function earliestMade(catchup: Catchup, latest: Instant, now: Instant): Instant {
  if (catchup === 'all') return Number.NEGATIVE_INFINITY
  if (typeof catchup === 'string') return latest
  return Math.min(now - catchup.windowMs, latest)
}
