import type { Instant, Json, JsonObject } from '../../json.js'
import type { AlertEvent } from '../core/alert.js'
import type {
  AttemptOutcome,
  Decision,
  ParentTask,
  Run,
  RunKind,
  RunSnapshot,
  RunTrigger,
  TaskRun,
} from '../core/model.js'
import type { Dag, Overlap, Problem } from '../dag/model.js'
import type { AccountStore, AuditEntry } from './account-store.js'
import type { AlertMessageStore, AlertStore } from './alert-store.js'
import type { BackfillStore } from './backfill-store.js'
import type { ClearStore } from './clear-store.js'
import type { Durability } from './database.js'
import type { LeftWorkStore } from './left-work-store.js'
import type { RetentionStore } from './retention-store.js'
import type { SettleTurn } from './settle-turn.js'
import type { NewSla, SlaStore } from './sla-store.js'
import type { TriggerStore } from './trigger-store.js'
import type { WaitStore } from './wait-store.js'

/**
 * The metadata store: the one authority (docs/ARCHITECTURE.md). PostgreSQL, PGlite and the simulation's memory store pass the same
 * suite (`tests/scheduler/store/suite.ts`). Rules for every method:
 * - `now` is a parameter; the store never asks a clock.
 * - Each method is one atomic step: it happens whole or not at all, and may be repeated safely after an unclear answer.
 * - "0 rows" comes back as a named outcome. Only broken assumptions throw (`SluiceError` STORE_FAILED with the cause).
 */
export interface Store
  extends DagStore,
    RunStore,
    RetentionStore,
    BackfillStore,
    ClearStore,
    WaitStore,
    TriggerStore,
    ClaimStore,
    LeftWorkStore,
    LineageStore,
    AccountStore,
    AlertStore,
    AlertMessageStore,
    SlaStore {
  close(): Promise<void>
}

/** The pause reason that `registerDags` gives to a DAG whose file has gone. */
export const FILE_DISAPPEARED = 'file disappeared'

// ---- DAGs ------------------------------------------------------------------------------------------------------------

export interface RegisteredDag {
  id: string
  file: string
  /** the version that new runs take: the last good one */
  version: string
  paused: boolean
  /** '' unless paused: who paused it and why (`file disappeared`) */
  pauseReason: string
  /** false once its file has gone */
  present: boolean
  /** the next instant a scheduled run is due; null without a schedule */
  nextDueAt: Instant | null
}

export interface DagStore {
  /**
   * Takes over one reading of the DAGs folder: registers new DAGs and versions, marks vanished ones not present and
   * paused (`FILE_DISAPPEARED`, unless a person has paused them already), replaces all problems. A DAG whose file is
   * broken (its path, as in `Dag.file`, is in `broken`) keeps its last good version. A DAG that comes back is present again, and resumed when
   * its file's absence was what paused it. `nextDue` holds the next due instant of every DAG in `dags` whose schedule is
   * new or changed; others keep theirs.
   * What the triggers of these DAGs wait for is taken over too: sources that are new begin at `now`, those of DAGs that name
   * them no more, or whose file has gone, end (`trigger-store.ts`).
   * @returns ids of the DAGs that are not as `expect` says any more, or have vanished: they stay as they are, and are to be
   *   decided anew
   */
  registerDags(
    input: {
      dags: Dag[]
      broken: string[]
      problems: Problem[]
      nextDue: Record<string, Instant | null>
      /** what a DAG was compared with: its version, and where `nextDue` moves it, its next due instant; absent for whatever is there */
      expect?: Readonly<Record<string, Pick<RegisteredDag, 'version' | 'nextDueAt'>>>
      /** raised in the same step, but for a broken file whose errors are among the stored problems already; absent for none */
      alerts?: readonly AlertEvent[]
      /**
       * destinations that are told, in the same step, of each file with stored errors that has none any more and is that of a
       * DAG in `dags`, or one of defaults (`file_mended`, once for each `file_broken`); absent for nobody
       */
      mendedTo?: readonly string[]
    },
    now: Instant,
  ): Promise<string[]>
  dags(): Promise<RegisteredDag[]>
  dag(dagId: string): Promise<RegisteredDag | null>
  /** a version once stored never changes, so callers may cache it for ever */
  dagVersion(version: string): Promise<Dag | null>
  problems(): Promise<Problem[]>
  /**
   * The SLAs of a DAG whose pause ends are due to be looked at. A person who pauses a DAG whose file has gone means it to stay
   * so when the file comes back: the reason becomes theirs.
   */
  setPaused(dagId: string, paused: boolean, reason: string, now: Instant): Promise<'changed' | 'unchanged' | 'unknown'>
  /** moves the next due instant without making a run (catchup, resume); compare-and-set on `expect` */
  setNextDue(dagId: string, expect: Instant | null, nextDueAt: Instant | null): Promise<'changed' | 'moved'>
  /** DAGs present, not paused and due at or before `now`, earliest first */
  dueDags(now: Instant, limit: number): Promise<RegisteredDag[]>
  /** earliest `nextDueAt` of DAGs present and not paused */
  nextDueAt(): Promise<Instant | null>
  setPools(pools: Record<string, number>): Promise<void>
}

// ---- runs ------------------------------------------------------------------------------------------------------------

export interface NewRun {
  id: string
  dagId: string
  version: string
  kind: RunKind
  dueAt: Instant
  intervalStart: Instant
  intervalEnd: Instant
  params: JsonObject
  triggeredBy: string
  /** of a triggered run what started it */
  trigger?: RunTrigger | null
  onlyTasks: string[] | null
  noChecks: boolean
  /** one row per task of the version, in its order; a task outside `onlyTasks` is not made. They begin as `none`, with
   *  the reason `waits for the run to start`. */
  tasks: { taskId: string; pool: string; poolSlots?: number; queue: string; priority: number }[]
  /** deadlines of the run and its tasks, inserted with it */
  slas: NewSla[]
  maxActiveRuns: number
  maxActiveTasks: number
  /** the task that starts it; absent when none does */
  parent?: ParentTask
  overlap: Overlap
  /** a scheduled run or one of a backfill waits for the one before it: with some of its tasks, or as a whole */
  dependsOnPast: 'no' | 'tasks' | 'run'
  runTimeoutMs: number | null
}

/** What one look at the clock decides for a DAG: the runs that are due, and the instant of the next look. */
export interface DueAdvance {
  dagId: string
  /** the version by whose schedule this was decided */
  version: string
  /** the next due instant as it was seen */
  expect: Instant
  nextDueAt: Instant | null
  /** runs of this DAG; none when the instant is only to move */
  runs: NewRun[]
}

/** Which queued runs start, and which give way. */
export interface StartStore {
  /**
   * Starts queued runs (state `running`, `startedAt` now, reason '', revision + 1), the earliest due first but those of
   * backfills after all others, while their DAG has fewer than `maxActiveRuns` running; exact under concurrency. Runs of paused
   * DAGs start too when they were made by hand, those of paused backfills do not. A run that depends on the past starts once the
   * latest before it (same DAG and kind, for backfills the same one) has succeeded; with `tasks` those that are running are passed over.
   * The first hundred runs of each DAG that are left behind get their reason (`waits: 1 of 1 runs of sales are active`,
   * `waits: sales is paused`), with `told: 'all'` any of them, at most 1,000 at a time.
   * SLAs that count from the start are due to be looked at. Returns the ids of the runs it started.
   */
  startRuns(now: Instant, limit: number, told?: 'first' | 'all'): Promise<string[]>
  /**
   * Asks for the cancellation (`cancelRequested`, reason, revision + 1) of what overlaps where a DAG has `maxActiveRuns` running
   * and a scheduled run that was never started waits: with `skip` of that run; with `cancel_running` of the earliest scheduled one that is
   * running, one at a time, and of all that wait but the latest. Paused DAGs are left alone. Returns the runs to settle.
   */
  cancelOverlapping(): Promise<string[]>
  /** the earliest running run after this one, of the same DAG and kind (for backfills the same one) */
  nextRun(runId: string): Promise<string | null>
}

export interface RunStore extends StartStore {
  /**
   * Makes due runs of many DAGs in one step, each as `createRun` does, and moves each DAG's next due instant in the same
   * step, so a tick yields one run however many schedulers see it. Runs that are there already (same id, or same DAG, due
   * instant and kind) stay as they are. Each DAG stands or falls by itself: the answer has one outcome per advance, in
   * their order.
   * - `advanced`: the instant has moved; `created` are the ids of the runs that were not there yet
   * - `tick_moved`: the DAG's next due instant is not `expect` any more, or it is of another version; nothing of this DAG was
   *   written
   * @param advances at most one per DAG
   */
  advanceDue(
    advances: readonly DueAdvance[],
    now: Instant,
  ): Promise<({ outcome: 'advanced'; created: string[] } | { outcome: 'tick_moved' })[]>
  /**
   * Inserts the run and its tasks (all `none`), state `queued`, with `audit` in the same step. With `idempotency` a repeated
   * request finds the first one's run. Every outcome but `created` has written nothing.
   * - `exists`: another run has this id or this (dag, due instant, kind)
   * - `repeated`: the idempotency key was used before, by the same request; `runId` is the run it made
   * - `key_conflict`: the idempotency key was used before, by another request
   */
  createRun(
    run: NewRun,
    options: { now: Instant; idempotency?: { key: string; requestHash: string }; audit?: AuditEntry },
  ): Promise<
    | { outcome: 'created' }
    | { outcome: 'exists'; runId: string }
    | { outcome: 'repeated'; runId: string }
    | { outcome: 'key_conflict' }
  >
  /** the run that a request with this idempotency key has made; null when there was none, or its run has been removed */
  runOfKey(key: string): Promise<{ runId: string; requestHash: string } | null>
  run(runId: string): Promise<Run | null>
  taskRuns(runId: string): Promise<TaskRun[]>
  /** outputs of these tasks by id; those that do not belong to the run are left out */
  outputsOf(runId: string, tasks: readonly string[]): Promise<Record<string, JsonObject>>
  /**
   * Null when there is no such run.
   * @param shownItems of a task with more items than this only those neither `none` nor ended are shown, and as many of the
   *   first that are `none`; the others are counted in `aside`. Without it the snapshot is whole.
   */
  snapshot(runId: string, shownItems?: number): Promise<RunSnapshot | null>
  /**
   * Writes a decision whole: task changes, run change, `settled` marks on the attempts, revision + 1.
   * `conflict`: the revision has moved; load again and decide anew. Changes whose `expect` no longer holds, and attempts in
   * `settled` that have not been recorded with that result, make it a conflict too: nothing is written. A change that takes a task out of `running` ends its claim (token, lease, and the
   * attempt's row gets its end and, unless it has one, the result `cancelled`); one that leaves it `running` does not.
   * A change of generation forgets handle and progress, one from `running` to `none` the handle, a new generation or a deferral what the task was woken by. A handle that no
   * attempt will be given any more becomes left work (`LeftWorkStore`). `since` becomes `now` when the state changes.
   * `slas` makes SLAs of the run due: at once those of the subjects it names, not before five seconds after their last look
   * the others that may warn.
   * `expand` makes the rows of items in pool, queue and place of their task, counting their attempts on from those of an
   * earlier generation; items of the task that it does not name are removed, their attempts stay.
   * `alerts` are raised as by `raiseAlerts`, in the same step.
   * @param durable `with_next` for what follows from recorded outcomes and would be decided again
   */
  applyDecision(
    runId: string,
    revision: number,
    decision: Decision,
    now: Instant,
    durable?: Durability,
  ): Promise<'applied' | 'conflict'>
  /** Runs that have unsettled outcomes (whatever their state), that are `unsettled`, that are being cancelled, that are on for as long as
   *  `runTimeoutMs`, or are running and have a task `up_for_retry` or `deferred` whose `notBefore` has come, or one whose reason says that
   *  it waits for the run before although it has no cause to any more, or are running with no task `scheduled`, `queued`, `running`,
   *  `up_for_retry`, or `deferred` by an attempt of its own (a task with `for_each` has none), and none that waits for the run before.
   *  DAGs take turns, those behind `turn.dag` first; of each the runs behind `turn.runs[dag]` come first, in the order of their ids. */
  runsToSettle(now: Instant, limit: number, turn?: SettleTurn): Promise<string[]>
  /** earliest `notBefore` of tasks waiting for a retry, or deferred until then; or end of a run's time */
  nextRetryAt(): Promise<Instant | null>
}

// ---- claims ----------------------------------------------------------------------------------------------------------

export interface QueuedTask {
  runId: string
  taskId: string
  attempt: number
  queue: string
  priority: number
  /** queued in a later step than the first: who asked behind the first may have missed it */
  late?: true
}

export interface ClaimedTask {
  runId: string
  dagId: string
  version: string
  taskId: string
  attempt: number
  tries: number
  generation: number
  /** proof of ownership: every later write about this attempt carries it */
  claimToken: string
  leaseUntil: Instant
  dueAt: Instant
  intervalStart: Instant
  intervalEnd: Instant
  params: JsonObject
  triggeredBy: string
  /** null for a run that no trigger started */
  trigger: RunTrigger | null
  noChecks: boolean
  /** of an item (`taskId` is `load.17`) its value; null for other tasks */
  item: Json
  /** what the attempt before this one saved with saveHandle(), for re-attachment; null for none */
  handle: Json
  /** what the task waited for has come to this, or what the last look at it found (`in_vain`); null when there is nothing to tell */
  woken: Json
  claimedAt: Instant
}

export interface ClaimRef {
  runId: string
  taskId: string
  attempt: number
  claimToken: string
}

export interface WorkerInfo {
  id: string
  epoch: number
  host: string
  pid: number
  queues: string[]
  slots: number
  busy: number
  startedAt: Instant
  heartbeatAt: Instant
}

export interface ClaimStore {
  /**
   * Moves `scheduled` tasks of running runs to `queued` (attempt + 1, tries + 1, `cancelRequested` false, reason `waits for
   * a worker of queue default`), highest priority first and fair between DAGs, while pool and `max_active_tasks` (of the
   * run's DAG, all its runs together) have room. Exact: no instant has more queued + running tasks than the limit. Tasks
   * left behind get the reason (`pool spark is full, 4 of 4`, `8 of 8 tasks of sales are active`). A pool that is
   * not defined has no room (`pool spark is not defined in sluice.yaml`). Does not touch the run's revision.
   * @param tell false: the reasons of those left behind stay as they are, which saves a look at each of them
   * @param claimFollows a claim is asked for in this turn of the event loop: a store may answer both at once
   */
  queueReady(now: Instant, limit: number, tell?: boolean, claimFollows?: boolean): Promise<QueuedTask[]>
  /** queued since before `before` and never claimed: their hint may have been lost */
  staleQueued(before: Instant, limit: number): Promise<QueuedTask[]>
  /** Takes up to `limit` queued tasks of these queues for the worker, highest priority first: state `running`, reason '',
   *  `startedAt` now, `endedAt` null, new claim token, lease, a row in the attempts. Tasks of finished runs stay. An older
   *  epoch than the current one gets nothing; its heartbeat says so. */
  claim(
    worker: { id: string; epoch: number; queues: string[] },
    options: { now: Instant; leaseMs: number; limit: number },
  ): Promise<ClaimedTask[]>
  /**
   * Queues again, as if it had never been claimed and without costing a try, what this worker holds and does not know of: the
   * answer to a claim of its was lost on the way. To be asked while no claim of the worker is under way. What is to
   * stop stays: the end of its lease ends it.
   * @param options.since an instant at or before that of the claim
   * @param options.known tokens of all claims that the worker has, or has lost, since then
   * @returns whose attempts they were
   */
  giveBack(
    worker: { id: string; epoch: number },
    options: { since: Instant; known: readonly string[]; now: Instant },
  ): Promise<{ runId: string; taskId: string; attempt: number }[]>
  /** Extends the leases that are still ours (a lease that has run out but was not reaped yet is still ours). `lost` are no
   *  longer; `cancel` are those whose task has `cancelRequested`. Also records the worker as alive. `epochOver`: another
   *  Sluice has begun an epoch since the worker's, which will therefore never get a claim again. */
  heartbeat(
    worker: WorkerInfo,
    claims: ClaimRef[],
    options: { now: Instant; leaseMs: number },
  ): Promise<{ lost: ClaimRef[]; cancel: ClaimRef[]; epochOver: boolean }>
  /** Records how attempts ended; the task itself stays `running` until the outcome is settled, without a lease.
   *  `lost_claim`: refused, another owner has it or it has ended. Repeating (same claim token) is `recorded`. */
  recordOutcomes(
    outcomes: (ClaimRef & { outcome: AttemptOutcome; facts: AttemptFacts })[],
    now: Instant,
  ): Promise<('recorded' | 'lost_claim')[]>
  /**
   * The last attempt that worked from these inputs, ended well, and still stands: its run has not been removed, and nobody has
   * cleared or marked its task since. Null for none.
   * @param inputKey as recorded with its facts
   */
  doneBefore(inputKey: string): Promise<EarlierAttempt | null>
  /** handle of outside work, saved before it is waited for */
  saveHandle(claim: ClaimRef, handle: Json, now: Instant): Promise<'saved' | 'lost_claim'>
  saveProgress(claim: ClaimRef, progress: Json, now: Instant): Promise<'saved' | 'lost_claim'>
  /** Running attempts without an outcome whose lease ended before `now` get the outcome `lost`, reason `worker W was not
   *  heard of since INSTANT`; one conditional UPDATE. Returns the runs to settle. */
  reapExpired(now: Instant): Promise<string[]>
  /** earliest end of a lease that `reapExpired` would look at */
  nextLeaseEnd(): Promise<Instant | null>
  /** Begins a new epoch of an embedded Sluice: every claim of an older epoch gets the outcome `lost` at once, with
   *  `reason`. Returns the runs to settle. */
  beginEpoch(reason: string, now: Instant): Promise<{ epoch: number; runs: string[] }>
  /** the newest epoch; 0 before the first. Workers of a cluster claim in it. */
  currentEpoch(): Promise<number>
  workers(now: Instant): Promise<WorkerInfo[]>
  /** the worker has stopped by itself, so nobody misses its heartbeat */
  removeWorker(workerId: string): Promise<void>
}

/** A successful attempt whose result a later one may take over. */
export interface EarlierAttempt {
  runId: string
  taskId: string
  attempt: number
  outputs: JsonObject
  reads: TableRead[]
  /** versions of tables that it made */
  writes: { table: string; version: number }[]
}

/** What an attempt leaves behind besides its outcome; shown in the history. */
export interface AttemptFacts {
  /** hash of all that a successful attempt worked from, with `skip_if_done`; absent when no later one may take its result over */
  inputKey?: string
  /** configuration as rendered, secrets masked */
  rendered: Json
  logLines: number
  logBytes: number
  reads: TableRead[]
  writes: TableWrite[]
  checks: CheckRecord[]
  metrics: JsonObject
}

// ---- lineage, versions, checks -----------------------------------------------------------------------------------------

export interface TableRead {
  table: string
  version: number
  rows: number | null
}

export interface TableWrite {
  table: string
  /** null when the table did not exist */
  versionBefore: number | null
  version: number
  operation: string
  rowsAdded: number
  rowsUpdated: number
  rowsRemoved: number
  rowsTotal: number | null
  bytes: number
  committedAt: Instant
}

export interface CheckRecord {
  name: string
  kind: string
  table: string
  severity: 'error' | 'warn'
  passed: boolean
  failingRows: number
  /** what was measured, e.g. `{ "rows": 1120, "min": 1 }` */
  measured: JsonObject
  /** at most 10 failing rows */
  sample: JsonObject[]
  message: string
}

/** How one DAG hangs on another, what binds it most first. */
export const DEPENDENCIES = ['waits', 'dag_trigger', 'table_trigger', 'reads'] as const

export interface Dependent {
  dagId: string
  how: (typeof DEPENDENCIES)[number]
  /** the table; '' where it is the DAG */
  table: string
}

export interface LineageStore {
  /** tables written or read by one run, in order of commit */
  runLineage(
    runId: string,
  ): Promise<{ taskId: string; attempt: number; reads: TableRead[]; writes: TableWrite[]; checks: CheckRecord[] }[]>
  /**
   * Other DAGs that go on from what these tasks of a DAG do: that wait for its runs or tables in a task just now, that its
   * success or a new version of one of its tables starts, that have read one of its tables lately. Each once, by what binds it most.
   * @param of `tables`: those that the tasks are known to write, besides those that they have written in its latest runs
   * @returns at most `limit` of them, and how many there are
   */
  dependents(
    of: { dagId: string; tasks: readonly string[]; tables: readonly string[] },
    limit: number,
  ): Promise<{ dependents: Dependent[]; total: number }>
  /** a commit outside a task run: a rollback by a person */
  recordTableWrite(write: TableWrite & { user: string; reason: string }, now: Instant): Promise<void>
}
