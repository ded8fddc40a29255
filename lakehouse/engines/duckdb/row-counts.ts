import type { DataFile, OpenTable, TableLayout } from '../../tables/table.js'
import { fetchDataFiles, relation } from './relation.js'
import type { DuckdbSession } from './session.js'

export interface RowCounting {
  session: DuckdbSession
  table: OpenTable
  signal: AbortSignal
}

/** Rows in these files: as their writers counted them, else from their footers, or by reading where rows are deleted. */
export async function countRows(counting: RowCounting, layout: TableLayout, files: DataFile[]): Promise<number> {
  const { session, table, signal } = counting
  let total = 0
  for (const file of files) {
    if (file.deletes.length === 0) total += file.rows ?? (await table.countRows(file))
  }
  const thinned = files.filter((file) => file.deletes.length > 0)
  if (thinned.length === 0) return total
  await fetchDataFiles(table, thinned, signal)
  const set = { table, fields: layout.fields, partitionColumns: layout.partitionColumns, files: thinned }
  const [row] = await session.rows(`SELECT count(*) AS n FROM (${relation(set)})`, { signal })
  return total + Number(row?.n)
}
