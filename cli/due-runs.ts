import { SluiceError } from '../errors.js'
import { type Instant, isoInstant } from '../json.js'
import type { Dag } from '../scheduler/dag/model.js'
import { dueTicks, intervalOf, upcomingIntervals } from '../scheduler/dag/schedule.js'

/** One line of `sluice schedule`; instants as ISO 8601. */
export interface DueRun {
  dag: string
  due: string
  start: string
  end: string
}

/**
 * The runs of a DAG with `from <= due < to`; none for a DAG that runs by hand, none whose interval would begin before the
 * DAG's start.
 * @throws SluiceError WRONG_USE for more than `limit` of them
 */
export function dueRuns(dag: Dag, range: { from: Instant; to: Instant }, limit: number): DueRun[] {
  const { schedule, start } = dag
  if (schedule === null) return []
  const ticks = dueTicks(schedule, range.from, range.to, limit + 1)
  if (ticks.length > limit) {
    throw new SluiceError('WRONG_USE', `${dag.id} is due more than ${limit} times between --from and --to.`, {
      hint: 'Ask for a shorter time.',
    })
  }
  const runs: DueRun[] = []
  let previous: Instant | null = null
  for (const due of ticks) {
    // intervals tile, so each begins where the one before it was due
    const begin = previous ?? intervalOf(schedule, due).start
    if (start === null || begin >= start)
      runs.push({ dag: dag.id, due: isoInstant(due), start: isoInstant(begin), end: isoInstant(due) })
    previous = due
  }
  return runs
}

/** The next runs of a DAG that are due at or after `from`, at most `count`. */
export function nextRuns(dag: Dag, from: Instant, count: number): DueRun[] {
  return upcomingIntervals(dag, null, from - 1, count).map(({ start, end }) => ({
    dag: dag.id,
    due: isoInstant(end),
    start: isoInstant(start),
    end: isoInstant(end),
  }))
}
