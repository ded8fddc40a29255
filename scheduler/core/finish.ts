import type { Instant } from '../../json.js'
import type { RunDraft } from './draft.js'
import type { RunState } from './model.js'
import { named } from './reasons.js'
import { isFailure, isFinalRun } from './states.js'

/** Ends a run whose tasks have all ended; leaves any other alone. A queued run ends only by being cancelled. */
export function finishRun(draft: RunDraft, now: Instant): void {
  const { run } = draft
  if (isFinalRun(run.state) || (run.state === 'queued' && !run.cancelRequested)) return
  const end = endOf(draft)
  if (end === null) return
  run.state = end.state
  run.reason = end.reason
  run.endedAt = now
}

/**
 * The state that a run's tasks give it, null while one of them has not ended. As in Airflow the leaves decide: a run
 * fails when a task that nothing else needs has failed (or could not run, or was cancelled), so a failure that a later
 * task with its own trigger rule has dealt with does not fail the run. A run whose cancellation was asked for and came in
 * time for at least one task is cancelled.
 */
export function endOf(draft: RunDraft): { state: RunState; reason: string } | null {
  if (!draft.hasEnded()) return null
  const tasks = draft.tasks()
  if (draft.run.cancelRequested && tasks.some(({ now: taskRun }) => taskRun.state === 'cancelled')) {
    return { state: draft.run.timedOut ? 'failed' : 'cancelled', reason: draft.run.reason }
  }
  const needed = new Set(tasks.flatMap(({ task }) => task.needs))
  const leafFailed = tasks.some(({ task, now: taskRun }) => !needed.has(task.id) && isFailure(taskRun.state))
  const causes = tasks.flatMap(({ task, now: { state } }) =>
    state === 'failed' || state === 'cancelled' ? task.id : [],
  )
  if (leafFailed) return { state: 'failed', reason: `${named(causes)} failed` }
  const reason = causes.length === 0 ? '' : `${named(causes)} failed, but every task that nothing needs ended well`
  return { state: 'success', reason }
}
