import type { JsonObject } from '../json.js'
import type { AlertKind } from './core/alert.js'
import type { DeliveryState, MessageState } from './store/alert-store.js'

/**
 * The JSON shapes that the REST API and the command line share. Instants are ISO 8601 with milliseconds.
 * REST paths (all below /api/v1; problems are RFC 9457 documents with our `code` and `hint`):
 *   GET  /dags                          DagShape[]          GET  /problems                     Problem[]
 *   GET  /dags/{dag}                    DagShape            POST /dags/{dag}/runs              { params, interval, tasks, no_checks } -> { run }
 *   POST /dags/{dag}/pause {reason}     { paused }
 *   GET  /dags/{dag}/schedule?limit=    DagScheduleShape    POST /dags/{dag}/resume {skip_missed} -> { paused, missed }
 *   POST /dags/{dag}/backfills { from, to, which, reverse, max_active, dry_run }  BackfillPreviewShape
 *   GET  /backfills?dag=&before=        BackfillShape[]     GET  /backfills/{n}, POST /backfills/{n}/pause|resume|cancel   BackfillShape
 *   GET  /runs?dag=&state=&limit=       RunListEntry[]      GET  /runs/{run}                   RunShape
 *   POST /runs/{run}/cancel             { run, state }      POST /runs/{run}/clear {tasks, downstream, failed_only} -> { run, cleared }
 *   POST /runs/{run}/mark {tasks, state}  { run, marked }   POST /dags/{dag}/clear {from, to, before, after, tasks, downstream, failed_only}  ClearedRunsShape
 *   GET  /runs/{run}/tasks/{task}/attempts               AttemptShape[]
 *   GET  /runs/{run}/tasks/{task}/attempts/{n}/log?from=LINE   NDJSON of LogLine; `&follow=1` keeps the answer open until the attempt ends
 *   GET  /approvals                     ApprovalShape[]     POST /runs/{run}/tasks/{task}/approval {approved, comment} -> { run, task, approved }
 *   GET  /runs/{run}/events             server-sent events: `task` with TaskShape, `run` with RunListEntry; ends when the run ends
 *   GET  /tables                        TableShape[]        GET  /tables/{table}/versions       TableVersionShape[]
 *   POST /tables/{table}/rollback {version, reason}         TableVersionShape
 *   GET  /alerts?dag=&which=&before=&limit=   AlertShape[]  POST /alerts/acknowledge {alerts | message | dag} -> { acknowledged }
 *   GET  /alert-messages?state=&before=  MessageShape[]     POST /alert-messages/{n}/retry, POST /alerts/test {email, webhook} -> { key }
 *   GET  /alert-mutes                   MuteShape[]         POST /alert-mutes {dag, task, until, reason} -> { mute }, POST /alert-mutes/{n}/end
 *   GET  /workers                       WorkerShape[]       GET  /openapi.json
 */
export interface RunListEntry {
  run: string
  dag: string
  state: string
  due: string
  started_at: string | null
  ended_at: string | null
}

export interface RunShape {
  run: string
  dag: string
  state: string
  due: string
  kind: string
  version: string
  interval: { start: string; end: string }
  params: Record<string, unknown>
  triggered_by: string
  /** what started it; null for a run that no trigger started */
  trigger: object | null
  reason: string
  started_at: string | null
  ended_at: string | null
  tasks: TaskShape[]
}

export interface TaskShape {
  task: string
  state: string
  attempt: number
  started_at: string | null
  ended_at: string | null
  reason: string
  tables: {
    table: string
    version: number
    version_before: number | null
    rows_added: number
    rows_updated: number
    rows_removed: number
  }[]
  checks: {
    name: string
    table: string
    severity: string
    passed: boolean
    failing_rows: number
    measured: Record<string, unknown>
    /** at most 10 failing rows */
    sample: Record<string, unknown>[]
    message: string
  }[]
}

/** A task that waits for a person: one of `users`, or anyone with the role when there are none. */
export interface ApprovalShape {
  dag: string
  run: string
  task: string
  message: string
  role: string
  users: string[]
  since: string
  /** when it counts as decided; null for never */
  until: string | null
}

/** One item of a task with `for_each`; `task` is its id, `load.17`. */
export interface ItemShape {
  task: string
  item: unknown
  state: string
  attempt: number
  started_at: string | null
  ended_at: string | null
  reason: string
}

export interface AttemptShape {
  attempt: number
  generation: number
  worker: string
  result: string | null
  reason: string
  started_at: string
  ended_at: string | null
  log_lines: number
}

/** When a DAG is due: `crons`, or `every` so often. `cron` is the only one of `crons`, null with none or several. */
export interface ScheduleShape {
  cron: string | null
  crons: string[]
  every: string | null
  timezone: string
  skip: string[]
  business_days: boolean
  end: string | null
}

export interface DagShape {
  dag: string
  file: string
  version: string
  description: string
  owner: string
  tags: string[]
  schedule: ScheduleShape | null
  paused: boolean
  pause_reason: string
  present: boolean
  next_due: string | null
  params: Record<string, unknown>
  tasks: { task: string; operator: string; needs: string[] }[]
}

/** When a DAG is due next, and what a resume would find. */
export interface DagScheduleShape {
  upcoming: { due: string; start: string; end: string }[]
  missed: MissedShape
}

/** What a paused DAG has missed, and how many runs its catchup makes of it. */
export interface MissedShape {
  slots: number
  first_due: string | null
  last_due: string | null
  makes: number
}

/** An alert, and what has become of it for each destination (`email a@b.c`, `webhook chat`). */
export interface AlertShape {
  alert: number
  key: string
  kind: AlertKind
  dag: string | null
  run: string | null
  task: string | null
  subject: string
  raised_at: string
  payload: JsonObject
  acknowledged_by: string | null
  deliveries: { to: string; state: DeliveryState; message: number | null }[]
}

export interface MessageShape {
  message: number
  to: string
  state: MessageState
  alerts: number
  attempts: number
  next_attempt_at: string | null
  /** why it was not sent, or not to all */
  problem: string
  created_at: string
  ended_at: string | null
}

export interface MuteShape {
  mute: number
  dag: string
  task: string | null
  until: string
  reason: string
  created_by: string
  created_at: string
}

/** One call's part of a range of runs that is cleared. */
export interface ClearedRunsShape {
  dag: string
  /** only runs that ended before were taken */
  before: string
  cleared: { run: string; tasks: string[] }[]
  /** for `after` of the next call; null once the range is done */
  next: string | null
}

export interface BackfillPreviewShape {
  /** null when it is only a preview */
  backfill: number | null
  dag: string
  intervals: number
  /** intervals with a run that is good or under way, with failed ones only, without one */
  good: number
  failed: number
  missing: number
  makes: number
  first_due: string | null
  last_due: string | null
  max_active: number
}

export interface BackfillShape {
  backfill: number
  dag: string
  state: string
  which: string
  from: string
  to: string
  reverse: boolean
  max_active: number
  intervals: number
  /** intervals looked at so far */
  passed: number
  runs: Record<string, number>
  created_by: string
  created_at: string
  ended_at: string | null
}

export interface TableShape {
  table: string
  format: string
  version: number
  rows: number | null
  bytes: number
  files: number
  changed_at: string
  location: string
}

export interface TableVersionShape {
  version: number
  committed_at: string
  operation: string
  run: string | null
  task: string | null
  attempt: number | null
  user: string | null
  reason: string
  rows_added: number | null
  rows_updated: number | null
  rows_removed: number | null
}

export interface WorkerShape {
  worker: string
  host: string
  pid: number
  queues: string[]
  slots: number
  busy: number
  started_at: string
  heartbeat_at: string
}

/** One line of a task's log; `line` counts from 1 within the attempt. */
export interface LogLine {
  line: number
  at: string
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
}

/** `.sluice/instance.json`, mode 0600. */
export interface InstanceFile {
  url: string
  token: string
  pid: number
  /** the kernel's start time of the process, by which it is known from a later one of the same number; '' where unknown */
  process_start: string
  /** where the number counts (`ProcessIdentity`): elsewhere it says nothing; '' in files of earlier versions */
  place: string
}
