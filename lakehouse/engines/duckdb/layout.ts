import { randomUUID } from 'node:crypto'
import type { DuckDBType } from '@duckdb/node-api'
import type { Instant } from '../../../json.js'
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
import type { Action } from '../../tables/delta/actions.js'
import { TRANSACTIONS_KEPT_DAYS } from '../../tables/delta/checkpoint-writer.js'
import { protocolFor } from '../../tables/delta/protocol.js'
import { type DeltaField, formatSchema, sameType } from '../../tables/delta/schema.js'
import type { Snapshot } from '../../tables/delta/snapshot.js'
import { deltaType, duckdbType } from './types.js'

/** The columns a write gives the table, and the expressions that make them from the source. */
export interface Layout {
  fields: DeltaField[]
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
  snapshot: Snapshot | null,
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
  const partitionColumns = snapshot.metadata.partitionColumns
  assertSamePartitions(table.label, partitionColumns, write.partitionBy)
  return { fields, partitionColumns, expressions }
}

/** What the log must say about schema and protocol when a layout is published on a snapshot. */
export function layoutActions(layout: Layout, snapshot: Snapshot | null, now: Instant): Action[] {
  const actions: Action[] = []
  const protocol = protocolFor(layout.fields, snapshot?.protocol ?? null)
  if (protocol !== snapshot?.protocol) actions.push({ protocol })
  const schemaString = formatSchema(layout.fields)
  const { partitionColumns } = layout
  if (snapshot === null) {
    const configuration = { 'delta.setTransactionRetentionDuration': `interval ${TRANSACTIONS_KEPT_DAYS} days` }
    const format = { provider: 'parquet', options: {} }
    actions.push({
      metaData: { id: randomUUID(), format, schemaString, partitionColumns, configuration, createdTime: now },
    })
  } else if (!sameLayout(layout, snapshot)) {
    actions.push({ metaData: { ...snapshot.metadata, schemaString, partitionColumns } })
  }
  return actions
}

/** Files staged under the layout can be read under the snapshot's schema as it is. */
export function sameLayout(layout: Layout, snapshot: Snapshot): boolean {
  return (
    formatSchema(layout.fields) === formatSchema(snapshot.fields) &&
    layout.partitionColumns.join() === snapshot.metadata.partitionColumns.join()
  )
}

function ownLayout(
  table: Table,
  snapshot: Snapshot | null,
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
  const before = snapshot?.metadata.partitionColumns.filter((column) => names.has(column)) ?? []
  const partitionColumns = write.partitionBy.length > 0 ? write.partitionBy : before
  assertPartitionColumns(table.label, fields, partitionColumns)
  return {
    fields,
    partitionColumns,
    expressions: source.map((column, index) => cast(column, fields[index] ?? newColumn(table, column))),
  }
}

function fitted(table: Table, column: SourceColumn, field: DeltaField): string {
  // An untyped NULL fits every column.
  const type = String(column.type) === 'SQLNULL' ? field.type : deltaType(column.type)
  assertFits(table.label, field, type, { found: String(column.type), wanted: duckdbType(field.type) })
  return cast(column, field)
}

function cast(column: SourceColumn, field: DeltaField): string {
  return `CAST(${identifier(column.name)} AS ${duckdbType(field.type)}) AS ${identifier(field.name)}`
}

function newColumn(table: Table, column: SourceColumn): DeltaField {
  return newField(table.label, column.name, deltaType(column.type), String(column.type))
}
