import type { Instant, JsonObject } from '../../../json.js'
import type { Database, SqlRow } from '../database.js'

export interface AuditEntry {
  id: number
  at: Instant
  user: string
  action: string
  target: string
  detail: JsonObject
}

/** Audit rows, newest first, below `before`; with `target` only those about it or about something of it. */
export function auditEntries(
  db: Database,
  options: { before: number | null; limit: number; dagId: string | null },
): Promise<AuditEntry[]> {
  return db.query<AuditEntry & SqlRow>(
    `select id, at, user_name as "user", action, target, detail from audit
     where ($1::bigint is null or id < $1)
       and ($3::text is null or target = $3 or target in (select run_id from runs where dag_id = $3))
     order by id desc limit $2`,
    [options.before, options.limit, options.dagId],
  )
}
