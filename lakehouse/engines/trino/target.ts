import { literal } from '../../sql.js'
import type { DeltaField } from '../../tables/delta/schema.js'
import { qualified, type TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'
import { deltaType, parseTrinoType } from './types.js'

/** A table that is there already. */
export interface ExistingTable {
  /** `null` as type: a column that Sluice has no type for */
  columns: { name: string; trinoType: string; field: DeltaField | null }[]
  /** columns and transforms such as `day(sold_at)`, as the table declares them */
  partitioning: string[]
  /** other properties, as SQL writes them, for a statement that replaces the table */
  properties: string[]
}

/** Null when there is no such table. */
export async function existingTable(
  session: TrinoSession,
  table: TrinoTable,
  signal?: AbortSignal,
): Promise<ExistingTable | null> {
  const options = { signal, subject: `Looking up ${table.label}` }
  const columns = await session.rows(
    `SELECT column_name, data_type, is_nullable FROM ${qualified({ ...table, schema: 'information_schema', name: 'columns' })}
     WHERE table_schema = ${literal(table.schema)} AND table_name = ${literal(table.name)} ORDER BY ordinal_position`,
    options,
  )
  if (columns.length === 0) return null
  const [created] = await session.rows(`SHOW CREATE TABLE ${qualified(table)}`, options)
  const { partitioning, properties } = propertiesOf(String(created?.['Create Table']))
  return {
    partitioning,
    properties,
    columns: columns.map((row) => {
      const name = String(row.column_name)
      const trinoType = String(row.data_type)
      const type = deltaType(parseTrinoType(trinoType))
      const nullable = row.is_nullable !== 'NO'
      return { name, trinoType, field: type === null ? null : { name, type, nullable, metadata: {} } }
    }),
  }
}

const PARTITIONING = new Set(['partitioning', 'partitioned_by'])

/** The properties of `SHOW CREATE TABLE`, one a line. */
function propertiesOf(statement: string): Pick<ExistingTable, 'partitioning' | 'properties'> {
  const block = /\nWITH \(\n([\s\S]*)\n\)\s*$/.exec(statement)?.[1] ?? ''
  let partitioning: string[] = []
  const properties: string[] = []
  for (const line of block.split(/,?\n/)) {
    const [, name = '', value = ''] = /^\s*(\w+) = (.*?),?$/.exec(line) ?? []
    if (PARTITIONING.has(name)) {
      partitioning = [...value.matchAll(/'((?:[^']|'')*)'/g)].map((match) => (match[1] ?? '').replaceAll("''", "'"))
    } else if (name !== '' && name !== 'location') properties.push(`${name} = ${value}`)
  }
  return { partitioning, properties }
}
