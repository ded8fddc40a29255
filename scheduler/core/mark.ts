import type { Instant } from '../../json.js'
import { addDownstream, reopen } from './clear.js'
import { RunDraft } from './draft.js'
import { endOf } from './finish.js'
import { declaredId, reopenGroup, settleGroup } from './items.js'
import type { Decision, RunSnapshot, TaskRun } from './model.js'
import { isFinal, isFinalRun } from './states.js'

export type MarkedState = 'success' | 'failed' | 'skipped'

/**
 * Sets tasks to a final state by hand, at once: a running attempt loses its claim and is stopped. Downstream tasks that
 * could not run because of them are judged anew, as in Airflow; the rest of the run stays. A finished run takes the state
 * that its tasks now give it, or queues again when there is something left to do.
 */
export function mark(
  snapshot: RunSnapshot,
  tasks: readonly string[],
  state: MarkedState,
  now: Instant,
  by: string,
): { decision: Decision; marked: string[] } {
  const draft = new RunDraft(snapshot)
  const marked: string[] = []
  for (const taskId of new Set(tasks)) {
    const taskRun = draft.task(taskId)
    if (taskRun === undefined || taskRun.state === state) continue
    for (const item of draft.items(taskId)) if (!isFinal(item.state)) markOne(draft, item, state, now, by)
    markOne(draft, taskRun, state, now, by)
    // a group that is marked itself keeps its mark, whatever its items
    if (!tasks.includes(declaredId(taskId))) reopenGroup(draft, taskId)
    marked.push(taskId)
  }
  for (const { task } of draft.tasks()) if (task.forEach !== null) settleGroup(draft, task, now)
  if (marked.length === 0) return { decision: draft.decision(), marked }
  const judgedAnew = state !== 'failed' && judgeDownstreamAnew(draft, marked)
  if (isFinalRun(draft.run.state)) {
    const end = endOf(draft)
    if (judgedAnew || end === null) reopen(draft, `${marked.join(', ')} marked ${state} by ${by}`)
    else draft.run.state = end.state
    if (end !== null && !judgedAnew) draft.run.reason = end.reason
  }
  return { decision: draft.decision(), marked }
}

function markOne(draft: RunDraft, taskRun: TaskRun, state: MarkedState, now: Instant, by: string): void {
  if (taskRun.state === 'running') draft.stop(taskRun.taskId, taskRun.attempt)
  draft.set(taskRun.taskId, {
    state,
    notBefore: null,
    endedAt: isFinal(taskRun.state) ? taskRun.endedAt : now,
    cancelRequested: false,
    reason: `marked ${state} by ${by}`,
  })
}

function judgeDownstreamAnew(draft: RunDraft, marked: readonly string[]): boolean {
  const downstream = new Set(marked.map(declaredId))
  addDownstream(draft.dag, downstream)
  let any = false
  for (const { now: taskRun } of draft.tasks()) {
    if (!downstream.has(taskRun.taskId) || taskRun.state !== 'upstream_failed') continue
    draft.set(taskRun.taskId, { state: 'none', endedAt: null, reason: 'an upstream task was marked: judged anew' })
    any = true
  }
  return any
}
