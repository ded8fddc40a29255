import type { DuckDBType } from '@duckdb/node-api'
import type { Table } from '../../catalogs.js'
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
import { identifier } from '../../sql.js'
import { sameType, type TableField } from '../../tables/schema.js'
import { partitionSource, type TableSnapshot } from '../../tables/table.js'
import { columnType, duckdbType } from './types.js'

/** The columns a write gives the table, and the expressions that make them from the source. */
export interface Layout {
  fields: TableField[]
  partitionColumns: string[]
  /** one per field, in their order */
  expressions: string[]
}

export interface SourceColumn {
  name: string
  type: DuckDBType
}

/**
 * Fits the columns of a source to the table. An overwrite brings its own schema; every other mode has to match the
 * table's columns by name, with types that lose nothing.
 * @param evolve missing columns become NULL and new ones are added to the table
 * @throws SluiceError SCHEMA_MISMATCH naming the column, what was expected and what was found
 */
export function layoutFor(
  table: Table,
  snapshot: TableSnapshot | null,
  source: SourceColumn[],
  write: { mode: WriteMode; partitionBy: string[]; evolve: boolean },
): Layout {
  assertDistinct(table.label, source)
  if (snapshot === null || write.mode === 'overwrite') return ownLayout(table, snapshot, source, write)
  const found = new Map(source.map((column) => [column.name.toLowerCase(), column]))
  const fields = [...snapshot.fields]
  const expressions = fields.map((field) => {
    const column = found.get(field.name.toLowerCase())
    found.delete(field.name.toLowerCase())
    if (column !== undefined) return fitted(table, column, field)
    if (write.evolve) return `NULL::${duckdbType(field.type)} AS ${identifier(field.name)}`
    throw lacks(table.label, field)
  })
  for (const column of found.values()) {
    if (!write.evolve) throw surplus(table.label, column, fields)
    const field = newColumn(table, column)
    fields.push(field)
    expressions.push(cast(column, field))
  }
  const partitionColumns = snapshot.partitionColumns
  assertSamePartitions(table.label, partitionColumns, write.partitionBy)
  return { fields: table.adopt(fields, snapshot), partitionColumns, expressions }
}

function ownLayout(
  table: Table,
  snapshot: TableSnapshot | null,
  source: SourceColumn[],
  write: { partitionBy: string[] },
): Layout {
  if (source.length === 0) throw mismatch(table.label, 'has no columns')
  const fields = source.map((column) => {
    const field = newColumn(table, column)
    const before = snapshot?.fields.find((known) => known.name === field.name)
    // A column that stays what it was keeps its comment and its NOT NULL.
    return before !== undefined && sameType(before.type, field.type) ? before : field
  })
  const names = new Set(fields.map((field) => field.name))
  const before = snapshot?.partitionColumns.filter((column) => names.has(partitionSource(column))) ?? []
  const partitionColumns = write.partitionBy.length > 0 ? write.partitionBy : before
  assertPartitionColumns(table.label, fields, partitionColumns.map(partitionSource))
  return {
    fields: table.adopt(fields, snapshot),
    partitionColumns,
    expressions: source.map((column, index) => cast(column, fields[index] ?? newColumn(table, column))),
  }
}

function fitted(table: Table, column: SourceColumn, field: TableField): string {
  // An untyped NULL fits every column.
  const type = String(column.type) === 'SQLNULL' ? field.type : columnType(column.type)
  assertFits(table.label, field, type, { found: String(column.type), wanted: duckdbType(field.type) })
  return cast(column, field)
}

function cast(column: SourceColumn, field: TableField): string {
  return `CAST(${identifier(column.name)} AS ${duckdbType(field.type)}) AS ${identifier(field.name)}`
}

function newColumn(table: Table, column: SourceColumn): TableField {
  const type = columnType(column.type)
  return newField(table.label, column.name, type === null ? null : table.columnType(type), String(column.type))
}
