import type { Instant, Json, JsonObject } from '../../../json.js'
import { newTaskRun } from '../../../scheduler/core/draft.js'
import type { Decision, Expansion, TaskChange, TaskRun } from '../../../scheduler/core/model.js'
import { leavingWork } from '../../../scheduler/store/left-work.js'
import { raiseAlerts } from './alerts.js'
import { keepLeftWork } from './left-work.js'
import { lookAtSlas } from './slas.js'
import type { RunRow, Tables, TaskRow } from './tables.js'
import { dagSucceeded } from './triggers.js'

export function applyDecision(
  tables: Tables,
  runId: string,
  revision: number,
  decision: Decision,
  now: Instant,
): 'applied' | 'conflict' {
  const row = tables.runs.get(runId)
  if (row === undefined) return 'conflict'
  if (row.run.revision !== revision && tables.guards('revision')) return 'conflict'
  if (tables.guards('expected_state') && !decision.tasks.every((change) => holds(row, change))) return 'conflict'
  if (tables.guards('recorded_outcome') && !decision.settled.every((end) => isRecorded(tables, runId, end)))
    return 'conflict'
  for (const taskId of leavingWork(decision)) {
    const task = row.tasks.get(taskId)
    if (task !== undefined) keepLeftWork(tables, task, now)
  }
  for (const change of decision.tasks) {
    const task = row.tasks.get(change.taskId)
    if (task !== undefined) applyChange(tables, task, change, now)
  }
  for (const expansion of decision.expand) expandTask(tables, row, expansion, now)
  row.run = { ...row.run, ...decision.run, revision: row.run.revision + 1 }
  if (!tables.guards('unsettled_mark')) row.run.unsettled = false
  if (decision.run?.state === 'success' && row.run.onlyTasks === null) dagSucceeded(tables, row.run, now)
  for (const { taskId, attempt } of tables.guards('settled_mark') ? decision.settled : []) {
    const settled = tables.attempt(runId, taskId, attempt)
    if (settled !== undefined) settled.settled = true
  }
  // without the guard only the end of a run tells of what has happened in it
  const inStep = tables.guards('alerts_in_step') || decision.run?.state !== undefined
  raiseAlerts(tables, inStep ? (decision.alerts ?? []) : [], now)
  lookAtSlas(tables, runId, decision.slas, now)
  return 'applied'
}

function expandTask(tables: Tables, run: RunRow, { taskId, items }: Expansion, now: Instant): void {
  const group = run.tasks.get(taskId)
  if (group === undefined) return
  const isItem = (id: string) => id.startsWith(`${taskId}.`)
  const earlier = new Map([...run.tasks].filter(([id]) => isItem(id)))
  for (const id of earlier.keys()) run.tasks.delete(id)
  for (const [index, { value, state, generation, reason }] of items.entries()) {
    const id = `${taskId}.${index}`
    const attempts = [...(tables.attempts.get(run.run.id)?.values() ?? [])].filter((one) => one.taskId === id)
    const attempt = earlier.get(id)?.task.attempt ?? Math.max(0, ...attempts.map((one) => one.attempt))
    const task = { ...newTaskRun(id, now), state, generation, reason, attempt }
    run.tasks.set(id, { ...group, task, item: value, claim: null, handle: null, woken: null, progress: null })
  }
}

function isRecorded(tables: Tables, runId: string, { taskId, attempt, result }: Decision['settled'][number]): boolean {
  return tables.attempt(runId, taskId, attempt)?.outcome?.result === result
}

function holds(row: RunRow, { taskId, expect }: TaskChange): boolean {
  const task = row.tasks.get(taskId)?.task
  return (
    task !== undefined &&
    task.state === expect.state &&
    task.attempt === expect.attempt &&
    task.generation === expect.generation
  )
}

function outputsAfter(tables: Tables, before: JsonObject, outputs: JsonObject): JsonObject {
  if (!tables.guards('outputs_kept')) return before
  // without the guard the first that a task has given stand for good
  return tables.guards('outputs_anew') ? outputs : { ...outputs, ...before }
}

function foundInVain(tables: Tables, { waitsFor }: TaskRun): Json {
  const detail = waitsFor?.kind === 'look' ? (tables.looks.get(waitsFor.key)?.detail ?? '') : ''
  return detail === '' ? null : { in_vain: detail }
}

function applyChange(tables: Tables, row: TaskRow, { set }: TaskChange, now: Instant): void {
  const before = row.task
  row.task = { ...before, ...set, since: set.state === before.state ? before.since : now }
  if (set.outputs !== undefined) row.task.outputs = outputsAfter(tables, before.outputs, set.outputs)
  if (row.task.generation !== before.generation) {
    row.handle = null
    row.progress = null
  }
  const startsAnew = before.state === 'running' && set.state === 'none'
  if (set.state === 'failed' || set.state === 'cancelled' || startsAnew) row.handle = null
  if (row.task.generation !== before.generation || set.state === 'deferred') row.woken = null
  else if (before.state === 'deferred' && set.state === 'scheduled') row.woken ??= foundInVain(tables, before)
  if (before.state !== 'running' || set.state === 'running' || !tables.guards('claim_end')) return
  row.claim = null
  const attempt = tables.attempt(row.runId, before.taskId, before.attempt)
  if (attempt === undefined || attempt.outcome !== null) return
  attempt.outcome = {
    taskId: before.taskId,
    attempt: before.attempt,
    result: 'cancelled',
    reason: set.reason,
    retryable: false,
    outputs: {},
    endedAt: now,
  }
  attempt.settled = true
}
