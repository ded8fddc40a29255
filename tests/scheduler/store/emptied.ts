import type { Database } from '../../../scheduler/store/database.js'

const TABLES = [
  'alert_deliveries',
  'alert_messages',
  'alert_mutes',
  'alerts',
  'audit',
  'secrets',
  'users',
  'workers',
  'check_results',
  'table_reads',
  'table_versions',
  'idempotency_keys',
  'attempts',
  'task_runs',
  'slas',
  'runs',
  'backfills',
  'trigger_events',
  'trigger_sources',
  'pools',
  'dag_problems',
  'dags',
  'dag_versions',
  'epochs',
]

/** Empties every table but the record of migrations; ten times quicker than `truncate`, which makes new files. */
export async function emptied(database: Database): Promise<void> {
  await database.transaction([
    ...TABLES.map((table) => ({ sql: `delete from ${table}`, params: [] })),
    { sql: 'alter table epochs alter column epoch restart', params: [] },
  ])
}
