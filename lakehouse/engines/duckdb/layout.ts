import { randomUUID } from 'node:crypto'
import type { DuckDBType } from '@duckdb/node-api'
import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import type { WriteMode } from '../../lakehouse.js'
import { closest } from '../../names.js'
import { identifier } from '../../sql.js'
import type { Action } from '../../tables/delta/actions.js'
import { TRANSACTIONS_KEPT_DAYS } from '../../tables/delta/checkpoint-writer.js'
import { protocolFor } from '../../tables/delta/protocol.js'
import {
  type DeltaField,
  type DeltaType,
  formatSchema,
  isNested,
  sameType,
  typeName,
} from '../../tables/delta/schema.js'
import type { Snapshot } from '../../tables/delta/snapshot.js'
import { deltaType, duckdbType, fitsInto } from './types.js'

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

/** Parquet readers of other engines take these characters for syntax. */
const FORBIDDEN_CHARACTERS = /[ ,;{}()\n\t=]/

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
  assertDistinct(table, source)
  if (snapshot === null || write.mode === 'overwrite') return ownLayout(table, snapshot, source, write)
  const found = new Map(source.map((column) => [column.name.toLowerCase(), column]))
  const fields = [...snapshot.fields]
  const expressions = fields.map((field) => {
    const column = found.get(field.name.toLowerCase())
    found.delete(field.name.toLowerCase())
    if (column !== undefined) return fitted(table, column, field)
    if (write.evolve) return `NULL::${duckdbType(field.type)} AS ${identifier(field.name)}`
    throw mismatch(table, `lacks the column ${field.name} (${typeName(field.type)}), which the table has`)
  })
  for (const column of found.values()) {
    if (!write.evolve) throw surplus(table, column, fields)
    const field = newField(table, column)
    fields.push(field)
    expressions.push(cast(column, field))
  }
  const partitionColumns = snapshot.metadata.partitionColumns
  assertSamePartitions(table, partitionColumns, write.partitionBy)
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
  if (source.length === 0) throw mismatch(table, 'has no columns')
  const fields = source.map((column) => {
    const field = newField(table, column)
    const before = snapshot?.fields.find((known) => known.name === field.name)
    // A column that stays what it was keeps its comment and its NOT NULL.
    return before !== undefined && sameType(before.type, field.type) ? before : field
  })
  const names = new Set(fields.map((field) => field.name))
  const before = snapshot?.metadata.partitionColumns.filter((column) => names.has(column)) ?? []
  const partitionColumns = write.partitionBy.length > 0 ? write.partitionBy : before
  assertPartitionColumns(table, fields, partitionColumns)
  return {
    fields,
    partitionColumns,
    expressions: source.map((column, index) => cast(column, fields[index] ?? newField(table, column))),
  }
}

function fitted(table: Table, column: SourceColumn, field: DeltaField): string {
  // An untyped NULL fits every column.
  const type = String(column.type) === 'SQLNULL' ? field.type : deltaType(column.type)
  if (type === null || !fitsInto(type, field.type)) {
    const found = type === null ? String(column.type) : typeName(type)
    throw mismatch(table, `has column ${field.name} as ${found}, expected ${typeName(field.type)}`, {
      hint: `Cast it in the SELECT (CAST(${field.name} AS ${duckdbType(field.type)})), or use mode overwrite.`,
    })
  }
  return cast(column, field)
}

function cast(column: SourceColumn, field: DeltaField): string {
  return `CAST(${identifier(column.name)} AS ${duckdbType(field.type)}) AS ${identifier(field.name)}`
}

function newField(table: Table, column: SourceColumn): DeltaField {
  const type = deltaType(column.type)
  if (type === null) {
    throw mismatch(table, `has column ${column.name} of type ${column.type}, which a Delta table cannot hold`, {
      hint: `Cast it to another type in the SELECT, for example CAST(${identifier(column.name)} AS VARCHAR).`,
    })
  }
  for (const name of [column.name, ...nestedNames(type)]) {
    if (name !== '' && !FORBIDDEN_CHARACTERS.test(name)) continue
    throw mismatch(table, `has a column named ${identifier(name)}; a name may hold none of " ,;{}()=", tab, newline`, {
      hint: 'Give the expression a name with AS.',
    })
  }
  return { name: column.name, type, nullable: true, metadata: {} }
}

function nestedNames(type: DeltaType): string[] {
  if (typeof type === 'string') return []
  if (type.type === 'array') return nestedNames(type.elementType)
  if (type.type === 'map') return [...nestedNames(type.keyType), ...nestedNames(type.valueType)]
  return type.fields.flatMap((field) => [field.name, ...nestedNames(field.type)])
}

function assertDistinct(table: Table, source: SourceColumn[]): void {
  const seen = new Set<string>()
  for (const { name } of source) {
    if (seen.has(name.toLowerCase())) throw mismatch(table, `has two columns named ${name}`)
    seen.add(name.toLowerCase())
  }
}

function assertPartitionColumns(table: Table, fields: DeltaField[], partitionColumns: string[]): void {
  for (const column of partitionColumns) {
    const field = fields.find((candidate) => candidate.name === column)
    if (field === undefined) {
      const near = closest(
        column,
        fields.map((candidate) => candidate.name),
      )
      throw mismatch(table, `lacks the partition column ${column}${near === null ? '' : `; did you mean ${near}?`}`)
    }
    if (isNested(field.type) || field.type === 'binary') {
      throw mismatch(table, `cannot be partitioned by ${column}: it is of type ${typeName(field.type)}`)
    }
  }
  if (partitionColumns.length >= fields.length) throw mismatch(table, 'needs a column besides its partition columns')
}

function assertSamePartitions(table: Table, current: string[], asked: string[]): void {
  if (asked.length === 0 || asked.join() === current.join()) return
  const message = `Table ${table.label} is partitioned by ${current.join(', ') || 'nothing'}, not by ${asked.join(', ')}.`
  throw new SluiceError('SCHEMA_MISMATCH', message, {
    retryable: false,
    hint: 'Mode overwrite may change how a table is partitioned.',
  })
}

function surplus(table: Table, column: SourceColumn, fields: DeltaField[]): SluiceError {
  const near = closest(
    column.name,
    fields.map((field) => field.name),
  )
  return mismatch(
    table,
    `has the column ${column.name}, which the table lacks${near === null ? '' : `; is it ${near}?`}`,
  )
}

function mismatch(table: Table, sentence: string, options: { hint?: string } = {}): SluiceError {
  return new SluiceError('SCHEMA_MISMATCH', `The result for ${table.label} ${sentence}.`, {
    ...options,
    retryable: false,
  })
}
