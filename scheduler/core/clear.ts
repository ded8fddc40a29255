import type { Dag } from '../dag/model.js'
import { RunDraft } from './draft.js'
import { declaredId, isItem, reopenGroup } from './items.js'
import type { Decision, RunSnapshot, TaskRun } from './model.js'
import { isFailure, isFinalRun } from './states.js'

export interface ClearOptions {
  /** null for all tasks of the run */
  tasks: readonly string[] | null
  /** also everything that needs them, directly or not */
  downstream: boolean
  /** of those, only the ones that failed, could not run or were cancelled */
  failedOnly: boolean
}

/**
 * Gives tasks a new generation, so that they run again and write again. A finished run goes back to the queue. A task
 * that is running is asked to stop and starts anew once its attempt has ended; a task that has not been tried in this
 * generation needs no clearing and is left alone.
 */
export function clear(
  snapshot: RunSnapshot,
  options: ClearOptions,
  by: string,
): { decision: Decision; cleared: string[] } {
  const draft = new RunDraft(snapshot)
  const selected = new Set(options.tasks ?? snapshot.tasks.map(({ taskId }) => taskId))
  if (options.downstream) addDownstream(draft.dag, selected)
  const whole = new Set(selected)
  for (const id of selected) for (const item of draft.items(id)) selected.add(item.taskId)
  const cleared: string[] = []
  for (const { task, now: taskRun } of draft.rows()) {
    if (!selected.has(taskRun.taskId) || (options.failedOnly && !isFailure(taskRun.state))) continue
    const isGroup = task.forEach !== null && !isItem(taskRun.taskId)
    // of a group only the items that failed run again, and it counts anew
    if (isGroup && options.failedOnly && draft.items(task.id).length > 0) continue
    if (isGroup && taskRun.state === 'none') continue
    const madeAnew = whole.has(task.id) && !options.failedOnly && isItem(taskRun.taskId)
    const untried = isUntried(taskRun)
    if (madeAnew && untried && taskRun.state === 'scheduled')
      draft.set(taskRun.taskId, { state: 'none', reason: `cleared by ${by}` })
    if (untried && !isGroup) continue
    clearOne(draft, taskRun, by)
    // a group that is cleared as a whole makes its items anew from the list as it is then
    if (!whole.has(task.id) || options.failedOnly) reopenGroup(draft, taskRun.taskId)
    cleared.push(taskRun.taskId)
  }
  if (cleared.length > 0) reopen(draft, `cleared by ${by}`)
  return { decision: draft.decision(), cleared }
}

/**
 * Whether nothing has been done in this generation. One that has waited, or whose worker was stopped, was given its try back: its
 * start tells that it did begin, and what it has started outside waits for its next attempt. Under one that runs without a try it
 * was cleared already (TaskRun.tries).
 */
function isUntried({ state, tries, startedAt }: TaskRun): boolean {
  if (tries > 0) return false
  return state === 'running' || ((state === 'none' || state === 'scheduled') && startedAt === null)
}

function clearOne(draft: RunDraft, taskRun: TaskRun, by: string): void {
  const anew = { generation: taskRun.generation + 1, tries: 0 }
  if (taskRun.state === 'running') {
    const reason = `cleared by ${by}, its attempt is being stopped`
    draft.set(taskRun.taskId, { ...anew, cancelRequested: true, reason })
    draft.stop(taskRun.taskId, taskRun.attempt)
    return
  }
  draft.set(taskRun.taskId, {
    ...anew,
    state: 'none',
    notBefore: null,
    startedAt: null,
    endedAt: null,
    cancelRequested: false,
    outputs: {},
    reason: `cleared by ${by}`,
  })
}

/** A finished run queues again, behind `max_active_runs` like any other; one being cancelled goes on. */
export function reopen(draft: RunDraft, reason: string): void {
  if (draft.run.cancelRequested || isFinalRun(draft.run.state)) draft.run.reason = reason
  draft.run.cancelRequested = false
  draft.run.timedOut = false
  if (!isFinalRun(draft.run.state)) return
  draft.run.state = 'queued'
  draft.run.startedAt = null
  draft.run.endedAt = null
}

/** Adds to `selected` everything that needs one of its tasks. */
export function addDownstream(dag: Dag, selected: Set<string>): void {
  // an item stands for its task: what needs the task needs all of its items
  const reached = new Set([...selected].map(declaredId))
  for (const task of dag.tasks) {
    if (!task.needs.some((need) => reached.has(need))) continue
    reached.add(task.id)
    selected.add(task.id)
  }
}
