import type { WriteMode } from '../../lakehouse.js'
import {
  assertDistinct,
  assertFits,
  assertPartitionColumns,
  assertSamePartitions,
  lacks,
  mismatch,
  newField,
  surplus,
} from '../../schema-fit.js'
import { identifier, literal } from '../../sql.js'
import type { DeltaField } from '../../tables/delta/schema.js'
import type { TrinoTable } from './names.js'
import type { SelectColumns } from './select.js'
import type { ExistingTable } from './target.js'
import { deltaType, trinoType } from './types.js'

/** The columns a write gives the table, and the expressions that make them from the source. */
export interface Layout {
  columns: { name: string; trinoType: string }[]
  /** one per column, in their order */
  expressions: string[]
  partitioning: string[]
  /** columns to add to the table first, as `ADD COLUMN` wants them */
  added: string[]
}

/**
 * Fits the columns of a source to the table by the rules of all engines: an overwrite brings its own schema; every other
 * mode has to match the table's columns by name, with types that lose nothing.
 * @param write `evolve`: missing columns become NULL and new ones are added to the table
 * @throws SluiceError SCHEMA_MISMATCH naming the column, what was expected and what was found
 */
export function layoutFor(
  table: TrinoTable,
  existing: ExistingTable | null,
  source: SelectColumns['columns'],
  write: { mode: WriteMode; partitionBy: string[]; evolve: boolean },
): Layout {
  assertNamed(table, source)
  assertDistinct(table.label, source)
  if (existing === null || write.mode === 'overwrite') return ownLayout(table, existing, source, write.partitionBy)
  const found = new Map(source.map((column) => [column.name.toLowerCase(), column]))
  const layout: Layout = { columns: [], expressions: [], partitioning: existing.partitioning, added: [] }
  for (const column of existing.columns) {
    const given = found.get(column.name.toLowerCase())
    found.delete(column.name.toLowerCase())
    layout.columns.push({ name: column.name, trinoType: column.trinoType })
    layout.expressions.push(fitted(table, column, given, write.evolve))
  }
  for (const column of found.values()) {
    if (!write.evolve) throw surplus(table.label, column, knownFields(existing))
    const { name, type } = newColumn(table, column)
    layout.columns.push({ name, trinoType: type })
    layout.expressions.push(cast(column.name, name, type))
    layout.added.push(`${identifier(name)} ${type}`)
  }
  assertSamePartitions(table.label, existing.partitioning, write.partitionBy)
  return layout
}

/** Trino calls a column without a name `_col` and its place, and finds it under no name. */
function assertNamed(table: TrinoTable, source: SelectColumns['columns']): void {
  const unnamed = source.findIndex(({ name }, index) => name === `_col${index}`)
  if (unnamed === -1) return
  const hint = 'Name it in the SELECT: `count(*) AS orders`.'
  throw mismatch(table.label, `has no name for column ${unnamed + 1}`, { hint })
}

/** `WITH (…)` of a statement that creates a table. */
export function tableProperties(table: TrinoTable, layout: Layout, existing: ExistingTable | null): string {
  const partitions = layout.partitioning.map(literal).join(', ')
  const key = table.format === 'iceberg' ? 'partitioning' : 'partitioned_by'
  const properties = [...(existing?.properties ?? [])]
  if (partitions !== '') properties.push(`${key} = ARRAY[${partitions}]`)
  return properties.length === 0 ? '' : ` WITH (${properties.join(', ')})`
}

function ownLayout(
  table: TrinoTable,
  existing: ExistingTable | null,
  source: SelectColumns['columns'],
  partitionBy: string[],
): Layout {
  if (source.length === 0) throw mismatch(table.label, 'has no columns')
  const columns = source.map((column) => newColumn(table, column))
  const names = new Set(columns.map((column) => column.name))
  const kept = existing?.partitioning.filter((part) => names.has(part.replace(/^\w+\((\w+).*\)$/, '$1'))) ?? []
  if (partitionBy.length > 0) {
    const fields = columns.map((column) => column.field)
    assertPartitionColumns(table.label, fields, partitionBy)
  }
  return {
    columns: columns.map(({ name, type }) => ({ name, trinoType: type })),
    expressions: columns.map(({ name, type }) => cast(name, name, type)),
    partitioning: partitionBy.length > 0 ? partitionBy : kept,
    added: [],
  }
}

function fitted(
  table: TrinoTable,
  column: ExistingTable['columns'][number],
  given: SelectColumns['columns'][number] | undefined,
  evolve: boolean,
): string {
  if (given === undefined) {
    if (evolve) return `CAST(NULL AS ${column.trinoType}) AS ${identifier(column.name)}`
    if (column.field === null) throw mismatch(table.label, `lacks the column ${column.name} (${column.trinoType})`)
    throw lacks(table.label, column.field)
  }
  // An untyped NULL fits every column.
  if (given.type.name !== 'unknown') {
    if (column.field === null) {
      const message = `meets column ${column.name} of type ${column.trinoType}, which Sluice cannot write`
      throw mismatch(table.label, message)
    }
    const words = { found: given.type.text, wanted: column.trinoType }
    assertFits(table.label, column.field, deltaType(given.type), words)
  }
  return cast(given.name, column.name, column.trinoType)
}

function newColumn(
  table: TrinoTable,
  column: SelectColumns['columns'][number],
): { name: string; type: string; field: DeltaField } {
  const field = newField(table.label, column.name, deltaType(column.type), column.type.text)
  return { name: column.name, type: trinoType(field.type, table.format), field }
}

function knownFields(existing: ExistingTable): DeltaField[] {
  return existing.columns.flatMap((column) => column.field ?? [])
}

function cast(from: string, to: string, type: string): string {
  return `CAST(${identifier(from)} AS ${type}) AS ${identifier(to)}`
}
