import type { Instant, Json } from '../json.js'
import type { Recipients } from './core/alert.js'
import type { Verdict } from './core/approval.js'
import type { ManualRunOptions, TaskState } from './core/model.js'
import type { Missed } from './loop/catchup.js'
import type { Role } from './store/account-store.js'
import type { AlertChoice } from './store/alert-store.js'
import type { BackfillChoice } from './store/backfill-store.js'
import type { ClearChoice } from './store/clear-store.js'

/** Who acts; every command leaves an audit row in their name. */
export interface Actor {
  user: string
}

/** Who decides what waits for a person; the role is part of what an approval asks for. */
export interface Decider extends Actor {
  role: Role
}

/**
 * The few ways to act on Sluice; the web view, the API and the command line share them. Refusals are
 * `SluiceError`s (DAG_UNKNOWN, RUN_UNKNOWN, TASK_UNKNOWN, PARAMS_INVALID, INTERVAL_INVALID, STATE_CONFLICT,
 * IDEMPOTENCY_CONFLICT, FORBIDDEN, BACKFILL_INVALID, BACKFILL_UNKNOWN). Each resolves only after the change is durable.
 */
export interface Commands {
  /** makes a run by hand; with the same key and request a second call returns the first one's run, `repeated: true` */
  trigger(
    dagId: string,
    options: ManualRunOptions,
    actor: Actor,
    idempotencyKey: string | null,
  ): Promise<{ run: string; repeated: boolean }>
  /**
   * Makes the run of a delivery to a webhook whose sender is proven; the same delivery again finds the first one's run.
   * While the DAG is paused the run waits.
   */
  deliver(dagId: string, delivery: Delivery): Promise<{ run: string; repeated: boolean }>
  /** new generation for these tasks (all when null); with `downstream` also for everything that needs them */
  clear(runId: string, tasks: string[] | null, options: ClearOptions, actor: Actor): Promise<{ cleared: string[] }>
  /**
   * The same for the runs of a range, some at a time: as long as `next` is not null there may be more, behind that run. Each
   * run is cleared in a step of its own; the same range again goes on where it was cut off.
   */
  clearRuns(
    dagId: string,
    range: ClearRange,
    tasks: string[] | null,
    options: ClearOptions,
    actor: Actor,
  ): Promise<{ cleared: { run: string; tasks: string[] }[]; next: string | null }>
  mark(
    runId: string,
    tasks: string[],
    state: Extract<TaskState, 'success' | 'failed' | 'skipped'>,
    actor: Actor,
  ): Promise<{ marked: string[] }>
  cancel(runId: string, actor: Actor): Promise<void>
  /** cancels one task; what needs it follows its trigger rule */
  cancelTask(runId: string, taskId: string, actor: Actor): Promise<void>
  /** confirms or rejects what a task waits for (operator `approval`) */
  approve(runId: string, taskId: string, verdict: Verdict, actor: Decider): Promise<void>
  pause(dagId: string, reason: string, actor: Actor): Promise<void>
  /** missed runs are made up for as the DAG's `catchup` says, or not at all with `skipMissed`; tells what was missed */
  resume(dagId: string, actor: Actor, options?: { skipMissed: boolean }): Promise<Missed>
  /** what a resume would find, without doing anything */
  missed(dagId: string): Promise<Missed>
  /** what a backfill would make, without doing anything */
  previewBackfill(dagId: string, request: BackfillRequest): Promise<BackfillPreview>
  /** with the same key and request a second call finds the first one's backfill, `repeated: true` */
  startBackfill(
    dagId: string,
    request: BackfillRequest,
    actor: Actor,
    idempotencyKey?: string | null,
  ): Promise<{ id: number; preview: BackfillPreview; repeated: boolean }>
  pauseBackfill(id: number, actor: Actor): Promise<void>
  resumeBackfill(id: number, actor: Actor): Promise<void>
  /** takes note of alerts; what was not sent yet is not sent any more */
  acknowledgeAlerts(choice: AlertChoice, actor: Actor): Promise<{ acknowledged: number }>
  muteAlerts(request: MuteRequest, actor: Actor): Promise<{ mute: number }>
  endMute(muteId: number, actor: Actor): Promise<void>
  /** sends a message again that was given up */
  retryMessage(messageId: number, actor: Actor): Promise<void>
  /** raises an alert to these, or to those in sluice.yaml when null; `key` finds it again */
  testAlert(recipients: Recipients | null, actor: Actor): Promise<{ key: string }>
  /** ends it and cancels its runs under way */
  cancelBackfill(id: number, actor: Actor): Promise<{ cancelled: string[] }>
}

export interface ClearOptions {
  /** also everything that needs the tasks, directly or not */
  downstream: boolean
  /** only what failed, could not run or was cancelled; of a range only runs that did not end well */
  failedOnly: boolean
}

/** Which runs are cleared together. */
export type ClearRange = Omit<ClearChoice, 'notWell'>

/** One delivery to a webhook. */
export interface Delivery {
  webhook: string
  /** the sender's id of it; the same for every attempt to deliver it */
  id: string
  /** SHA-256 of the body, hex */
  bodyHash: string
  payload: Json
}

/** Which intervals of the past get a run. */
export interface BackfillRequest {
  /** those inside `[from, to)` */
  from: Instant
  to: Instant
  which: BackfillChoice
  /** the latest first */
  reverse: boolean
  /** runs at once, at most the DAG's `max_active_runs`; null leaves one of those to the schedule */
  maxActive: number | null
}

export interface BackfillPreview {
  /** intervals in the range */
  slots: number
  /** those with a run that is queued, running or a success; whose runs all went wrong; without a run */
  good: number
  failed: number
  missing: number
  /** runs that are made */
  makes: number
  /** due instants of the earliest and the latest interval */
  first: Instant | null
  last: Instant | null
  maxActive: number
}

/** Alerts of a DAG, or of one of its tasks, that are not to be sent for a while. */
export interface MuteRequest {
  dagId: string
  /** null for the whole DAG */
  taskId: string | null
  until: Instant
  reason: string
}

/** What of the scheduler the commands need: a place to write and a bell to ring. */
export interface Wake {
  /** the run has changed: settle it now */
  run(runId: string): void
  /** something may be due or startable */
  all(): void
  now(): Instant
}
