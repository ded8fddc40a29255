import { SluiceError } from '../../../errors.js'
import type { TableField } from '../schema.js'
import { decimalOf } from '../schema.js'
import { type ColumnStatistics, columnPath, type StagedFile } from '../table.js'
import type { FileRecord } from './manifests.js'
import type { PartitionSpec } from './metadata.js'
import { decimalSize } from './partitions.js'
import { type AvroValue, boundsOf, valueFrom } from './values.js'

/** The manifest's record of a file that the engine has written. */
export function fileRecord(
  file: StagedFile,
  location: string,
  layout: { fields: TableField[]; spec: PartitionSpec; table: string },
): FileRecord {
  const columns = leafColumns(layout.fields, [], file.columns)
  const counts = columns.map(({ id, column }) => ({ key: id, value: BigInt(column.nullCount) }))
  const bounds = columns.map(({ id, type, column }) => ({ id, ...boundsOf(type, column) }))
  const pairs = (side: 'lower' | 'upper') =>
    bounds.flatMap((one) => (one[side] === null ? [] : [{ key: one.id, value: one[side] }]))
  return {
    content: 0,
    file_path: location,
    file_format: 'PARQUET',
    partition: partitionOf(file, layout),
    record_count: BigInt(file.rows),
    file_size_in_bytes: BigInt(file.size),
    column_sizes: null,
    value_counts: columns.map(({ id }) => ({ key: id, value: BigInt(file.rows) })),
    null_value_counts: counts,
    nan_value_counts: null,
    lower_bounds: pairs('lower'),
    upper_bounds: pairs('upper'),
    key_metadata: null,
    split_offsets: null,
    equality_ids: null,
    sort_order_id: null,
    referenced_data_file: null,
  }
}

/** Columns that have one value a row, at the top or inside structs: only for those are counts and bounds told. */
function leafColumns(
  fields: TableField[],
  above: string[],
  measured: ReadonlyMap<string, ColumnStatistics>,
): { id: number; type: string; column: ColumnStatistics }[] {
  return fields.flatMap((field) => {
    const path = [...above, field.name]
    if (typeof field.type !== 'string') {
      return field.type.type === 'struct' ? leafColumns(field.type.fields, path, measured) : []
    }
    const column = measured.get(columnPath(path))
    return column === undefined || field.id === undefined ? [] : [{ id: field.id, type: field.type, column }]
  })
}

function partitionOf(
  file: StagedFile,
  { fields, spec, table }: { fields: TableField[]; spec: PartitionSpec; table: string },
): AvroValue[] {
  let next = 0
  return spec.fields.map(({ transform, name, 'source-id': source }) => {
    if (transform === 'void') return null
    const text = file.partition[next++] ?? null
    if (text === null) return null
    const type = fields.find((field) => field.id === source)?.type ?? 'string'
    // what time transforms give is a number, whatever the type they are shown as
    const kept = transform === 'identity' || transform.startsWith('truncate') ? type : 'integer'
    const value = valueFrom(text, kept)
    if (value === undefined) {
      const message = `The result for ${table} has ${text} in the partition column ${name}, which Iceberg cannot keep.`
      throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false })
    }
    const decimal = decimalOf(kept)
    return decimal !== null && value instanceof Uint8Array ? widened(value, decimalSize(decimal.precision)) : value
  })
}

/** The same number in more bytes. */
function widened(bytes: Uint8Array, size: number): Buffer {
  const fill = (bytes[0] ?? 0) >= 0x80 ? 0xff : 0
  return Buffer.concat([Buffer.alloc(size - bytes.length, fill), bytes])
}
