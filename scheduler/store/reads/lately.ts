import type { Instant } from '../../../json.js'
import type { RunState } from '../../core/model.js'
import type { Database, SqlRow } from '../database.js'

/** Newest runs that are looked at, so that a long queue of waiting runs costs no more than this. */
const LOOKED_AT = 200

export interface LatelyRun {
  runId: string
  dagId: string
  state: RunState
  dueAt: Instant
  startedAt: Instant | null
  endedAt: Instant
  timezone: string | null
  tables: number
  checks: number
  warned: number
  failed: number
}

/** The newest finished runs with how many tables they wrote and what their checks said. */
export function latelyRuns(db: Database, limit: number): Promise<LatelyRun[]> {
  return db.query<LatelyRun & SqlRow>(
    `select r.run_id as "runId", r.dag_id as "dagId", r.state, r.due_at as "dueAt", r.started_at as "startedAt",
       r.ended_at as "endedAt", v.spec#>>'{schedule,timezone}' as timezone,
       written.tables, checked.checks, checked.warned, checked.failed
     from (
       select * from (select * from runs order by due_at desc, run_id desc limit ${LOOKED_AT}) newest
       where ended_at is not null order by due_at desc, run_id desc limit $1
     ) r
     join dag_versions v on v.version = r.version
     cross join lateral (select count(distinct table_name) as tables from table_versions t where t.run_id = r.run_id) written
     cross join lateral (
       select count(*) as checks, count(*) filter (where not passed and severity = 'warn') as warned,
         count(*) filter (where not passed and severity = 'error') as failed
       from check_results c join task_runs t on t.run_id = c.run_id and t.task_id = c.task_id and t.attempt = c.attempt
       where c.run_id = r.run_id
     ) checked
     order by r.due_at desc, r.run_id desc`,
    [limit],
  )
}

export interface LatelyTable {
  table: string
  version: number
  rowsTotal: number | null
  rowsAdded: number
  committedAt: Instant
  runId: string
  dagId: string
  checks: number
  warned: number
}

/** The newest version of each table that these runs wrote, newest commit first, with the checks that let it pass. */
export function latelyTables(db: Database, runIds: readonly string[], limit: number): Promise<LatelyTable[]> {
  return db.query<LatelyTable & SqlRow>(
    `select n.table_name as "table", n.version, n.rows_total as "rowsTotal", n.rows_added as "rowsAdded",
       n.committed_at as "committedAt", n.run_id as "runId", r.dag_id as "dagId", c.checks, c.warned
     from (
       select distinct on (table_name) * from table_versions where run_id = any($1::text[]) order by table_name, version desc
     ) n
     join runs r on r.run_id = n.run_id
     cross join lateral (
       select count(*) as checks, count(*) filter (where not passed) as warned from check_results k
       where k.run_id = n.run_id and k.task_id = n.task_id and k.attempt = n.attempt and k.table_name = n.table_name
     ) c
     order by n.committed_at desc, n.table_name limit $2`,
    [runIds, limit],
  )
}
