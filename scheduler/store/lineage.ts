import type { Instant } from '../../json.js'
import { type Database, type SqlRow, sqlInstant } from './database.js'
import { REPLACING_FORMER } from './outcomes.js'
import {
  type CheckRecord,
  DEPENDENCIES,
  type Dependent,
  type LineageStore,
  type TableRead,
  type TableWrite,
} from './store.js'

type Lineage = Awaited<ReturnType<LineageStore['runLineage']>>

/** Runs of a DAG that say which tables its tasks write, and reads of a table that say who works from it. */
const LATEST_RUNS = 30
const LATEST_READS = 200

/** The place of a dependency is its place in DEPENDENCIES, from 1 on. */
const DEPENDENTS = `
with wrote as materialized (
  select v.table_name from (select run_id from runs where dag_id = $1 order by due_at desc, run_id desc limit ${LATEST_RUNS}) r
    join table_versions v using (run_id) where split_part(v.task_id, '.', 1) = any($2::text[])
  union select unnest($3::text[])
), found as (
  select dag_id, 1 as place, '' as table_name from task_runs
  where state = 'deferred' and waits_for is not null and waits_for ->> 'on' = 'dag:' || $1
  union all
  select t.dag_id, 1, w.table_name from task_runs t join wrote w on w.table_name = t.waits_for ->> 'table'
  where t.state = 'deferred' and t.waits_for is not null and t.waits_for ->> 'on' like 'look:%'
  union all
  select dag_id, 2, '' from trigger_sources where kind = 'dag' and source = $1
  union all
  select s.dag_id, 3, s.source from wrote w join trigger_sources s on s.kind = 'table' and s.source = w.table_name
  union all
  select r.dag_id, 4, w.table_name from wrote w cross join lateral (
    select run_id from table_reads t where t.table_name = w.table_name order by version desc limit ${LATEST_READS}
  ) t join runs r using (run_id) join dags d on d.dag_id = r.dag_id and d.present
), closest as (
  select distinct on (dag_id) dag_id, place, table_name from found where dag_id <> $1 order by dag_id, place, table_name
)
select dag_id, place, table_name, count(*) over () as total from closest order by place, dag_id limit $4`

/** Which run read and wrote which version of which table, and what its checks measured. */
export class LineageQueries implements LineageStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async runLineage(runId: string): Promise<Lineage> {
    const params = [runId]
    const [writes = [], reads = [], checks = []] = await this.#database.transaction([
      { sql: 'select * from table_versions where run_id = $1 order by committed_at, table_name, version', params },
      { sql: 'select * from table_reads where run_id = $1 order by task_id, attempt, table_name', params },
      { sql: 'select * from check_results where run_id = $1 order by checked_at, task_id, attempt, position', params },
    ])
    const byAttempt = new Map<string, Lineage[number]>()
    const entry = (row: SqlRow): Lineage[number] => {
      const taskId = String(row.task_id)
      const attempt = Number(row.attempt)
      const known = byAttempt.get(`${taskId}/${attempt}`)
      if (known !== undefined) return known
      const made: Lineage[number] = { taskId, attempt, reads: [], writes: [], checks: [] }
      byAttempt.set(`${taskId}/${attempt}`, made)
      return made
    }
    for (const row of writes) entry(row).writes.push(toTableWrite(row))
    for (const row of reads) entry(row).reads.push(toTableRead(row))
    for (const row of checks) entry(row).checks.push(toCheckRecord(row))
    return [...byAttempt.values()]
  }

  async dependents(
    { dagId, tasks, tables }: Parameters<LineageStore['dependents']>[0],
    limit: number,
  ): Promise<{ dependents: Dependent[]; total: number }> {
    const rows = await this.#database.query<DependentRow>(DEPENDENTS, [dagId, tasks, tables, limit])
    const dependents = rows.map((row) => {
      const how = DEPENDENCIES[row.place - 1]
      if (how === undefined) throw new Error(`there is no dependency at place ${row.place}`)
      return { dagId: row.dag_id, how, table: row.table_name }
    })
    return { dependents, total: rows[0]?.total ?? 0 }
  }

  async recordTableWrite(write: TableWrite & { user: string; reason: string }, _now: Instant): Promise<void> {
    await this.#database.query(
      `insert into table_versions (table_name, version, version_before, operation, user_name, reason, rows_added,
        rows_updated, rows_removed, rows_total, bytes, committed_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ${REPLACING_FORMER}`,
      [
        write.table,
        write.version,
        write.versionBefore,
        write.operation,
        write.user,
        write.reason,
        write.rowsAdded,
        write.rowsUpdated,
        write.rowsRemoved,
        write.rowsTotal,
        write.bytes,
        sqlInstant(write.committedAt),
      ],
    )
  }
}

function toTableRead(row: SqlRow): TableRead {
  return {
    table: String(row.table_name),
    version: Number(row.version),
    rows: row.row_count === null ? null : Number(row.row_count),
  }
}

interface DependentRow extends SqlRow {
  dag_id: string
  place: number
  table_name: string
  total: number
}

function toTableWrite(row: SqlRow): TableWrite {
  return {
    table: String(row.table_name),
    versionBefore: row.version_before === null ? null : Number(row.version_before),
    version: Number(row.version),
    operation: String(row.operation),
    rowsAdded: Number(row.rows_added),
    rowsUpdated: Number(row.rows_updated),
    rowsRemoved: Number(row.rows_removed),
    rowsTotal: row.rows_total === null ? null : Number(row.rows_total),
    bytes: Number(row.bytes),
    committedAt: Number(row.committed_at),
  }
}

function toCheckRecord(row: SqlRow): CheckRecord {
  return {
    name: String(row.name),
    kind: String(row.kind),
    table: String(row.table_name),
    severity: row.severity === 'warn' ? 'warn' : 'error',
    passed: row.passed === true,
    failingRows: Number(row.failing_rows),
    measured: row.measured as CheckRecord['measured'],
    sample: row.sample as CheckRecord['sample'],
    message: String(row.message),
  }
}
