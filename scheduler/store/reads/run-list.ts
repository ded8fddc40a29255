import type { Instant } from '../../../json.js'
import { RUN_STATES, type RunKind, type RunState } from '../../core/model.js'
import type { Database, SqlRow, SqlValue } from '../database.js'

export interface RunListQuery {
  dagId: string | null
  state: RunState | null
  /** the last run of the page before; null for the newest */
  after: { dueAt: Instant; runId: string } | null
  limit: number
}

export interface RunListRow {
  runId: string
  dagId: string
  kind: RunKind
  state: RunState
  version: string
  dueAt: Instant
  intervalStart: Instant
  intervalEnd: Instant
  startedAt: Instant | null
  endedAt: Instant | null
  triggeredBy: string
  reason: string
  timezone: string | null
}

/** Conditions that name the partial index which holds exactly these runs, so that no filter walks the history. */
const STATE_CONDITIONS: Record<RunState, string> = {
  queued: `state in ('queued', 'running') and state = 'queued'`,
  running: `state in ('queued', 'running') and state = 'running'`,
  failed: `state in ('failed', 'cancelled') and state = 'failed'`,
  cancelled: `state in ('failed', 'cancelled') and state = 'cancelled'`,
  success: `state = 'success'`,
}

/** Runs, newest first. Each combination of filters is a statement of its own: a plan made for all of them fits none. */
export function listRuns(db: Database, query: RunListQuery): Promise<RunListRow[]> {
  const params: SqlValue[] = [query.limit]
  const place = (value: SqlValue) => `$${params.push(value)}`
  const conditions = [
    query.dagId === null ? '' : `dag_id = ${place(query.dagId)}`,
    query.state === null ? '' : STATE_CONDITIONS[query.state],
    query.after === null
      ? ''
      : `(due_at, run_id) < (${place(new Date(query.after.dueAt))}::timestamptz, ${place(query.after.runId)})`,
  ].filter((condition) => condition !== '')
  return db.query<RunListRow & SqlRow>(
    `select r.run_id as "runId", r.dag_id as "dagId", r.kind, r.state, r.version, r.due_at as "dueAt",
       r.interval_start as "intervalStart", r.interval_end as "intervalEnd", r.started_at as "startedAt",
       r.ended_at as "endedAt", r.triggered_by as "triggeredBy", r.reason, v.spec#>>'{schedule,timezone}' as timezone
     from (
       select * from runs ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
       order by due_at desc, run_id desc limit $1
     ) r
     join dag_versions v on v.version = r.version
     order by r.due_at desc, r.run_id desc`,
    params,
  )
}

/** Whether a text from outside, such as a filter in an address, is a state of runs. */
export function isRunState(text: string): text is RunState {
  return (RUN_STATES as readonly string[]).includes(text)
}
