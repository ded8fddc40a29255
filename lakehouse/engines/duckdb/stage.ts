import { DuckDBListValue, DuckDBMapValue, DuckDBStructValue, type DuckDBValue } from '@duckdb/node-api'
import type { Instant } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import { identifier, identifiers, literal } from '../../sql.js'
import type { ColumnType, TableField } from '../../tables/schema.js'
import { type StagingArea, stagingFolder } from '../../tables/staging.js'
import { type ColumnStatistics, columnPath, type DataFile, type StagedFile } from '../../tables/table.js'
import type { DuckdbSession } from './session.js'
import { transformed } from './transforms.js'

/** Larger results are split into files of about this size. */
const FILE_SIZE = '256MB'

export interface StageRequest {
  session: DuckdbSession
  table: Table
  /** SELECT whose columns are exactly `fields`, cast to their types */
  select: string
  fields: TableField[]
  partitionColumns: string[]
  area: StagingArea
  now: () => Instant
  signal: AbortSignal
  subject: string
}

/** Writes the rows of a SELECT as data files. They are neither durable nor part of any version of the table yet. */
export async function stage(request: StageRequest): Promise<DataFile[]> {
  const { session, table, fields, partitionColumns } = request
  const folder = await stagingFolder(table, request.area)
  const target = table.store.localPath(folder)
  await table.store.prepare(folder)
  const { select, partitions, fieldIds } = physicalForm(request)
  const options = [
    'FORMAT parquet',
    'COMPRESSION snappy',
    'RETURN_STATS',
    `FILENAME_PATTERN 'part-{uuidv7}'`,
    partitions.length === 0 ? `FILE_SIZE_BYTES ${literal(FILE_SIZE)}` : `PARTITION_BY (${identifiers(partitions)})`,
    ...(fieldIds === null ? [] : [`FIELD_IDS ${fieldIds}`]),
  ]
  const written = await session.rows(`COPY (${select}) TO ${literal(target)} (${options.join(', ')})`, {
    signal: request.signal,
    subject: request.subject,
  })
  const staged = written.map((row) => stagedFile({ folder, target, partitions }, row))
  const empty = staged.filter((file) => file.rows === 0).map((file) => file.key)
  await table.store.delete(empty)
  return staged
    .filter((file) => file.rows > 0)
    .map((file) => table.stagedFile(file, { fields, partitionColumns }, request.now()))
}

/**
 * What is written: partition columns stay out of the files by the engine's rules, so where a format wants them inside,
 * the files are partitioned by columns made for it.
 */
function physicalForm({ session, table, select, fields, partitionColumns }: StageRequest) {
  const layout = table.fileLayout({ fields, partitionColumns })
  if (!layout.selfContained) return { select, partitions: partitionColumns, fieldIds: null }
  const made = layout.partitions.map((partition, index) => {
    const type = fields.find((field) => field.name === partition.column)?.type ?? 'string'
    return { name: `__p${index}`, sql: transformed(partition, type, session) }
  })
  const columns = made.map(({ name, sql }) => `, ${sql} AS ${identifier(name)}`).join('')
  return {
    select: `SELECT *${columns} FROM (${select})`,
    partitions: made.map(({ name }) => name),
    fieldIds: fieldIds(fields),
  }
}

/** DuckDB's notation of the ids that columns and their parts get in the files. */
function fieldIds(fields: TableField[]): string {
  return `{${fields.map((field) => `${identifier(field.name)}: ${idsOf(field.id, field.type)}`).join(', ')}}`
}

function idsOf(id: number | undefined, type: ColumnType): string {
  if (id === undefined) throw new Error('a column that needs an id has none')
  if (typeof type === 'string') return String(id)
  const own = `__duckdb_field_id: ${id}`
  if (type.type === 'array') return `{${own}, element: ${idsOf(type.elementId, type.elementType)}}`
  if (type.type === 'map') {
    return `{${own}, key: ${idsOf(type.keyId, type.keyType)}, value: ${idsOf(type.valueId, type.valueType)}}`
  }
  const parts = type.fields.map((field) => `${identifier(field.name)}: ${idsOf(field.id, field.type)}`)
  return `{${[own, ...parts].join(', ')}}`
}

function stagedFile(
  { folder, target, partitions }: { folder: string; target: string; partitions: string[] },
  row: Record<string, DuckDBValue>,
): StagedFile {
  const path = String(row.filename)
  if (!path.startsWith(`${target}/`)) throw new Error(`DuckDB wrote ${path}, expected a file below ${target}`)
  const values = mapEntries(row.partition_keys ?? null)
  return {
    key: `${folder}/${path.slice(target.length + 1)}`,
    size: Number(row.file_size_bytes),
    rows: Number(row.count),
    partition: partitions.map((name) => {
      const value = values.get(name) ?? null
      return value === null ? null : String(value)
    }),
    columns: statistics(row.column_statistics ?? null),
  }
}

/** RETURN_STATS names a column by its quoted path, `"address"."city"`. */
function statistics(value: DuckDBValue): Map<string, ColumnStatistics> {
  const columns = new Map<string, ColumnStatistics>()
  for (const [path, entries] of mapEntries(value)) {
    const measured = mapEntries(entries)
    const text = (key: string): string | null => {
      const found = measured.get(key)
      return found === undefined || found === null ? null : String(found)
    }
    columns.set(columnPath(unquotedParts(path)), {
      nullCount: Number(text('null_count') ?? 0),
      min: text('min'),
      max: text('max'),
      hasNan: text('has_nan') === 'true',
    })
  }
  return columns
}

function unquotedParts(path: string): string[] {
  return [...path.matchAll(/"((?:[^"]|"")*)"/g)].map((match) => (match[1] ?? '').replaceAll('""', '"'))
}

function mapEntries(value: DuckDBValue): Map<string, DuckDBValue> {
  if (value instanceof DuckDBMapValue) return new Map(value.entries.map((entry) => [String(entry.key), entry.value]))
  if (value instanceof DuckDBListValue) {
    return new Map(
      value.items.flatMap((item): [string, DuckDBValue][] =>
        item instanceof DuckDBStructValue ? [[String(item.entries.key), item.entries.value ?? null]] : [],
      ),
    )
  }
  return new Map()
}
