import type { Instant, Json, JsonObject } from '../../json.js'
import { CHECK_KINDS, type CheckKind } from '../../lakehouse/checks/spec.js'
import type { Recipients } from '../core/alert.js'

export { CHECK_KINDS, type CheckKind }

export const TRIGGER_RULES = [
  'all_success',
  'all_done',
  'all_failed',
  'one_success',
  'one_failed',
  'none_failed',
  'none_failed_min_one_success',
  'none_skipped',
  'always',
] as const
export type TriggerRule = (typeof TRIGGER_RULES)[number]

/** A typed parameter of a DAG; the same words as JSON Schema. */
export interface ParamSpec {
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date' | 'array'
  title?: string
  description?: string
  default?: Json
  enum?: Json[]
  minimum?: number
  maximum?: number
  pattern?: string
  /** for `array`: the type of each item */
  items?: 'string' | 'integer' | 'number' | 'boolean' | 'date'
}

/** When a DAG is due (docs/guides/time.md); either crons or `everyMs`. */
export interface Schedule {
  /** cron expressions, due whenever one of them is; empty with `everyMs` */
  crons: string[]
  /** real time between two due instants; null with crons */
  everyMs: number | null
  /** what `everyMs` counts from: the DAG's start, or 1970-01-01T00:00:00Z */
  anchor: Instant
  /** IANA name; `UTC` when the file names none */
  timezone: string
  /** days without a run, as the zone's calendar shows them (`2026-12-25`); those of named calendars too */
  skip: string[]
  /** no run on Saturdays and Sundays */
  businessDays: boolean
  /** nothing is due after it; null for no end */
  end: Instant | null
}

/**
 * Which of the runs that were missed (Sluice was down, the DAG paused) are made up for. After a pause `none` makes no run,
 * after downtime the latest; `last` makes the latest after both, `all` each of them, `windowMs` those that were due so lately.
 */
export type Catchup = 'none' | 'last' | 'all' | { windowMs: number }

/** When a run or a task of it has to be done. */
export type SlaRule =
  /** a clock time in the DAG's zone: `07:00`, or `07:00 +1d` with `days` 1; `days` null when the file names none */
  | { kind: 'by'; timeOfDayMs: number; days: number | null }
  /** a length of time from the due instant of the run, or from its start */
  | { kind: 'within'; withinMs: number; from: 'due' | 'start' }

/** The share of earlier runs that an early warning goes by, `p50` to `p99`; `off` for none. */
export type EarlyWarning = `p${number}` | 'off'

/** One promise about when a run, or a task of it, is done. */
export interface Sla {
  /** how pages, mails and the store name it, unique in its DAG or task: `by 07:00 +1d`, `within 1h from start` */
  name: string
  rule: SlaRule
  /** what to do about a run that failed before its deadline, and so cannot be done by then unless it is cleared */
  afterFailure: 'fire' | 'drop'
  /** null where the file does not say: as `alerts.early_warning` of sluice.yaml says */
  earlyWarning: EarlyWarning | null
  /** who is told of it; null where the file does not say: those who are told of the project's failures */
  to: Recipients | null
}

/**
 * What starts runs besides time (docs/guides/triggers.md). At most one of each kind but webhooks. `sources` are, by kind, tables
 * as written, globs (relative to the DAGs folder, or s3:// URLs) and DAG ids. `any`: each event starts a run; `all`: one run
 * starts once every source has an event. `batch`: one run takes all that waits.
 */
export type Trigger =
  | { kind: 'table'; sources: string[]; mode: 'any' | 'all'; batch: boolean }
  | { kind: 'dag'; sources: string[]; mode: 'any' | 'all'; batch: boolean }
  | FileTrigger
  | WebhookTrigger

export interface FileTrigger {
  kind: 'file'
  sources: string[]
  /** of type s3, for globs that are s3:// URLs; null for files of the project */
  connection: string | null
  /** how long size and modification must stay the same; not used with `marker` */
  stableMs: number
  /** name of the file that says that its folder is complete; the run then gets all files of the folder. Null: each file by itself. */
  marker: string | null
  batch: boolean
}

export interface WebhookTrigger {
  kind: 'webhook'
  name: string
  /** of type incoming_webhook: it has the secret */
  connection: string
  /** parameter -> place in the JSON body, such as `order.id` */
  params: Record<string, string>
}

/** One check on a table or a staged result; `kind` is the key used in YAML, `options` what stands below it. */
export interface CheckSpec {
  kind: CheckKind
  options: Json
  severity: 'error' | 'warn'
  /** how pages and logs name it, e.g. `not_null order_id, product_id` */
  name: string
}

/** What becomes of a scheduled run that is due while as many runs of its DAG are on as may be. */
export const OVERLAPS = ['queue', 'skip', 'cancel_running'] as const
export type Overlap = (typeof OVERLAPS)[number]

/** What a task with `for_each` runs over: one item, and so one task run, for each value of a list. */
export interface ForEach {
  source:
    | { kind: 'list'; values: Json[] }
    | { kind: 'param'; name: string }
    /** a list among the outputs of a task before this one */
    | { kind: 'output'; task: string; name: string }
  /** items at once; null for as many as pools and DAG allow */
  concurrency: number | null
}

/** Who is told of what; null where the file does not say, which differs from nobody. */
export interface AlertRules {
  onFailure: Recipients | null
  onRetry: Recipients | null
  onRecovery: Recipients | null
  onFailedChecks: Recipients | null
}

/** A task as the DAG file declares it, with every default filled in; durations are milliseconds. */
export interface Task {
  id: string
  /** direct upstream tasks, in the order of the file */
  needs: string[]
  /** the operator's type, i.e. the one operator key of the task */
  operator: string
  /** the operator's configuration in its long form, valid against its schema; templates not rendered */
  config: JsonObject
  /** a condition (condition.ts); the task is skipped when it does not hold */
  when: string | null
  /** null for an ordinary task */
  forEach: ForEach | null
  triggerRule: TriggerRule
  retries: number
  retryDelayMs: number
  /** factor by which the delay grows from try to try; 1 keeps it */
  backoff: number
  maxDelayMs: number
  timeoutMs: number | null
  pool: string
  /** places of the pool that it takes while it is queued or running */
  poolSlots: number
  /** waits until the same task of the run before has ended well */
  dependsOnPast: boolean
  /** ends as successful without running when an earlier attempt worked from the same inputs */
  skipIfDone: boolean
  priority: number
  queue: string
  alerts: AlertRules
  /** deadlines of the task, by clock or by duration */
  slas: Sla[]
  checks: CheckSpec[]
  /** declared outputs: name -> type or what it means; empty when the task declares none (any output is then accepted) */
  outputs: Record<string, string>
  /** values may be `${env:NAME}` or `${file:path}`; resolved in the worker only */
  env: Record<string, string>
  /** ids of tasks whose outputs the templates of this task use */
  outputsOf: string[]
  /** paths (as in `Dag.files`) of the files that this task names */
  files: string[]
  /** 1-based line in the DAG file, for links */
  line: number
  /** heading the grid groups this task under: the prefix shared by several tasks (`bronze`), or '' */
  group: string
}

/** A DAG as compiled from one good YAML file. Serialisable; stored once per version and never changed. */
export interface Dag {
  id: string
  /** 64 hex digits: hash of the YAML, of its place below the DAGs folder and of every file it names */
  version: string
  /** path of the YAML file relative to the DAGs folder, with forward slashes */
  file: string
  description: string
  owner: string
  tags: string[]
  schedule: Schedule | null
  triggers: Trigger[]
  start: Instant | null
  catchup: Catchup
  maxActiveRuns: number
  maxActiveTasks: number
  alerts: AlertRules
  /** deadlines of its runs, by clock or by duration */
  slas: Sla[]
  overlap: Overlap
  /** a scheduled run starts only once the one before it has ended well */
  dependsOnPast: boolean
  /** a run that is on for longer is stopped and has failed; null for no limit */
  runTimeoutMs: number | null
  params: Record<string, ParamSpec>
  /** in topological order; ties keep the order of the file */
  tasks: Task[]
  /** the YAML as written */
  source: string
  /** text of every file the DAG names, by path relative to the DAG file; what a pinned run executes */
  files: Record<string, string>
}

/** What the DAGs of a folder and of those below it share stands in a file of this name. */
export const DEFAULTS_FILE = '_defaults.yaml'

/** What is wrong with a DAG file, in a form a person and an editor can use. Lines and columns count from 1. */
export interface Problem {
  file: string
  line: number
  column: number
  /** place inside the document, e.g. `tasks.silver_sales.needs[0]`; '' for the whole file */
  path: string
  severity: 'error' | 'warning'
  message: string
  /** what to do, or `did you mean …`; '' when there is nothing to add */
  hint: string
}
