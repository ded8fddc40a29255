import type { Instant, JsonObject } from '../../../json.js'
import type { Database, SqlRow, SqlValue } from '../database.js'

export interface AuditEntry {
  id: number
  at: Instant
  user: string
  action: string
  target: string
  detail: JsonObject
}

export interface AuditQuery {
  /** id of the last entry of the page before; null for the newest */
  before: number | null
  limit: number
  /** only what was done to this DAG, its last 1,000 runs and their tasks */
  dagId: string | null
}

/** Audit rows, newest first. */
export function auditEntries(db: Database, query: AuditQuery): Promise<AuditEntry[]> {
  const params: SqlValue[] = [query.limit]
  const place = (value: SqlValue) => `$${params.push(value)}`
  const below = query.before === null ? '' : `and id < ${place(query.before)}`
  if (query.dagId === null) return db.query<AuditEntry & SqlRow>(`${COLUMNS} where true ${below} ${ORDER}`, params)
  return db.query<AuditEntry & SqlRow>(
    `with targets as (
       select ${place(query.dagId)}::text as name
       union all
       (select run_id from runs where dag_id = $${params.length} order by due_at desc, run_id desc limit 1000)
     )
     ${COLUMNS} where (target in (select name from targets) or split_part(target, '/', 1) in (select name from targets))
     ${below} ${ORDER}`,
    params,
  )
}

const COLUMNS = 'select id, at, user_name as "user", action, target, detail from audit'
const ORDER = 'order by id desc limit $1'
