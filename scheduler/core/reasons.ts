import { formatDuration } from '../../duration.js'
import type { Instant } from '../../json.js'
import type { Task } from '../dag/model.js'
import type { TaskRun, TaskState } from './model.js'
import { isFinal } from './states.js'
import type { Verdict } from './trigger-rule.js'

/** The sentences that tell a person why a task is where it is. */

const NAMED_AT_MOST = 3

/** `a, b, c and 12 more` */
export function named(ids: readonly string[]): string {
  const shown = ids.slice(0, NAMED_AT_MOST).join(', ')
  return ids.length > NAMED_AT_MOST ? `${shown} and ${ids.length - NAMED_AT_MOST} more` : shown
}

/** Names the upstream tasks that have not ended, the first few of many. */
export function waitsForUpstream(upstream: readonly TaskRun[]): string {
  return `waits for ${named(upstream.filter(({ state }) => !isFinal(state)).map(({ taskId }) => taskId))}`
}

/** The reason of a task that has just become ready; the store puts a truer one in its place when it meets a limit. */
export function waitsForSlot(task: Task): string {
  return `waits for a slot in pool ${task.pool}`
}

/** Why a run was ended; its limit is in milliseconds and counts from the run's start, not from a task's. */
export function timedOut(limitMs: number): string {
  return `timed out: on for longer than ${formatDuration(limitMs)} (run_timeout)`
}

/** The reason of a task whose attempt was ended by a stop of its worker, until it meets a limit or a worker. */
export function startsAgain(why: string): string {
  return withWhy('starts again', why)
}

/** @param retry number of the coming retry, 1 for the first */
export function waitsForRetry(retry: number, retries: number, at: Instant, why: string): string {
  const time = new Date(at).toISOString().slice(11, 19)
  return withWhy(`retry ${retry} of ${retries} at ${time}Z`, why)
}

/**
 * The reason of a task with no retry left: that of its last attempt, with the number of tries when there were several.
 */
export function failedAfter(tries: number, why: string): string {
  return tries > 1 ? withWhy(`failed ${tries} times, at last`, why) : why
}

/**
 * Why a task ends without an attempt: what one of its upstream tasks did, or what none of them did, and the rule that
 * asks otherwise.
 */
export function ruledOut(
  task: Task,
  verdict: Exclude<Verdict, 'ready' | 'wait'>,
  upstream: readonly TaskRun[],
): string {
  return `${ruledOutBy(task, verdict, upstream)}, rule ${task.triggerRule}`
}

function ruledOutBy(task: Task, verdict: 'skipped' | 'upstream_failed', upstream: readonly TaskRun[]): string {
  switch (task.triggerRule) {
    case 'one_failed':
      return 'no upstream task failed'
    case 'one_success':
      return verdict === 'skipped' ? 'all upstream tasks were skipped' : 'no upstream task succeeded'
    case 'none_failed_min_one_success':
      return verdict === 'skipped' ? 'all upstream tasks were skipped' : which(upstream, BAD)
    case 'all_failed':
      return which(upstream, ['success', 'skipped'])
    default:
      return which(upstream, verdict === 'skipped' ? ['skipped'] : BAD)
  }
}

const BAD: readonly TaskState[] = ['failed', 'cancelled', 'upstream_failed']

const DID: Partial<Record<TaskState, string>> = {
  success: 'succeeded',
  failed: 'failed',
  cancelled: 'was cancelled',
  upstream_failed: 'could not run',
  skipped: 'was skipped',
}

/** The first upstream task in one of these states, named with what it did; the states in order of weight. */
function which(upstream: readonly TaskRun[], states: readonly TaskState[]): string {
  for (const state of states) {
    const task = upstream.find((candidate) => candidate.state === state)
    if (task !== undefined) return `upstream ${task.taskId} ${DID[state] ?? state}`
  }
  return 'upstream tasks ended otherwise'
}

/** A reason with its cause behind a colon; the cause may be ''. */
export function withWhy(what: string, why: string): string {
  return why === '' ? what : `${what}: ${why}`
}
