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

/** When what is left will have ended, half of the times and nine times in ten. */
export interface Forecast {
  p50: Instant
  p90: Instant
}

/**
 * When the run will have ended, as its history says: what is left of its critical path, with the waits, is laid out once
 * with the times of each earlier run. Times of one run stay together, so that what makes all its tasks slow (a large day)
 * is not evened out. Earlier runs in which a task took less than it has taken now say nothing any more and are left out.
 * When too few are left, this run takes longer than ever: then all are laid out as if it went on at once, which is the
 * least that it can take.
 * @returns the ends, the earliest first; null with fewer than MIN_HISTORY earlier runs
 */
export function possibleEnds(
  tasks: readonly RemainingTask[],
  history: readonly PastRun[],
  now: Instant,
): readonly Instant[] | null {
  if (history.length < MIN_HISTORY) return null
  const alike = history.filter((past) => stillPossible(tasks, past, now))
  const known = alike.length < MIN_HISTORY ? history : alike
  return known.map((past) => endWith(tasks, past, now)).sort((a, b) => a - b)
}

/** The quantiles of the possible ends that people are told. */
export function forecast(tasks: readonly RemainingTask[], history: readonly PastRun[], now: Instant): Forecast | null {
  const ends = possibleEnds(tasks, history, now)
  return ends === null ? null : forecastOf(ends)
}

/** Median and ninth decile. @param ends of `possibleEnds`, the earliest first */
export const forecastOf = (ends: readonly Instant[]): Forecast => ({
  p50: quantile(ends, 0.5),
  p90: quantile(ends, 0.9),
})

/** Instants at which `nextCrossing` looks, beside those at which an earlier run stops saying something. */
const LOOKS = 16
const SHORTEST_STEP_MS = 1_000

/**
 * When a forecast may come to lie behind the deadline although nothing happens: tasks that go on running, others that go
 * on waiting. Found to a sixteenth of the time that is left, so looking again then finds it more and more exactly.
 * @param share the quantile that is meant, in (0, 1]
 * @returns an instant in `(now, deadline)`; null when it stays in front of the deadline or cannot be known
 */
export function nextCrossing(
  tasks: readonly RemainingTask[],
  history: readonly PastRun[],
  now: Instant,
  deadline: Instant,
  share: number,
): Instant | null {
  const step = Math.max(SHORTEST_STEP_MS, (deadline - now) / LOOKS)
  const drops = dropInstants(tasks, history)
  let at = now
  while (at < deadline) {
    const ends = possibleEnds(tasks, history, at)
    if (ends === null) return null
    const end = quantile(ends, share)
    if (end > deadline && at > now) return at
    // between two drops a forecast slips no faster than time goes by
    const drop = drops.find((instant) => instant > at) ?? deadline
    at = Math.ceil(Math.max(at + step, Math.min(drop, at + deadline - end + 1)))
  }
  return null
}

/** When each earlier run will have been quicker with a running task than this one. */
function dropInstants(tasks: readonly RemainingTask[], history: readonly PastRun[]): Instant[] {
  const drops = tasks.flatMap(({ id, phase, since }) => {
    if (phase !== 'running' || since === null) return []
    return history.flatMap((past) => {
      const known = past.get(id)
      return known === undefined ? [] : [since + known.durationMs + 1]
    })
  })
  return drops.sort((a, b) => a - b)
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

/** The smallest of the sorted values that at least the share `share` of all do not exceed (nearest rank). */
export function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.ceil(share * sorted.length) - 1]
  if (value === undefined) throw new Error('a quantile of nothing')
  return value
}
