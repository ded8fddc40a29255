import type { Instant } from '../json.js'
import type { ManualRunOptions, TaskState } from './core/model.js'

/** Who acts; every command leaves an audit row in their name. */
export interface Actor {
  user: string
}

/**
 * The few ways to act on Sluice; the web view, the API and the command line share them (DESIGN 3). Refusals are
 * `SluiceError`s (DAG_UNKNOWN, RUN_UNKNOWN, TASK_UNKNOWN, PARAMS_INVALID, INTERVAL_INVALID, STATE_CONFLICT,
 * IDEMPOTENCY_CONFLICT). Each resolves only after the change is durable.
 */
export interface Commands {
  /** makes a run by hand; with the same key and request a second call returns the first one's run, `repeated: true` */
  trigger(
    dagId: string,
    options: ManualRunOptions,
    actor: Actor,
    idempotencyKey: string | null,
  ): Promise<{ run: string; repeated: boolean }>
  /** new generation for these tasks (all when null); with `downstream` also for everything that needs them */
  clear(
    runId: string,
    tasks: string[] | null,
    options: { downstream: boolean; failedOnly: boolean },
    actor: Actor,
  ): Promise<{ cleared: string[] }>
  mark(
    runId: string,
    tasks: string[],
    state: Extract<TaskState, 'success' | 'failed' | 'skipped'>,
    actor: Actor,
  ): Promise<{ marked: string[] }>
  cancel(runId: string, actor: Actor): Promise<void>
  /** cancels one task; what needs it follows its trigger rule */
  cancelTask(runId: string, taskId: string, actor: Actor): Promise<void>
  pause(dagId: string, reason: string, actor: Actor): Promise<void>
  /** the next run is the next tick from now; missed ones are not replayed */
  resume(dagId: string, actor: Actor): Promise<void>
}

/** What of the scheduler the commands need: a place to write and a bell to ring. */
export interface Wake {
  /** the run has changed: settle it now */
  run(runId: string): void
  /** something may be due or startable */
  all(): void
  now(): Instant
}
