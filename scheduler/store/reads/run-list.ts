import type { Instant } from '../../../json.js'
import { RUN_STATES, type RunKind, type RunState } from '../../core/model.js'
import type { Database, SqlRow } from '../database.js'

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

/** Runs, newest first. Active ones are found by their own index, so that filtering by state never walks the history. */
export function listRuns(db: Database, query: RunListQuery): Promise<RunListRow[]> {
  const active = query.state === 'queued' || query.state === 'running'
  return db.query<RunListRow & SqlRow>(
    `select r.run_id as "runId", r.dag_id as "dagId", r.kind, r.state, r.version, r.due_at as "dueAt",
       r.interval_start as "intervalStart", r.interval_end as "intervalEnd", r.started_at as "startedAt",
       r.ended_at as "endedAt", r.triggered_by as "triggeredBy", r.reason, v.spec#>>'{schedule,timezone}' as timezone
     from (
       select * from runs
       where ($1::text is null or dag_id = $1) and ($2::text is null or state = $2)
         ${active ? `and state in ('queued', 'running')` : ''}
         and ($3::timestamptz is null or (due_at, run_id) < ($3, $4))
       order by due_at desc, run_id desc limit $5
     ) r
     join dag_versions v on v.version = r.version
     order by r.due_at desc, r.run_id desc`,
    [
      query.dagId,
      query.state,
      query.after === null ? null : new Date(query.after.dueAt),
      query.after?.runId ?? '',
      query.limit,
    ],
  )
}

export function isRunState(text: string): text is RunState {
  return (RUN_STATES as readonly string[]).includes(text)
}
