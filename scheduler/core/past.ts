import type { Dag, Task } from '../dag/model.js'
import { declaredOf } from './declared.js'
import type { PastRun, TaskState } from './model.js'
import { isFinal } from './states.js'

/**
 * `depends_on_past`: a run of the schedule, or of a backfill, follows the one before it. Which runs may start is the store's
 * to say; here is which tasks may.
 */

/** How runs of the DAG depend on those before: with some tasks, or as a whole. */
export function dependsOnPast(dag: Dag): 'no' | 'tasks' | 'run' {
  return declaredOf(dag).dependsOnPast
}

const DID: Partial<Record<TaskState, string>> = {
  failed: 'failed',
  upstream_failed: 'could not run',
  cancelled: 'was cancelled',
}

/**
 * How the reasons of tasks begin that wait for the run before, while its task may end well, and when it has ended otherwise: by them the
 * store finds those of which that is no longer so.
 */
export const PAST_REASONS = ['waits for', 'depends on'] as const
const [WAITS_FOR, DEPENDS_ON] = PAST_REASONS

/**
 * Why the task waits for the run before; null when it does not. A run before that was cleared and waits in the queue holds up
 * nobody who has started: the two would wait for each other's place in `max_active_runs`.
 */
export function waitsForPast(task: Task, past: PastRun | null): string | null {
  if (!task.dependsOnPast || past === null || past.state === 'queued') return null
  const state = past.tasks[task.id]
  if (state === undefined || state === 'success' || state === 'skipped') return null
  if (!isFinal(state)) return `${WAITS_FOR} ${task.id} of ${past.runId}`
  return `${DEPENDS_ON} ${task.id} of ${past.runId}, which ${DID[state] ?? state}: clear or mark it`
}
