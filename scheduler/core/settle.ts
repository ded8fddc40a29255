import type { Instant } from '../../json.js'
import type { Task } from '../dag/model.js'
import { cancelledReason } from './cancel.js'
import { declaredOf } from './declared.js'
import type { RunDraft } from './draft.js'
import { declaredId } from './items.js'
import type { AttemptOutcome, TaskRun } from './model.js'
import { failedAfter, startsAgain, waitsForRetry } from './reasons.js'
import { type Random, retryDelayMs } from './retry.js'

/**
 * Turns recorded outcomes into states. An outcome counts only for the attempt that the task is running now; any other
 * (the task was marked meanwhile, a newer attempt runs) is settled without effect.
 */
export function settleOutcomes(
  draft: RunDraft,
  outcomes: readonly AttemptOutcome[],
  now: Instant,
  random: Random,
): void {
  if (outcomes.length === 0) return
  const declared = declaredOf(draft.dag).tasks
  for (const outcome of outcomes) {
    draft.settle(outcome)
    const task = declared.get(declaredId(outcome.taskId))
    const taskRun = draft.task(outcome.taskId)
    if (task === undefined || taskRun === undefined || taskRun.attempt !== outcome.attempt) continue
    if (taskRun.state !== 'running') continue
    draft.set(taskRun.taskId, stateAfter(task, taskRun, outcome, now, random))
  }
}

function stateAfter(task: Task, taskRun: TaskRun, outcome: AttemptOutcome, now: Instant, random: Random) {
  // cleared while it ran: the attempt belongs to an earlier generation, and nothing it did counts for this one
  if (taskRun.tries === 0) {
    const reason = 'cleared while it ran: starts anew'
    return { state: 'none', cancelRequested: false, startedAt: null, endedAt: null, outputs: {}, reason } as const
  }
  const ended = { cancelRequested: false, endedAt: outcome.endedAt }
  switch (outcome.result) {
    case 'success':
      return { ...ended, state: 'success', outputs: outcome.outputs, reason: outcome.reason } as const
    case 'skipped':
      return { ...ended, state: 'skipped', outputs: outcome.outputs, reason: outcome.reason } as const
    case 'deferred':
      if (taskRun.cancelRequested) {
        return {
          ...ended,
          state: 'cancelled',
          reason: cancelledReason(taskRun, { ...outcome, result: 'cancelled' }),
        } as const
      }
      // waiting is no failure: the next attempt goes on with this one's try
      return {
        state: 'deferred',
        tries: taskRun.tries - 1,
        notBefore: outcome.wakeAt ?? null,
        waitsFor: outcome.waitsFor ?? null,
        reason: outcome.reason,
      } as const
    case 'cancelled':
      return { ...ended, state: 'cancelled', reason: cancelledReason(taskRun, outcome) } as const
    case 'stopped':
      if (taskRun.cancelRequested) {
        return { ...ended, state: 'cancelled', reason: cancelledReason(taskRun, outcome) } as const
      }
      // a person has stopped Sluice, which is nothing that the task has done: the next attempt goes on with this one's try
      return { state: 'scheduled', tries: taskRun.tries - 1, reason: startsAgain(outcome.reason) } as const
    case 'failed':
    case 'timed_out':
    case 'lost':
      if (taskRun.cancelRequested) {
        return { ...ended, state: 'cancelled', reason: cancelledReason(taskRun, outcome) } as const
      }
      return afterFailure(task, taskRun, outcome, now, random)
  }
}

/**
 * A lost attempt (its worker was killed, or was silent for a lease) is a try like any other: with retries left it is
 * retried, without it fails, and either way the reason says what really happened.
 */
function afterFailure(task: Task, taskRun: TaskRun, outcome: AttemptOutcome, now: Instant, random: Random) {
  if (!outcome.retryable || taskRun.tries > task.retries) {
    return { state: 'failed', endedAt: outcome.endedAt, reason: failedAfter(taskRun.tries, outcome.reason) } as const
  }
  const notBefore = now + retryDelayMs(task, taskRun.tries, random)
  const reason = waitsForRetry(taskRun.tries, task.retries, notBefore, outcome.reason)
  return { state: 'up_for_retry', notBefore, reason } as const
}
