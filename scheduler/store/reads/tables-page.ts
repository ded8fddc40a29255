import type { Instant } from '../../../json.js'
import type { TableVersion } from '../../../lakehouse/lakehouse.js'
import type { Database, SqlRow } from '../database.js'

export interface RecordedVersion {
  version: number
  runId: string | null
  taskId: string | null
  attempt: number | null
  dagId: string | null
  dueAt: Instant | null
  kind: string | null
  timezone: string | null
  operation: string
  rowsAdded: number
  rowsUpdated: number
  rowsRemoved: number
  checks: number
  passed: number
  warned: number
}

/**
 * What the store knows of some versions of a table: the run behind each, and the checks that let it pass. A write that
 * found nothing to change is recorded with the version it found, which is somebody else's. A commit of another instant is one of a
 * table of that name which was dropped.
 */
export async function recordedVersions(
  db: Database,
  table: string,
  commits: readonly Pick<TableVersion, 'version' | 'committedAt'>[],
): Promise<Map<number, RecordedVersion>> {
  const rows = await db.query<RecordedVersion & SqlRow>(
    `select t.version, t.run_id as "runId", t.task_id as "taskId", t.attempt, r.dag_id as "dagId", r.due_at as "dueAt",
       r.kind, v.spec#>>'{schedule,timezone}' as timezone, t.operation, t.rows_added as "rowsAdded",
       t.rows_updated as "rowsUpdated", t.rows_removed as "rowsRemoved",
       coalesce(k.checks, 0) as checks, coalesce(k.passed, 0) as passed, coalesce(k.warned, 0) as warned
     from unnest($2::bigint[], $3::timestamptz[]) as c(version, committed_at)
     join table_versions t on t.table_name = $1 and t.version = c.version and t.committed_at = c.committed_at
     left join runs r on r.run_id = t.run_id
     left join dag_versions v on v.version = r.version
     left join lateral (
       select count(*) as checks, count(*) filter (where passed) as passed,
         count(*) filter (where not passed and severity = 'warn') as warned
       from check_results h
       where h.run_id = t.run_id and h.task_id = t.task_id and h.attempt = t.attempt and h.table_name = t.table_name
     ) k on true
     where t.version_before is distinct from t.version`,
    [table, commits.map(({ version }) => version), commits.map(({ committedAt }) => new Date(committedAt))],
  )
  return new Map(rows.map((row) => [row.version, row]))
}

export interface CheckHistory {
  name: string
  severity: string
  passed: boolean
  failingRows: number
  message: string
  checkedAt: Instant
  runId: string
  taskId: string
  attempt: number
  timesPassed: number
  times: number
}

/** The newest result of each check on a table, with how its last 20 went. */
export function checksOfTable(db: Database, table: string): Promise<CheckHistory[]> {
  return db.query<CheckHistory & SqlRow>(
    `with recent as (
       select *, row_number() over (partition by name order by checked_at desc, run_id desc, attempt desc) as place
       from (select * from check_results where table_name = $1 order by checked_at desc limit 2000) last_results
     )
     select name, max(severity) filter (where place = 1) as severity, bool_and(passed) filter (where place = 1) as passed,
       max(failing_rows) filter (where place = 1) as "failingRows", max(message) filter (where place = 1) as message,
       max(checked_at) as "checkedAt", max(run_id) filter (where place = 1) as "runId",
       max(task_id) filter (where place = 1) as "taskId", max(attempt) filter (where place = 1) as attempt,
       count(*) filter (where passed) as "timesPassed", count(*) as times
     from recent where place <= 20 group by name order by bool_and(passed) filter (where place = 1), name limit 100`,
    [table],
  )
}

export interface TableReader {
  /** a table written by a task that read ours in the same attempt; null for a task that wrote none */
  table: string | null
  dagId: string
  taskId: string
  /** newest version of ours that it read */
  version: number
}

/** Who has read the table at `since` or a later version. */
export function readersSince(db: Database, table: string, since: number): Promise<TableReader[]> {
  return db.query<TableReader & SqlRow>(
    `select w.table_name as "table", run.dag_id as "dagId", r.task_id as "taskId", max(r.version) as version
     from (select * from table_reads where table_name = $1 and version >= $2 order by version desc limit 5000) r
     join runs run on run.run_id = r.run_id
     left join table_versions w on w.run_id = r.run_id and w.task_id = r.task_id and w.attempt = r.attempt
     group by w.table_name, run.dag_id, r.task_id order by max(r.version) desc, w.table_name limit 100`,
    [table, since],
  )
}

/** What the newest recorded commit of the table was made from. */
export function sourcesOf(db: Database, table: string): Promise<{ table: string; version: number }[]> {
  return db.query<{ table: string; version: number }>(
    `select r.table_name as "table", r.version
     from (select run_id, task_id, attempt from table_versions where table_name = $1 and run_id is not null
           order by version desc limit 1) newest
     join table_reads r on r.run_id = newest.run_id and r.task_id = newest.task_id and r.attempt = newest.attempt
     order by r.table_name limit 100`,
    [table],
  )
}

/** The DAG that last wrote each of these tables. */
export async function writersOf(
  db: Database,
  tables: readonly string[],
): Promise<Map<string, { dagId: string; owner: string }>> {
  const rows = await db.query<{ table: string; dagId: string; owner: string }>(
    `select names.name as "table", r.dag_id as "dagId", coalesce(d.owner, '') as owner
     from unnest($1::text[]) names (name)
     cross join lateral (
       select run_id from table_versions t where t.table_name = names.name and run_id is not null order by version desc limit 1
     ) newest
     join runs r on r.run_id = newest.run_id
     left join dags d on d.dag_id = r.dag_id`,
    [tables],
  )
  return new Map(rows.map(({ table, ...writer }) => [table, writer]))
}
