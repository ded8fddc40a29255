import type { DeltaField } from '../../tables/delta/schema.js'
import { TrinoError } from './errors.js'
import { qualified, type TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'
import { splitTopLevel } from './split.js'
import { deltaType, parseTrinoType } from './types.js'

/** A table that is there already. */
export interface ExistingTable {
  /** `null` as type: a column that Sluice has no type for */
  columns: { name: string; trinoType: string; field: DeltaField | null }[]
  /** columns and transforms such as `day(sold_at)`, as the table declares them */
  partitioning: string[]
  /** other properties, as SQL writes them, for a statement that replaces the table */
  properties: string[]
  /** where it lies, without a slash at the end; null when the table does not say */
  location: string | null
}

/** Null when there is no such table. One statement tells all of it. */
export async function existingTable(
  session: TrinoSession,
  table: TrinoTable,
  signal?: AbortSignal,
): Promise<ExistingTable | null> {
  const options = { signal, subject: `Looking up ${table.label}` }
  try {
    const [row] = await session.rows(`SHOW CREATE TABLE ${qualified(table)}`, options)
    return parseCreateTable(String(row?.['Create Table']))
  } catch (error) {
    if (error instanceof TrinoError && error.code === 'TABLE_UNKNOWN') return null
    throw error
  }
}

/** `name type [NOT NULL] [DEFAULT …] [COMMENT '…'] [WITH (…)]` */
const COLUMN = /^(?:"((?:[^"]|"")*)"|(\S+))\s+([\s\S]+?)(\s+NOT NULL)?(?:\s+(?:DEFAULT|COMMENT|WITH)\s[\s\S]*)?$/
const PARTITIONING = new Set(['partitioning', 'partitioned_by'])

/** Reads what `SHOW CREATE TABLE` answers. @throws Error when it is of another form */
export function parseCreateTable(statement: string): ExistingTable {
  const opening = statement.indexOf('(\n')
  if (!statement.startsWith('CREATE TABLE ') || opening === -1) {
    throw new Error(`not a CREATE TABLE statement: ${statement.slice(0, 200)}`)
  }
  const { parts, rest } = splitTopLevel(statement.slice(opening + 1))
  return { columns: parts.map(columnOf), ...propertiesOf(rest) }
}

function columnOf(text: string): ExistingTable['columns'][number] {
  const [, quoted, bare = '', trinoType = '', notNull] = COLUMN.exec(text) ?? []
  const name = quoted?.replaceAll('""', '"') ?? bare
  const type = deltaType(parseTrinoType(trinoType))
  const field = type === null ? null : { name, type, nullable: notNull === undefined, metadata: {} }
  return { name, trinoType, field }
}

/** What follows the columns: a comment, and the properties in `WITH (…)`. */
function propertiesOf(text: string): Omit<ExistingTable, 'columns'> {
  let partitioning: string[] = []
  const properties: string[] = []
  let location: string | null = null
  const opening = /(?:^|\n)WITH \(\n/.exec(text.replace(/'(?:[^']|'')*'/g, (literal) => '_'.repeat(literal.length)))
  if (opening === null) return { partitioning, properties, location }
  for (const part of splitTopLevel(text.slice(opening.index + opening[0].length)).parts) {
    const [, name = '', value = ''] = /^(\w+) = ([\s\S]*)$/.exec(part) ?? []
    if (PARTITIONING.has(name)) {
      partitioning = [...value.matchAll(/'((?:[^']|'')*)'/g)].map((match) => (match[1] ?? '').replaceAll("''", "'"))
    } else if (name === 'location') location = value.slice(1, -1).replaceAll("''", "'").replace(/\/+$/, '')
    else if (name !== '') properties.push(`${name} = ${value}`)
  }
  return { partitioning, properties, location }
}
