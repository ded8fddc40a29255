import type { JsonObject } from '../../../json.js'
import { assertKeyColumns, duplicateKey, nullKey } from '../../merge-keys.js'
import { identifier, identifiers } from '../../sql.js'
import type { Layout } from './layout.js'
import type { TrinoTable } from './names.js'
import { partitionColumns } from './publish-sql.js'
import type { Remember } from './reading.js'
import type { TrinoSession } from './session.js'
import type { ExistingTable } from './target.js'

export interface StagedRows {
  session: TrinoSession
  table: TrinoTable
  layout: Layout
  /** a SELECT of the staged rows */
  rows: string
  signal: AbortSignal
  /** saves the queries that look at all rows */
  remember: Remember
}

/**
 * Merge keys must identify: known to the table, never NULL, each once. One query finds what breaks this.
 * @throws SluiceError KEYS_INVALID naming the first key that does
 */
export async function assertMergeKeys(
  { session, table, layout, rows, signal, remember }: StagedRows,
  keys: string[],
): Promise<void> {
  assertKeyColumns(
    table.label,
    keys,
    layout.columns.map((column) => column.name),
  )
  const nulls = keys.map((key) => `${identifier(key)} IS NULL`).join(' OR ')
  const [found] = await session.rows(
    `SELECT ${identifiers(keys)}, count(*) AS "rows" FROM (${rows}) GROUP BY ${identifiers(keys)}
     HAVING count(*) > 1 OR ${nulls} ORDER BY CASE WHEN ${nulls} THEN 0 ELSE 1 END LIMIT 1`,
    { signal, subject: 'The merge', remember },
  )
  if (found === undefined) return
  const { rows: count, ...key } = found
  const values: JsonObject = Object.fromEntries(keys.map((name, index) => [name, Object.values(key)[index] ?? null]))
  if (Object.values(values).some((value) => value === null)) throw nullKey(table.label, values)
  throw duplicateKey(table.label, values, Number(count))
}

/** Whether rows have NULL where their partition is said. */
export async function hasNullPartitions(staged: StagedRows, existing: ExistingTable | null): Promise<boolean> {
  if (existing === null || existing.partitioning.length === 0) return false
  const nulls = partitionColumns(staged.table, existing).map((column) => `${identifier(column)} IS NULL`)
  const { session, rows, signal, remember } = staged
  const found = await session.rows(`SELECT 1 FROM (${rows}) WHERE ${nulls.join(' OR ')} LIMIT 1`, {
    signal,
    remember,
    subject: 'Reading the partitions',
  })
  return found.length > 0
}
