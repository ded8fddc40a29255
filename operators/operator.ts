import type { Instant, Json, JsonObject, JsonSchema } from '../json.js'
import type { ConnectionConfig } from '../lakehouse/config.js'
import type { Check, CheckResult, Commit, Lakehouse, QueryResult, Tables } from '../lakehouse/lakehouse.js'
import type { Look, Wait } from './wait.js'

/**
 * A kind of task. Adding one is one file in this folder plus its line in `index.ts`; schema, reference docs, completion,
 * trigger form and validation follow from it (docs/guides/write-an-operator.md).
 */
export interface Operator<Config extends JsonObject = JsonObject> {
  /** the key in YAML */
  type: string
  /** one line for completion and the reference */
  summary: string
  /** Markdown with at least one example; goes into the generated reference */
  docs: string
  /**
   * JSON Schema of the long form. Sluice's annotations on string properties:
   * - `x-template`: `sql` | `shell` | `text` | `none` (default `text`): how `{{ … }}` inside is written out. A string under
   *   `x-template: none` may hold no template; one under `condition` is a condition as in `when`, and is given to the
   *   operator as `true` or `false`.
   * - `x-file: true`: a path relative to the DAG file; its content belongs to the version of the DAG. `x-file-template`
   *   says how templates inside that file are treated (`sql`, `text`, `none`). With `x-file-pattern` (a regular
   *   expression) only a text that matches names such a file; any other is a plain text under `x-template`.
   */
  schema: JsonSchema
  /** turns a short form (`bash: "make verify"`) into the long one; absent when the operator has none */
  longForm?(value: Json): JsonObject
  /** JSON Schema of the short form, for validation and completion */
  shortSchema?: JsonSchema
  /** heavy operators own a slot; light ones may share one */
  weight: Weight
  /** true when the task-level keys `checks` and `quarantine` make sense: the operator writes a table */
  writesTable: boolean
  /** false: it looks at the outside or acts on it, so that no earlier result may stand for a new one (`skip_if_done`) */
  reusable?: false
  /**
   * What is wrong with a configuration that its schema takes, as far as the file alone can tell. Templates are unrendered: a
   * text that holds one is for the attempt to judge.
   * @param isOutside true of a path or glob that begins outside the project, read from the folder of the DAG file
   */
  problems?(config: Config, isOutside: (path: string) => boolean): ConfigProblem[]
  /** the tables a configuration names without running it; templates unrendered */
  tables?(config: Config): { writes: string[] }
  run(config: Config, ctx: OperatorContext): Promise<OperatorResult>
  /** continues outside work that an earlier attempt started and saved with `saveHandle` */
  reattach?(handle: Json, config: Config, ctx: OperatorContext): Promise<OperatorResult>
  /**
   * Ends outside work that an attempt has started and no later one goes on with: its task has failed for good, or was cancelled,
   * marked or cleared, when nobody was left to end it. Done once, it may be done again, also by two at a time; work that has ended
   * by itself is none. A cleared task begins after it: once it resolves, the work changes nothing any more.
   * @param config templates unrendered
   * @throws when the work may still go on; it is then tried again
   */
  end?(handle: Json, config: Config, ctx: EndContext): Promise<void>
  /** false: the handle tells of no outside work, only what a later attempt should know, so that nothing has to be ended; absent: each tells of some */
  leaves?(handle: Json): boolean
  /**
   * Looks once whether what its tasks wait for has come (`LookWait`); cheap, as one process looks for all who wait.
   * @param seen what the last look saw, `{}` before the first
   * @throws SluiceError with `retryable: false` when no later look can find it; any other failure is told and looked past
   */
  look?(condition: JsonObject, seen: JsonObject, ctx: LookContext): Promise<Look>
}

export type Weight = 'heavy' | 'light'

/** A value of a configuration that no attempt could use. */
export interface ConfigProblem {
  /** keys from the operator's long form to the value */
  path: string[]
  message: string
  /** what to write instead; '' for nothing */
  hint: string
}

/** What a look may use. */
export interface LookContext {
  dag: { folder: string }
  project: string
  /** absolute folders that files of DAGs may lie in: the project, and the DAGs folder, which may be elsewhere */
  roots: readonly string[]
  signal: AbortSignal
  connection(name: string): ConnectionConfig
  /** what is known of tables without a SQL engine */
  tables(): Promise<Tables>
  /** the lakehouse on the connection `lakehouse` or the one named; opened at first use, closed by Sluice */
  lakehouse(connection?: string): Promise<Lakehouse>
  now(): Instant
}

/** What ending outside work may use. */
export interface EndContext extends LookContext {
  /** commit token of the task's generation that has started the work */
  token: string
  /** where programs start */
  workDir: string
  /** a safe base (PATH, HOME, LANG, TZ) */
  env: Record<string, string>
  /** one line of the worker's own log, and of the attempt's; secrets are masked */
  log(level: LogLevel, message: string): void
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a running attempt may use. Everything here is about this attempt only. */
export interface OperatorContext extends LookContext {
  /** `folder`: absolute path of the folder that holds the DAG file; relative paths of the configuration start there */
  dag: { id: string; folder: string }
  run: { id: string; scheduledAt: Instant; intervalStart: Instant; intervalEnd: Instant }
  task: { id: string; attempt: number; generation: number; queue: string }
  /**
   * What the task has waited for has come to this. When the time was over before it came: `{ in_vain }`, what the last look
   * found instead, or null when nobody has looked.
   */
  woken: Json
  /** absolute path of the project */
  project: string
  /** a fresh private folder, removed after the attempt; processes start here unless told otherwise */
  workDir: string
  /** environment of the task: a safe base (PATH, HOME, LANG, TZ), SLUICE_* and the task's `env`, secrets resolved */
  env: Record<string, string>
  /**
   * Aborted on cancel and timeout; `signal.reason` is a SluiceError CANCELLED or TIMED_OUT, or STATE_CONFLICT when the claim was
   * lost: then the next attempt goes on with the outside work that the handle tells of.
   */
  signal: AbortSignal
  /** one line; secrets are masked before it leaves the process */
  log(level: LogLevel, message: string): void
  /** Resolves once the log can take more. Whoever writes many lines awaits it, so that a chatty program waits instead of
   *  filling memory. */
  logDrained(): Promise<void>
  /** content of a file the task names (`x-file`), as pinned by the DAG's version, templates rendered */
  file(path: string): string
  /** the connection with its secrets resolved (and from then on masked in the log); CONNECTION_UNKNOWN when there is none */
  connection(name: string): ConnectionConfig
  /** commit token of this task and generation */
  token: string
  /** checks declared on the task */
  checks: Check[]
  noChecks: boolean
  /** shown live on the page, e.g. `{ done: 3, total: 10, unit: 'files' }` */
  progress(value: JsonObject): void
  /** returns once the handle is durable; call it before waiting for outside work */
  saveHandle(handle: Json): Promise<void>
  now(): Instant
}

/**
 * How an operator ends. A failure a user can act on is thrown as `SluiceError`; `retryable: false` on it ends the retries.
 */
export interface OperatorResult {
  outputs?: JsonObject
  /** the operator decided that there is nothing to do */
  skipped?: { reason: string }
  /**
   * The operator waits for something outside. Its task is `deferred` and holds no slot; the next attempt begins at `until`
   * (null: never by itself), or as soon as what it `waitsFor` has come, then in `ctx.woken`. It is called through `reattach`
   * with the handle that was saved last, so save one before. Waiting costs no retry. `reason` says what is waited for.
   */
  deferred?: { until: Instant | null; reason: string; waitsFor?: Wait }
  commits?: Commit[]
  reads?: QueryResult['reads']
  checks?: CheckResult[]
  metrics?: JsonObject
  /** true: besides `reads` it has read what has no version, or it is not known what it has read */
  unknownReads?: boolean
  /** one sentence for the task table, e.g. `bronze.orders 1205, +21,640 rows` */
  summary?: string
}

/**
 * An operator that has facts to keep although it fails (the results of the checks that refused the write) throws this.
 */
export class OperatorFailure extends Error {
  constructor(
    readonly error: Error,
    readonly facts: Pick<OperatorResult, 'commits' | 'reads' | 'checks' | 'metrics'>,
  ) {
    super(error.message, { cause: error })
    this.name = 'OperatorFailure'
  }
}
