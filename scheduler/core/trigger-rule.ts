import type { TriggerRule } from '../dag/model.js'
import type { TaskState } from './model.js'

/**
 * What a trigger rule says about a task, given the states of its direct upstream tasks. The rules, the moment at which
 * each speaks and the state it gives are Airflow's; tests/scheduler/core holds them as a table.
 * `cancelled`, which Airflow does not have, counts as failed.
 */
export type Verdict = 'ready' | 'wait' | 'skipped' | 'upstream_failed'

export interface UpstreamCounts {
  total: number
  success: number
  skipped: number
  /** failed and cancelled */
  failed: number
  upstreamFailed: number
}

/**
 * Counts states as trigger rules see them: `cancelled` is a failure, and what has not ended counts in the total alone.
 */
export function countUpstream(upstream: Iterable<{ state: TaskState }>): UpstreamCounts {
  const counts: UpstreamCounts = { total: 0, success: 0, skipped: 0, failed: 0, upstreamFailed: 0 }
  for (const { state } of upstream) {
    counts.total += 1
    if (state === 'success') counts.success += 1
    else if (state === 'skipped') counts.skipped += 1
    else if (state === 'failed' || state === 'cancelled') counts.failed += 1
    else if (state === 'upstream_failed') counts.upstreamFailed += 1
  }
  return counts
}

/** A task without upstream tasks is ready whatever its rule. */
export function judge(rule: TriggerRule, upstream: UpstreamCounts): Verdict {
  if (upstream.total === 0 || rule === 'always') return 'ready'
  return RULES[rule](upstream)
}

const bad = (up: UpstreamCounts) => up.failed + up.upstreamFailed
const allDone = (up: UpstreamCounts) => up.success + up.skipped + bad(up) === up.total
const readyWhenDone = (up: UpstreamCounts): Verdict => (allDone(up) ? 'ready' : 'wait')

/** Some rules speak before all upstream tasks have ended: the first failure decides `all_success`, not the last. */
const RULES: Record<Exclude<TriggerRule, 'always'>, (up: UpstreamCounts) => Verdict> = {
  all_success: (up) => {
    if (bad(up) > 0) return 'upstream_failed'
    return up.skipped > 0 ? 'skipped' : readyWhenDone(up)
  },
  all_done: readyWhenDone,
  all_failed: (up) => (up.success + up.skipped > 0 ? 'skipped' : readyWhenDone(up)),
  one_success: (up) => {
    if (up.success > 0) return 'ready'
    if (!allDone(up)) return 'wait'
    return up.skipped === up.total ? 'skipped' : 'upstream_failed'
  },
  one_failed: (up) => {
    if (bad(up) > 0) return 'ready'
    return allDone(up) ? 'skipped' : 'wait'
  },
  none_failed: (up) => (bad(up) > 0 ? 'upstream_failed' : readyWhenDone(up)),
  none_failed_min_one_success: (up) => {
    if (bad(up) > 0) return 'upstream_failed'
    return up.skipped === up.total ? 'skipped' : readyWhenDone(up)
  },
  none_skipped: (up) => (up.skipped > 0 ? 'skipped' : readyWhenDone(up)),
}
