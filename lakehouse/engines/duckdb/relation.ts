import type { Table } from '../../catalogs.js'
import { identifier, literal } from '../../sql.js'
import type { TableField } from '../../tables/schema.js'
import type { DataFile, OpenTable, TableSnapshot } from '../../tables/table.js'
import { withoutDeleted } from './deleted-rows.js'
import { duckdbType } from './types.js'

/** Data files with the schema they are read by. */
export interface FileSet {
  table: Table
  fields: TableField[]
  partitionColumns: string[]
  files: DataFile[]
}

export function snapshotFiles(table: Table, snapshot: TableSnapshot): FileSet {
  return {
    table,
    fields: snapshot.fields,
    partitionColumns: snapshot.partitionColumns,
    files: [...snapshot.files.values()],
  }
}

/** Makes data files readable for the engine, and what says which of their rows are deleted. */
export async function fetchDataFiles(table: OpenTable, files: Iterable<DataFile>, signal?: AbortSignal): Promise<void> {
  const objects = new Map<string, { key: string; size: number }>()
  for (const file of files) for (const one of [file, ...file.deletes]) objects.set(one.key, one)
  await table.store.fetch([...objects.values()], signal)
}

/** Makes staged data files durable; a commit may name them from then on. */
export async function persistDataFiles(
  table: OpenTable,
  files: Iterable<DataFile>,
  signal: AbortSignal,
): Promise<void> {
  await table.store.persist(
    Array.from(files, (file) => file.key),
    signal,
  )
}

/**
 * A SELECT that gives the rows of data files under the table's schema: columns by id where the format has ids, else by
 * name, NULL where an older file lacks one, and partition columns from the log, never from paths. The files must be
 * staged here or fetched.
 * @param fileIndex name of an extra column with the position of the row's file in `files`
 */
export function relation(set: FileSet, fileIndex: string | null = null): string {
  if (set.files.length === 0) return emptyRelation(set.fields, fileIndex)
  const whole = set.files.flatMap((file, index) => (file.deletes.length === 0 ? [{ file, index }] : []))
  const parts = whole.length === 0 ? [] : [rowsOf(set, whole, fileIndex)]
  for (const [index, file] of set.files.entries()) {
    if (file.deletes.length === 0) continue
    parts.push(withoutDeleted(set, file, (extra) => rowsOf(set, [{ file, index }], fileIndex, extra)))
  }
  return parts.length === 1 ? (parts[0] ?? '') : parts.map((part) => `(${part})`).join(' UNION ALL ')
}

/** @param more fields that are read besides those of the set, and the name that the row's number in its file gets */
function rowsOf(
  set: FileSet,
  files: { file: DataFile; index: number }[],
  fileIndex: string | null,
  more: { fields: TableField[]; rowNumber: string } | null = null,
): string {
  const fields = [...set.fields, ...(more?.fields ?? [])]
  const inLog = (field: TableField) => field.id === undefined && set.partitionColumns.includes(field.name)
  const columns = fields.map((field) => {
    return inLog(field)
      ? partitionColumn(
          files.map(({ file }) => file),
          field,
        )
      : identifier(field.name)
  })
  if (fileIndex !== null) {
    const positions = files.map(({ index }) => index)
    const inOrder = positions.every((position, index) => position === index)
    const position = inOrder ? 'file_index::BIGINT' : `([${positions.join(', ')}]::BIGINT[])[file_index::BIGINT + 1]`
    columns.push(`${position} AS ${identifier(fileIndex)}`)
  }
  if (more !== null) columns.push(`file_row_number AS ${identifier(more.rowNumber)}`)
  const paths = files.map(({ file }) => literal(set.table.store.localPath(file.key)))
  const schema = fields.filter((field) => !inLog(field)).map(readColumn)
  const source = `read_parquet([${paths.join(', ')}], hive_partitioning = false, schema = MAP {${schema.join(', ')}})`
  return `SELECT ${columns.join(', ')} FROM ${source}`
}

function readColumn(field: TableField): string {
  const key = field.id ?? literal(field.name)
  return `${key}: {name: ${literal(field.name)}, type: ${literal(duckdbType(field.type))}, default_value: NULL}`
}

function emptyRelation(fields: TableField[], fileIndex: string | null): string {
  const columns = fields.map((field) => `NULL::${duckdbType(field.type)} AS ${identifier(field.name)}`)
  const extra = fileIndex === null ? [] : [`NULL::BIGINT AS ${identifier(fileIndex)}`]
  return `SELECT ${[...columns, ...extra].join(', ')} WHERE false`
}

/** The value of each file, looked up by the file's position. */
function partitionColumn(files: DataFile[], field: TableField): string {
  const values = files.map((file) => {
    const value = file.partitionValues[field.name] ?? null
    return value === null ? 'NULL' : literal(value)
  })
  const type = duckdbType(field.type)
  return `([${values.join(', ')}]::VARCHAR[]::${type}[])[file_index::BIGINT + 1] AS ${identifier(field.name)}`
}
