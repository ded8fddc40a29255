import type { Instant } from '../../json.js'
import { type Database, type SqlRow, sqlInstant } from './database.js'
import type { CheckRecord, LineageStore, TableRead, TableWrite } from './store.js'

type Lineage = Awaited<ReturnType<LineageStore['runLineage']>>

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

  async recordTableWrite(write: TableWrite & { user: string; reason: string }, _now: Instant): Promise<void> {
    await this.#database.query(
      `insert into table_versions (table_name, version, version_before, operation, user_name, reason, rows_added,
        rows_updated, rows_removed, rows_total, bytes, committed_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing`,
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
