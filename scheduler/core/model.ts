import type { Instant, Json, JsonObject } from '../../json.js'
import type { Wait } from '../../operators/wait.js'
import type { Dag } from '../dag/model.js'
import type { AlertEvent } from './alert.js'

export const TASK_STATES = [
  'none',
  'scheduled',
  'queued',
  'running',
  'deferred',
  'up_for_retry',
  'success',
  'failed',
  'skipped',
  'upstream_failed',
  'cancelled',
] as const
export type TaskState = (typeof TASK_STATES)[number]
export const FINAL_TASK_STATES: readonly TaskState[] = ['success', 'failed', 'skipped', 'upstream_failed', 'cancelled']

export const RUN_STATES = ['queued', 'running', 'success', 'failed', 'cancelled'] as const
export type RunState = (typeof RUN_STATES)[number]
export type RunKind = 'scheduled' | 'manual' | 'backfill' | 'triggered'

/** A run as the core sees it. `revision` grows with every applied decision: it is the compare-and-set of the run. */
export interface Run {
  /** `<dag>-<stamp>` for a scheduled run, `<dag>-<stamp>-manual` for one by hand, `<dag>-<stamp>-backfill<n>` for
   *  one of backfill n, `<dag>-<stamp>-trigger<n>` for one that event n started and `<dag>-<stamp>-webhook`; stamp is `20261120T050000Z`,
   *  with milliseconds `20261120T050000123Z` for all but the first and the third. DAG ids have no dash, so the parts stay apart. */
  id: string
  dagId: string
  version: string
  kind: RunKind
  state: RunState
  revision: number
  /** the instant the run was due; for a manual run that of the trigger. Unique with (dag, kind), for
   *  backfills within each. */
  dueAt: Instant
  intervalStart: Instant
  intervalEnd: Instant
  params: JsonObject
  /** who or what made it: a user's name, `schedule`, `start`, `table silver.sales` */
  triggeredBy: string
  /** of a triggered run what started it; null for others */
  trigger: RunTrigger | null
  createdAt: Instant
  startedAt: Instant | null
  endedAt: Instant | null
  /** one sentence for a person; '' when there is nothing to say */
  reason: string
  cancelRequested: boolean
  /** it was on for longer than `run_timeout`: it is being stopped, or has been, and has failed */
  timedOut: boolean
  /** A command has left something to decide: whoever settles the run next takes the mark away in the step that does it. */
  unsettled: boolean
  /** ids of the tasks this run is limited to (`run --task`), null for all */
  onlyTasks: string[] | null
  /** audits are recorded but not enforced (`run --no-checks`) */
  noChecks: boolean
  /** the task that started it (`trigger_dag`); absent when none did */
  parent?: ParentTask
}

/** The task that a run was started by. */
export interface ParentTask {
  runId: string
  taskId: string
  generation: number
  /** it waits for the run's end, and takes the run along when it is cancelled */
  waits: boolean
}

/** What started a run, as its templates see it (`{{ trigger.file }}`) and its page shows it. The singular names are there for one. */
export type RunTrigger =
  | { kind: 'table'; table?: string; version?: number; from_version?: number | null; tables: TriggerTable[] }
  | { kind: 'dag'; dag?: string; run?: string; runs: { dag: string; run: string }[] }
  | { kind: 'file'; file?: string; files: string[] }
  | { kind: 'webhook'; webhook: string; delivery: string }

/** Kinds of triggers that events feed; a webhook makes its run at once. */
export type EventKind = 'table' | 'file' | 'dag'

/** Something has happened that a DAG waits for. Each is known once, and starts (or goes into) one run. */
export interface TriggerEvent {
  /** grows with time */
  id: number
  kind: EventKind
  /** as in `Trigger.sources` */
  source: string
  detail: EventDetail
  seenAt: Instant
}

export type EventDetail =
  /** the version after `from_version` of a table; null when there was none, or it is not known */
  | { table: string; version: number; from_version: number | null }
  | { dag: string; run: string }
  /** absolute paths or URLs: one file, or those of a complete folder */
  | { files: string[] }

/** The versions of one table that a run stands for: those after `from_version`, up to `version`. */
export interface TriggerTable {
  table: string
  version: number
  /** null when there was none before */
  from_version: number | null
}

/** One task of one run, or one item of a task with `for_each` (items.ts). */
export interface TaskRun {
  /** as declared; of an item with its number, `load.17` */
  taskId: string
  state: TaskState
  /** number of the current or last attempt over the life of the run; 0 before the first */
  attempt: number
  /** Attempts used in this generation; compared with `retries`. 0 while `running` says that the attempt belongs to an
   *  earlier generation: the task was cleared under it, it is being stopped, and whatever its outcome the task starts anew. */
  tries: number
  /** grows with a deliberate clear, never with a retry; part of the commit token */
  generation: number
  /** earliest instant of the next attempt while `up_for_retry` or `deferred`; null while only an event wakes it */
  notBefore: Instant | null
  /** since when it is in `state` */
  since: Instant
  startedAt: Instant | null
  endedAt: Instant | null
  /** why it is not running, or what ended it; '' when the state says all */
  reason: string
  /** the running attempt is to be stopped; the task leaves `running` once its outcome is there */
  cancelRequested: boolean
  outputs: JsonObject
  /** while `deferred`: what brings it back before `notBefore`; null or absent when nothing does */
  waitsFor?: Wait | null
}

/** How one attempt ended, as the worker (or the reaper) recorded it. */
export interface AttemptOutcome {
  taskId: string
  attempt: number
  /** `stopped`: its worker was stopped cleanly meanwhile; `lost`: its worker or slot was killed, or not heard of */
  result: 'success' | 'failed' | 'skipped' | 'timed_out' | 'cancelled' | 'lost' | 'deferred' | 'stopped'
  /** with `deferred` the instant of the next attempt; null or absent when only an event brings it */
  wakeAt?: Instant | null
  /** with `deferred` what brings it back before; absent when nothing does */
  waitsFor?: Wait | null
  /** one sentence; the true reason */
  reason: string
  /** false fails the task whatever `retries` allows */
  retryable: boolean
  outputs: JsonObject
  /** when its worker had the claim in hand, if later than the claim says; what freed its place has ended before */
  startedAt?: Instant
  endedAt: Instant
  /** names of checks that did not pass, those with severity warn too; absent for none */
  failedChecks?: string[]
}

/** Items of a task that a snapshot counts instead of showing them (aside.ts). */
export interface ItemsAside {
  /** those that have ended, and those of them that failed or were cancelled */
  ended: number
  failed: number
  /** those that are `none` */
  waiting: number
}

/** Everything a decision about one run needs. `outcomes` are recorded and not yet settled. */
export interface RunSnapshot {
  run: Run
  dag: Dag
  tasks: TaskRun[]
  outcomes: AttemptOutcome[]
  /** by task with `for_each`; empty when every row of the run is in `tasks` */
  aside: Readonly<Record<string, ItemsAside>>
  /** the run before, where a task depends on it; null for none, or when nothing depends on it */
  past: PastRun | null
}

/** The run that comes before another of the same DAG and kind. */
export interface PastRun {
  runId: string
  state: RunState
  /** states of its tasks that the run depends on; a task that it does not have is left out */
  tasks: Readonly<Record<string, TaskState>>
}

/** One transition: applied only while the task is still in `expect`. Fields of `set` that are absent stay as they are. */
export interface TaskChange {
  taskId: string
  expect: { state: TaskState; attempt: number; generation: number }
  set: {
    state: TaskState
    tries?: number
    generation?: number
    notBefore?: Instant | null
    startedAt?: Instant | null
    endedAt?: Instant | null
    reason: string
    cancelRequested?: boolean
    outputs?: JsonObject
    waitsFor?: Wait | null
  }
}

export interface RunChange {
  state?: RunState
  startedAt?: Instant | null
  endedAt?: Instant | null
  reason?: string
  cancelRequested?: boolean
  timedOut?: boolean
  unsettled?: boolean
}

/** The items of a task with `for_each`, made or made anew. None of them is at work. */
export interface Expansion {
  taskId: string
  /** in their order, from 0 */
  items: { value: Json; state: TaskState; generation: number; reason: string }[]
}

/** What the core wants done about one run; written in one step, all or nothing, against `revision`. */
export interface Decision {
  tasks: TaskChange[]
  /** rows of items, beside `tasks`; items of a longer list before are removed */
  expand: Expansion[]
  run: RunChange | null
  /** attempts whose outcome this decision has taken into account; it is written only where they ended so */
  settled: { taskId: string; attempt: number; result: AttemptOutcome['result'] }[]
  /** running attempts whose worker must stop them */
  stop: { taskId: string; attempt: number }[]
  /** the next instant at which this run needs a look although nothing happens (a retry); null for none */
  wakeAt: Instant | null
  /** what people are to be told of it (alerts.ts); absent for nothing */
  alerts?: readonly AlertEvent[]
  /** tasks (null: the run) that have ended or go on after their end: their SLAs are to be looked at now, others of the run
   *  soon; absent when the run has none */
  slas?: readonly (string | null)[]
}

/** Something in a web form or an API body that a run by hand may set. */
export interface ManualRunOptions {
  params: Record<string, Json>
  interval: { start: Instant; end: Instant } | null
  onlyTasks: string[] | null
  noChecks: boolean
}
