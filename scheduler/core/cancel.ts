import type { Instant } from '../../json.js'
import { RunDraft } from './draft.js'
import { finishRun } from './finish.js'
import { settleGroup } from './items.js'
import type { AttemptOutcome, Decision, RunSnapshot, TaskRun } from './model.js'
import { withWhy } from './reasons.js'
import { isFinal, isFinalRun } from './states.js'

/**
 * Cancelling has two steps for a running attempt: the request, which the worker hears at once or with its next heartbeat,
 * and the outcome, which moves the task to `cancelled`. Until then the task is `running` and keeps its place in the pool,
 * because its processes still exist. Everything that does not run is cancelled at once.
 */
const BEING_STOPPED = ', its attempt is being stopped'

/** Cancels a whole run; null when it has ended already. */
export function cancelRun(snapshot: RunSnapshot, now: Instant, by: string): Decision | null {
  if (isFinalRun(snapshot.run.state)) return null
  const draft = new RunDraft(snapshot)
  draft.run.cancelRequested = true
  draft.run.reason = `cancelled by ${by}`
  cancelTasks(draft, now)
  finishRun(draft, now)
  return draft.decision()
}

/** Cancels one task; what needs it follows its trigger rule. Null when it has ended already. */
export function cancelTask(snapshot: RunSnapshot, taskId: string, now: Instant, by: string): Decision | null {
  const draft = new RunDraft(snapshot)
  const taskRun = draft.task(taskId)
  if (taskRun === undefined || isFinal(taskRun.state)) return null
  const reason = `cancelled by ${by}`
  cancelOne(draft, taskRun, now, reason)
  for (const item of draft.items(taskId)) if (!isFinal(item.state)) cancelOne(draft, item, now, reason)
  settleGroups(draft, now)
  return draft.decision()
}

/** Cancels every task of a run whose cancellation was asked for; says nothing new about those already asked to stop. */
export function cancelTasks(draft: RunDraft, now: Instant): void {
  for (const { now: taskRun } of draft.rows()) {
    if (!isFinal(taskRun.state)) cancelOne(draft, taskRun, now, draft.run.reason)
  }
  settleGroups(draft, now)
}

function settleGroups(draft: RunDraft, now: Instant): void {
  for (const { task } of draft.tasks()) if (task.forEach !== null) settleGroup(draft, task, now)
}

function cancelOne(draft: RunDraft, taskRun: TaskRun, now: Instant, reason: string): void {
  if (draft.isGroup(taskRun)) {
    draft.set(taskRun.taskId, { cancelRequested: true, reason })
    return
  }
  if (taskRun.state !== 'running') {
    draft.set(taskRun.taskId, { state: 'cancelled', notBefore: null, endedAt: now, reason })
    return
  }
  if (taskRun.cancelRequested && taskRun.tries > 0) return
  // tries > 0 takes back a clear that waited for this attempt to end (TaskRun.tries)
  const tries = Math.max(1, taskRun.tries)
  draft.set(taskRun.taskId, { cancelRequested: true, tries, reason: `${reason}${BEING_STOPPED}` })
  draft.stop(taskRun.taskId, taskRun.attempt)
}

/** What a cancelled task says in the end: who asked for it, and how the attempt really ended if not by that. */
export function cancelledReason(taskRun: TaskRun, outcome: AttemptOutcome): string {
  if (!taskRun.cancelRequested) return outcome.reason
  const asked = taskRun.reason.replace(BEING_STOPPED, '')
  return outcome.result === 'cancelled' ? asked : withWhy(asked, outcome.reason)
}
