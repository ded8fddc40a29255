import type { Instant, JsonObject } from '../../json.js'
import type { Wait } from '../../operators/wait.js'
import type { AttemptOutcome, Run, RunKind, RunState, RunTrigger, TaskRun, TaskState } from '../core/model.js'

/** Columns of `runs` in the form `toRun` reads. */
export const RUN_COLUMNS = `run_id, dag_id, version, kind, state, revision, due_at, interval_start, interval_end, params,
  triggered_by, created_at, started_at, ended_at, reason, cancel_requested, timed_out, unsettled, only_tasks, no_checks, trigger,
  parent_run_id, parent_task_id, parent_generation, parent_waits`

export interface RunRow extends Record<string, unknown> {
  run_id: string
  dag_id: string
  version: string
  kind: RunKind
  state: RunState
  revision: number
  due_at: Instant
  interval_start: Instant
  interval_end: Instant
  params: JsonObject
  triggered_by: string
  created_at: Instant
  started_at: Instant | null
  ended_at: Instant | null
  reason: string
  cancel_requested: boolean
  timed_out: boolean
  unsettled: boolean
  only_tasks: string[] | null
  no_checks: boolean
  parent_run_id: string | null
  parent_task_id: string | null
  parent_generation: number | null
  parent_waits: boolean | null
  trigger: RunTrigger | null
}

/** A run as the core knows it; `parent` is there only for runs that a task of another run made. */
export function toRun(row: RunRow): Run {
  return {
    id: row.run_id,
    dagId: row.dag_id,
    version: row.version,
    kind: row.kind,
    state: row.state,
    revision: row.revision,
    dueAt: row.due_at,
    intervalStart: row.interval_start,
    intervalEnd: row.interval_end,
    params: row.params,
    triggeredBy: row.triggered_by,
    trigger: row.trigger,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    reason: row.reason,
    cancelRequested: row.cancel_requested,
    timedOut: row.timed_out,
    unsettled: row.unsettled,
    onlyTasks: row.only_tasks,
    noChecks: row.no_checks,
    ...parentOf(row),
  }
}

function parentOf(row: RunRow): Pick<Run, 'parent'> {
  const { parent_run_id: runId, parent_task_id: taskId, parent_generation: generation } = row
  if (runId === null || taskId === null || generation === null) return {}
  return { parent: { runId, taskId, generation, waits: row.parent_waits === true } }
}

export const TASK_COLUMNS = `task_id, state, attempt, tries, generation, not_before, since, started_at, ended_at, reason,
  cancel_requested, outputs, waits_for`

export interface TaskRow extends Record<string, unknown> {
  task_id: string
  state: TaskState
  attempt: number
  tries: number
  generation: number
  not_before: Instant | null
  since: Instant
  started_at: Instant | null
  ended_at: Instant | null
  reason: string
  cancel_requested: boolean
  outputs: JsonObject
  waits_for: Wait | null
}

/** A task as the core knows it. `waitsFor` is there only while something outside is awaited. */
export function toTaskRun(row: TaskRow): TaskRun {
  return {
    taskId: row.task_id,
    state: row.state,
    attempt: row.attempt,
    tries: row.tries,
    generation: row.generation,
    notBefore: row.not_before,
    since: row.since,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    reason: row.reason,
    cancelRequested: row.cancel_requested,
    outputs: row.outputs,
    ...(row.waits_for === null ? {} : { waitsFor: row.waits_for }),
  }
}

export interface OutcomeRow extends Record<string, unknown> {
  task_id: string
  attempt: number
  result: AttemptOutcome['result']
  reason: string
  retryable: boolean
  outputs: JsonObject
  ended_at: Instant
  wake_at: Instant | null
  /** names of checks that did not pass; null for none */
  failed_checks: string[] | null
  waits_for: Wait | null
}

/** An attempt's end as the core settles it. When to look again and what for belong to deferred attempts alone. */
export function toOutcome(row: OutcomeRow): AttemptOutcome {
  return {
    taskId: row.task_id,
    attempt: row.attempt,
    result: row.result,
    reason: row.reason,
    retryable: row.retryable,
    outputs: row.outputs,
    endedAt: row.ended_at,
    ...(row.result === 'deferred' ? { wakeAt: row.wake_at, waitsFor: row.waits_for } : {}),
    ...(row.failed_checks === null ? {} : { failedChecks: row.failed_checks }),
  }
}

/** Instants inside a JSON parameter are text: PostgreSQL reads them as timestamptz. */
export function jsonInstant(instant: Instant | null): string | null {
  return instant === null ? null : new Date(instant).toISOString()
}

/**
 * A value as the text of a jsonb parameter. PostgreSQL's jsonb holds neither NUL nor half a surrogate pair, and what a task
 * reports must never be refused for one character: NUL becomes \u2400 (the sign for it), half a pair the replacement character.
 */
export function json(value: unknown): string {
  const text = JSON.stringify(value)
  return /\\u(?:0000|d[89a-f])/.test(text) ? JSON.stringify(storable(JSON.parse(text))) : text
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\u2400').replace(/\p{Surrogate}/gu, '\ufffd')
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [storable(key), storable(field)]))
}
