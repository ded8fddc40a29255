import type { Table } from '../../catalogs.js'
import { identifier, literal } from '../../sql.js'
import type { AddFile } from '../../tables/delta/actions.js'
import { dataFilePath } from '../../tables/delta/data-files.js'
import type { DeltaField } from '../../tables/delta/schema.js'
import type { Snapshot } from '../../tables/delta/snapshot.js'
import { duckdbType } from './types.js'

/** Data files with the schema they are read by. */
export interface FileSet {
  table: Table
  fields: DeltaField[]
  partitionColumns: string[]
  files: AddFile[]
}

export function snapshotFiles(table: Table, snapshot: Snapshot): FileSet {
  return {
    table,
    fields: snapshot.fields,
    partitionColumns: snapshot.metadata.partitionColumns,
    files: [...snapshot.files.values()],
  }
}

/**
 * A SELECT that gives the rows of data files under the table's schema: columns by name, NULL where an older file lacks
 * one, and partition columns from the log, never from paths. The files must be staged here or fetched.
 * @param fileIndex name of an extra column with the position of the row's file in `files`
 */
export function relation(set: FileSet, fileIndex: string | null = null): string {
  const extra = fileIndex === null ? [] : [`file_index::BIGINT AS ${identifier(fileIndex)}`]
  if (set.files.length === 0) return emptyRelation(set.fields, fileIndex)
  const stored = set.fields.filter((field) => !set.partitionColumns.includes(field.name))
  const columns = set.fields.map((field) => {
    return set.partitionColumns.includes(field.name) ? partitionColumn(set, field) : identifier(field.name)
  })
  const paths = set.files.map((file) => literal(dataFilePath(set.table, file)))
  const schema = stored.map((field) => {
    const name = literal(field.name)
    return `${name}: {name: ${name}, type: ${literal(duckdbType(field.type))}, default_value: NULL}`
  })
  const source = `read_parquet([${paths.join(', ')}], hive_partitioning = false, schema = MAP {${schema.join(', ')}})`
  return `SELECT ${[...columns, ...extra].join(', ')} FROM ${source}`
}

function emptyRelation(fields: DeltaField[], fileIndex: string | null): string {
  const columns = fields.map((field) => `NULL::${duckdbType(field.type)} AS ${identifier(field.name)}`)
  const extra = fileIndex === null ? [] : [`NULL::BIGINT AS ${identifier(fileIndex)}`]
  return `SELECT ${[...columns, ...extra].join(', ')} WHERE false`
}

/** The value of each file, looked up by the file's position. */
function partitionColumn(set: FileSet, field: DeltaField): string {
  const values = set.files.map((file) => {
    const value = file.partitionValues[field.name]
    // The protocol knows no empty text in partitions: it stands for NULL.
    return value === null || value === undefined || value === '' ? 'NULL' : literal(value)
  })
  const type = duckdbType(field.type)
  return `([${values.join(', ')}]::VARCHAR[]::${type}[])[file_index::BIGINT + 1] AS ${identifier(field.name)}`
}
