import type { Database } from '../../../scheduler/store/database.js'

/** Empties every table but the record of migrations. */
export async function emptied(database: Database): Promise<void> {
  await database.query(`truncate epochs, dag_versions, dags, dag_problems, pools, runs, idempotency_keys, task_runs, attempts,
    table_reads, table_versions, check_results, workers, users, secrets, audit restart identity cascade`)
}
