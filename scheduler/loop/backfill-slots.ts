import type { Instant } from '../../json.js'
import type { Dag } from '../dag/model.js'
import type { Backfill, SlotRuns } from '../store/backfill-store.js'
import type { Slot } from './catchup.js'
import type { Timetable } from './ports.js'

/** The intervals inside `[from, to)`, in the order in which they are made. */
export type SlotRange = Pick<Backfill, 'from' | 'to' | 'reverse'>

/**
 * The due instant of the first slot of a range: its interval begins at or after `from` (and the DAG's `start`) and ends at or
 * before `to`. In reverse it is the last such. Null when the range holds no interval.
 */
export function firstSlot(timetable: Timetable, dag: Dag, range: SlotRange): Instant | null {
  const { schedule } = dag
  if (schedule === null) return null
  const from = beginOf(dag, range)
  const begin = timetable.nextDue({ ...schedule, end: null }, from - 1)
  const earliest = begin === null ? null : timetable.nextDue(schedule, begin)
  if (earliest === null || earliest > range.to) return null
  return range.reverse ? timetable.previousDue(schedule, range.to) : earliest
}

/** The due instant of the slot after `dueAt` in a range, null when it was the last. */
export function slotAfter(timetable: Timetable, dag: Dag, range: SlotRange, dueAt: Instant): Instant | null {
  const { schedule } = dag
  if (schedule === null) return null
  if (!range.reverse) {
    const due = timetable.nextDue(schedule, dueAt)
    return due === null || due > range.to ? null : due
  }
  const due = timetable.previousDue(schedule, dueAt - 1)
  const start = due === null ? null : timetable.previousDue(schedule, due - 1)
  return start === null || start < beginOf(dag, range) ? null : due
}

export interface BackfillStep {
  slots: Slot[]
  /** slots looked at, whether or not a run is made for them */
  passed: number
  nextDueAt: Instant | null
}

/**
 * What a backfill makes next: from its next slot on, up to `room` runs, looking at no more than `look` slots.
 * @param there runs in the range that will be looked at; not needed for `which: all`
 */
export function backfillStep(
  timetable: Timetable,
  dag: Dag,
  backfill: Pick<Backfill, 'from' | 'to' | 'reverse' | 'which' | 'nextDueAt'>,
  there: readonly SlotRuns[],
  room: number,
  look: number,
): BackfillStep {
  const runs = new Map(there.map(({ dueAt, isGood }) => [dueAt, isGood]))
  const step: BackfillStep = { slots: [], passed: 0, nextDueAt: backfill.nextDueAt }
  if (dag.schedule === null) return { ...step, nextDueAt: null }
  while (step.nextDueAt !== null && step.passed < look && step.slots.length < room) {
    const dueAt = step.nextDueAt
    if (isWanted(backfill.which, runs.get(dueAt))) {
      step.slots.push({ dueAt, interval: timetable.intervalOf(dag.schedule, dueAt) })
    }
    step.passed += 1
    step.nextDueAt = slotAfter(timetable, dag, backfill, dueAt)
  }
  return step
}

/**
 * Whether a backfill of this kind makes a run for a slot.
 * @param isGood of the runs of a slot; undefined when it has none
 */
export function isWanted(which: Backfill['which'], isGood: boolean | undefined): boolean {
  if (which === 'missing') return isGood === undefined
  return which === 'all' || isGood === false
}

function beginOf(dag: Dag, range: SlotRange): Instant {
  return Math.max(range.from, dag.start ?? range.from)
}
