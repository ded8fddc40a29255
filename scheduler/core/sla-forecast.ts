import type { Instant } from '../../json.js'

/** How long one task of an earlier run took, in milliseconds. */
export interface PastTask {
  /** from ready to running: pools, workers, the queue */
  waitMs: number
  durationMs: number
}

/** The tasks of an earlier run that ended well, by task id. */
export type PastRun = ReadonlyMap<string, PastTask>

/** A task of the run that is forecast. Tasks come in topological order. */
export interface RemainingTask {
  id: string
  needs: readonly string[]
  phase: 'waiting' | 'running' | 'done'
  /** since when it is in `phase`; for one that waits, when it became ready, null while upstream is at work */
  since: Instant | null
}

/** With fewer runs to go by nothing is forecast: an early warning that is a guess teaches people to ignore it. */
export const MIN_HISTORY = 5
/** What an early warning goes by. */
export const WARNING_QUANTILE = 0.9

/**
 * When the run will have ended with a given probability, as its history says: what is left of its critical path,
 * with the waits, is laid out once with the times of each earlier run, and a quantile of the ends is taken. Times
 * of one run stay together, so that what makes all its tasks slow (a large day) is not evened out.
 * Earlier runs in which a task took less than it has taken now say nothing any more and are left out.
 * @param share the probability, above 0 and at most 1
 * @returns null with fewer than MIN_HISTORY runs that still say something
 */
export function forecastEnd(
  tasks: readonly RemainingTask[],
  history: readonly PastRun[],
  now: Instant,
  share: number = WARNING_QUANTILE,
): Instant | null {
  const ends = history.filter((past) => stillPossible(tasks, past, now)).map((past) => endWith(tasks, past, now))
  return ends.length < MIN_HISTORY ? null : quantile(ends, share)
}

function stillPossible(tasks: readonly RemainingTask[], past: PastRun, now: Instant): boolean {
  return tasks.every(({ id, phase, since }) => {
    if (phase !== 'running' || since === null) return true
    const known = past.get(id)
    return known === undefined || known.durationMs >= now - since
  })
}

/** A task that an earlier run did not have takes no time. */
function endWith(tasks: readonly RemainingTask[], past: PastRun, now: Instant): Instant {
  const ends = new Map<string, Instant>()
  let last = now
  for (const task of tasks) {
    const end = endOf(task, past.get(task.id) ?? { waitMs: 0, durationMs: 0 }, ends, now)
    ends.set(task.id, end)
    last = Math.max(last, end)
  }
  return last
}

function endOf(task: RemainingTask, past: PastTask, ends: ReadonlyMap<string, Instant>, now: Instant): Instant {
  if (task.phase === 'done') return now
  if (task.phase === 'running') return Math.max(now, (task.since ?? now) + past.durationMs)
  const upstream = task.needs.reduce((latest, id) => Math.max(latest, ends.get(id) ?? now), task.since ?? now)
  return Math.max(now, upstream + past.waitMs) + past.durationMs
}

/** The smallest value that at least the share `share` of all values do not exceed (nearest rank). */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.ceil(share * sorted.length) - 1]
  if (value === undefined) throw new Error('a quantile of nothing')
  return value
}
