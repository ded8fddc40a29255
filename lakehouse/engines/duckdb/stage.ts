import { DuckDBListValue, DuckDBMapValue, DuckDBStructValue, type DuckDBValue } from '@duckdb/node-api'
import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import { identifiers, literal } from '../../sql.js'
import type { AddFile } from '../../tables/delta/actions.js'
import { partitionValue } from '../../tables/delta/partition-values.js'
import { logPath } from '../../tables/delta/paths.js'
import type { DeltaField } from '../../tables/delta/schema.js'
import { type ColumnStatistics, columnPath, formatStats } from '../../tables/delta/stats.js'
import type { DuckdbSession } from './session.js'

/** Larger results are split into files of about this size. */
const FILE_SIZE = '256MB'

export interface StageRequest {
  session: DuckdbSession
  table: Table
  /** SELECT whose columns are exactly `fields`, cast to their types */
  select: string
  fields: DeltaField[]
  partitionColumns: string[]
  /** folder below the table */
  folder: string
  now: Instant
  signal: AbortSignal
  subject: string
}

/** Writes the rows of a SELECT as data files. They are neither durable nor part of any version of the table yet. */
export async function stage(request: StageRequest): Promise<AddFile[]> {
  const { session, table, select, partitionColumns, folder } = request
  const target = table.store.localPath(`${table.log.prefix}/${folder}`)
  await table.store.prepare(`${table.log.prefix}/${folder}`)
  const layout =
    partitionColumns.length === 0
      ? `FILE_SIZE_BYTES ${literal(FILE_SIZE)}`
      : `PARTITION_BY (${identifiers(partitionColumns)})`
  const options = `FORMAT parquet, COMPRESSION snappy, RETURN_STATS, FILENAME_PATTERN 'part-{uuidv7}', ${layout}`
  const written = await session.rows(`COPY (${select}) TO ${literal(target)} (${options})`, {
    signal: request.signal,
    subject: request.subject,
  })
  const staged = written.map((row) => stagedFile(request, target, row))
  const empty = staged.filter((file) => file.rows === 0).map((file) => file.key)
  await table.store.delete(empty)
  return staged.filter((file) => file.rows > 0).map((file) => file.add)
}

function stagedFile(request: StageRequest, target: string, row: Record<string, DuckDBValue>) {
  const path = String(row.filename)
  if (!path.startsWith(`${target}/`)) throw new Error(`DuckDB wrote ${path}, expected a file below ${target}`)
  const fileKey = `${request.folder}/${path.slice(target.length + 1)}`
  const rows = Number(row.count)
  const stored = request.fields.filter((field) => !request.partitionColumns.includes(field.name))
  const add: AddFile = {
    path: logPath(fileKey),
    partitionValues: partitionValues(request, row.partition_keys ?? null),
    size: Number(row.file_size_bytes),
    modificationTime: request.now,
    dataChange: true,
    stats: formatStats(rows, stored, statistics(row.column_statistics ?? null)),
  }
  return { key: `${request.table.log.prefix}/${fileKey}`, rows, add }
}

function partitionValues(request: StageRequest, keys: DuckDBValue): Record<string, string | null> {
  const written = mapEntries(keys)
  return Object.fromEntries(
    request.partitionColumns.map((column) => {
      const type = request.fields.find((field) => field.name === column)?.type ?? 'string'
      const value = written.get(column) ?? null
      if (value === '') {
        const message = `Column ${column} of ${request.table.label} holds an empty text; as a partition value Delta cannot tell it from NULL.`
        throw new SluiceError('SCHEMA_MISMATCH', message, { hint: `Write nullif(${column}, '') or another value.` })
      }
      return [column, value === null ? null : partitionValue(String(value), type)]
    }),
  )
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
