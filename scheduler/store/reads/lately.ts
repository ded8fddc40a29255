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

/** Each run carries what is shown of its tables: the newest versions among all, so a table stands with one run only. */
const LATELY = `
with lately as materialized (
  select * from (select * from runs order by due_at desc, run_id desc limit ${LOOKED_AT}) newest
  where ended_at is not null order by due_at desc, run_id desc limit $1
), versions as materialized (
  select t.table_name, t.version, t.rows_total, t.rows_added, t.committed_at, t.run_id, t.task_id, t.attempt, l.dag_id
  from lately l join table_versions t on t.run_id = l.run_id
), shown as (
  select n.*, c.checks, c.warned
  from (select distinct on (table_name) * from versions order by table_name, version desc) n
  cross join lateral (
    select count(*) as checks, count(*) filter (where not passed) as warned from check_results k
    where k.run_id = n.run_id and k.task_id = n.task_id and k.attempt = n.attempt and k.table_name = n.table_name
  ) c
  order by n.committed_at desc, n.table_name limit $2
)
select r.run_id as "runId", r.dag_id as "dagId", r.state, r.due_at as "dueAt", r.started_at as "startedAt",
  r.ended_at as "endedAt", v.spec#>>'{schedule,timezone}' as timezone,
  (select count(distinct table_name) from versions t where t.run_id = r.run_id) as tables,
  checked.checks, checked.warned, checked.failed,
  (select coalesce(jsonb_agg(jsonb_build_object('table', s.table_name, 'version', s.version, 'rowsTotal', s.rows_total,
    'rowsAdded', s.rows_added, 'committedAt', floor(extract(epoch from s.committed_at) * 1000), 'runId', s.run_id,
    'dagId', s.dag_id, 'checks', s.checks, 'warned', s.warned)), '[]') from shown s where s.run_id = r.run_id) as wrote
from lately r
join dag_versions v on v.version = r.version
cross join lateral (
  select count(*) as checks, count(*) filter (where not passed and severity = 'warn') as warned,
    count(*) filter (where not passed and severity = 'error') as failed
  from check_results c join task_runs t on t.run_id = c.run_id and t.task_id = c.task_id and t.attempt = c.attempt
  where c.run_id = r.run_id
) checked
order by r.due_at desc, r.run_id desc`

/**
 * The newest finished runs with how many tables they wrote and what their checks said; and the newest version of each table
 * that they wrote, newest commit first, with the checks that let it pass.
 * @param limit of runs, and of tables
 */
export async function lately(db: Database, limit: number): Promise<{ runs: LatelyRun[]; tables: LatelyTable[] }> {
  const rows = await db.query<LatelyRun & { wrote: LatelyTable[] } & SqlRow>(LATELY, [limit, limit])
  const tables = rows.flatMap(({ wrote }) => wrote)
  return { runs: rows, tables: tables.sort((a, b) => b.committedAt - a.committedAt || (a.table < b.table ? -1 : 1)) }
}
