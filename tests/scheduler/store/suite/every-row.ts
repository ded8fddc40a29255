import type { Database } from '../../../../scheduler/store/database.js'
import { tablesOfMigrations } from '../../../../scheduler/store/migrate.js'

/** Every row of a store as PostgreSQL writes it, by table. */
export async function everyRow(database: Database): Promise<Record<string, unknown[]>> {
  const rows: Record<string, unknown[]> = {}
  for (const table of await tablesOfMigrations()) {
    // collated, as databases sort differently
    rows[table] = await database.query(`select t::text as row from ${table} t order by t::text collate "C"`)
  }
  return rows
}
