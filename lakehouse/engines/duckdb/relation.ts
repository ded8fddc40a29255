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

/** All live data files of a snapshot, to be read by the columns the table had then. */
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
 * A SELECT that gives the rows of data files under the table's schema: columns by id where the files have ids, else by
 * name, NULL where an older file lacks one, and partition columns that the files lack from the log, never from paths. The
 * files must be staged here or fetched.
 * @param fileIndex name of an extra column with the position of the row's file in `files`
 */
export function relation(set: FileSet, fileIndex: string | null = null): string {
  if (set.files.length === 0) return emptyRelation(set.fields, fileIndex)
  const parts = alike(set).map((files) => rowsOf(set, files, fileIndex))
  for (const [index, file] of set.files.entries()) {
    if (file.deletes.length === 0) continue
    parts.push(withoutDeleted(set, file, (extra) => rowsOf(set, [{ file, index }], fileIndex, extra)))
  }
  return parts.length === 1 ? (parts[0] ?? '') : parts.map((part) => `(${part})`).join(' UNION ALL ')
}

interface PlacedFile {
  file: DataFile
  /** its position in the set */
  index: number
}

/** Files that are read at once: whole ones, whose columns are found in the same way. */
function alike({ fields, partitionColumns, files }: FileSet): PlacedFile[][] {
  const groups = new Map<string, PlacedFile[]>()
  for (const [index, file] of files.entries()) {
    if (file.deletes.length > 0) continue
    const logged = fields.filter((field) => file.valueInLog(field, partitionColumns) !== undefined)
    const way = JSON.stringify([logged.map(({ name }) => name), [...(file.columnNames ?? [])]])
    const group = groups.get(way)
    if (group === undefined) groups.set(way, [{ file, index }])
    else group.push({ file, index })
  }
  return [...groups.values()]
}

/** @param more fields that are read besides those of the set, and the name that the row's number in its file gets */
function rowsOf(
  set: FileSet,
  files: PlacedFile[],
  fileIndex: string | null,
  more: { fields: TableField[]; rowNumber: string } | null = null,
): string {
  const fields = [...set.fields, ...(more?.fields ?? [])]
  const first = files[0]?.file
  const names = first?.columnNames ?? null
  const valueInLog = (file: DataFile | undefined, field: TableField) => file?.valueInLog(field, set.partitionColumns)
  const inLog = (field: TableField) => valueInLog(first, field) !== undefined
  const inFile = (field: TableField) => names === null || names.has(field.id ?? 0)
  const columns = fields.map((field) => {
    if (inLog(field)) {
      const values = files.map(({ file }) => valueInLog(file, field) ?? null)
      return columnOfValues(values, field)
    }
    return inFile(field) ? identifier(field.name) : `NULL::${duckdbType(field.type)} AS ${identifier(field.name)}`
  })
  if (fileIndex !== null) {
    const positions = files.map(({ index }) => index)
    const inOrder = positions.every((position, index) => position === index)
    const position = inOrder ? 'file_index::BIGINT' : `([${positions.join(', ')}]::BIGINT[])[file_index::BIGINT + 1]`
    columns.push(`${position} AS ${identifier(fileIndex)}`)
  }
  if (more !== null) columns.push(`file_row_number AS ${identifier(more.rowNumber)}`)
  const paths = files.map(({ file }) => literal(set.table.store.localPath(file.key)))
  const schema = fields
    .filter((field) => !inLog(field) && inFile(field))
    .map((field) => readColumn(field, names?.get(field.id ?? 0) ?? field.id ?? field.name))
  // where nothing is read, there is nothing that a schema could say, and DuckDB takes no empty one
  const read = schema.length === 0 ? '' : `, schema = MAP {${schema.join(', ')}}`
  const source = `read_parquet([${paths.join(', ')}], hive_partitioning = false${read})`
  return `SELECT ${columns.join(', ')} FROM ${source}`
}

/** @param key the column's id or its name in the files */
function readColumn(field: TableField, key: number | string): string {
  return `${typeof key === 'number' ? key : literal(key)}: {name: ${literal(field.name)}, type: ${literal(duckdbType(field.type))}, default_value: NULL}`
}

function emptyRelation(fields: TableField[], fileIndex: string | null): string {
  const columns = fields.map((field) => `NULL::${duckdbType(field.type)} AS ${identifier(field.name)}`)
  const extra = fileIndex === null ? [] : [`NULL::BIGINT AS ${identifier(fileIndex)}`]
  return `SELECT ${[...columns, ...extra].join(', ')} WHERE false`
}

/** @param values of each file, looked up by the file's position */
function columnOfValues(values: (string | null)[], field: TableField): string {
  const list = values.map((value) => (value === null ? 'NULL' : literal(value)))
  const type = duckdbType(field.type)
  return `([${list.join(', ')}]::VARCHAR[]::${type}[])[file_index::BIGINT + 1] AS ${identifier(field.name)}`
}
