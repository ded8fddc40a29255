import { SluiceError } from '../../../errors.js'
import { type ColumnType, decimalOf, type TableField } from '../schema.js'
import { type PartitionTransform, partitionSource } from '../table.js'
import { bucketOf } from './bucket.js'
import type { IcebergMetadata, PartitionSpec, PartitionSpecField } from './metadata.js'
import { type AvroValue, textOf, valueFrom } from './values.js'

/** The first id of partition fields, by the specification. */
const FIRST_FIELD_ID = 1000

/** A partition field as people write it: the column itself, or `day(placed_at)`, `bucket(16, id)`. */
export function labelOf(field: PartitionSpecField, fields: TableField[]): string {
  const column = fields.find((candidate) => candidate.id === field['source-id'])?.name ?? field.name
  if (field.transform === 'identity') return column
  const parameter = /^(\w+)\[(\d+)\]$/.exec(field.transform)
  return parameter === null ? `${field.transform}(${column})` : `${parameter[1]}(${parameter[2]}, ${column})`
}

const LABEL = /^(year|month|day|hour|void|truncate|bucket)\((?:(\d+), )?(.+)\)$/

/** How a value that partitions is made. @throws SluiceError TABLE_UNSUPPORTED for transforms Sluice does not write */
export function transformOf(label: string, fields: TableField[], table: string): PartitionTransform {
  const [, word, width, source] = LABEL.exec(label) ?? []
  const column = source ?? label
  const type = fields.find((field) => field.name === column)?.type
  const transform = word ?? 'identity'
  if (transform === 'truncate' && (type === undefined || !isTruncatable(type))) throw notWritten(table, label)
  if (transform === 'bucket') {
    if (type === undefined || type === 'binary') throw notWritten(table, label)
    return { column, transform, width: Number(width), bucketOf: (text) => bucketOfText(text, type, Number(width)) }
  }
  switch (transform) {
    case 'identity':
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
    case 'void':
    case 'truncate':
      return { column, transform, width: Number(width ?? 0) }
    default:
      throw notWritten(table, label)
  }
}

function isTruncatable(type: ColumnType): boolean {
  return type === 'string' || type === 'integer' || type === 'long' || decimalOf(type) !== null
}

function bucketOfText(text: string, type: ColumnType, buckets: number): number {
  const value = valueFrom(text, type)
  if (value === undefined) throw new Error(`${text} belongs to no bucket of Iceberg`)
  return bucketOf(value, buckets)
}

function notWritten(table: string, label: string): SluiceError {
  const message = `Table ${table} is partitioned by ${label}, which Sluice reads but does not write.`
  return new SluiceError('TABLE_UNSUPPORTED', message, { retryable: false })
}

/** The type of a partition field's values. */
export function resultType(transform: string, source: ColumnType): ColumnType {
  if (transform === 'identity' || transform.startsWith('truncate')) return source
  // Iceberg gives days the type date, which Avro writes as an int too
  return transform === 'day' ? 'date' : 'integer'
}

/**
 * The values of a partition as text, in the order of the spec: equal texts are equal values, also of a type that was
 * widened in between, and NULL stays null.
 */
export function partitionTexts(values: AvroValue[], spec: PartitionSpec, fields: TableField[]): (string | null)[] {
  return spec.fields.map((field, index) => {
    const source = fields.find((candidate) => candidate.id === field['source-id'])?.type ?? 'string'
    return textOf(values[index], resultType(field.transform, source))
  })
}

/**
 * Avro's schema of a partition field's values.
 * @param id of the partition field, because Avro's named types must differ within a file
 */
export function avroType(type: ColumnType, id: number): string | { [key: string]: string | number | boolean } {
  if (typeof type !== 'string') throw new Error('a nested column cannot partition')
  const decimal = decimalOf(type)
  if (decimal !== null) {
    const { precision, scale } = decimal
    const name = `decimal_${id}`
    return { type: 'fixed', name, size: decimalSize(precision), logicalType: 'decimal', precision, scale }
  }
  switch (type) {
    case 'boolean':
    case 'float':
    case 'double':
    case 'string':
    case 'long':
      return type
    case 'integer':
      return 'int'
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'time':
      return { type: 'long', logicalType: 'time-micros' }
    case 'timestamp':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true }
    case 'timestamp_ntz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false }
    case 'uuid':
      return { type: 'fixed', size: 16, name: `uuid_${id}`, logicalType: 'uuid' }
    default:
      return 'bytes'
  }
}

/** Bytes that hold every unscaled value of so many digits. */
export function decimalSize(precision: number): number {
  let size = 1
  while (2n ** BigInt(size * 8 - 1) < 10n ** BigInt(precision)) size++
  return size
}

/** The spec that partitions by these columns: one the table has, or a new one. */
export function specFor(labels: string[], fields: TableField[], metadata: IcebergMetadata | null): PartitionSpec {
  const wanted = labels.map((label) => specField(label, fields))
  const same = (spec: PartitionSpec) =>
    spec.fields.length === wanted.length &&
    spec.fields.every((field, index) => {
      return field.transform === wanted[index]?.transform && field['source-id'] === wanted[index]['source-id']
    })
  const specs = metadata?.['partition-specs'] ?? []
  const standing = specs.filter(same)
  const chosen = standing.find((spec) => spec['spec-id'] === metadata?.['default-spec-id']) ?? standing[0]
  if (chosen !== undefined) return chosen
  let last = Math.max(metadata?.['last-partition-id'] ?? 0, FIRST_FIELD_ID - 1)
  const known = specs.flatMap((spec) => spec.fields)
  const numbered = wanted.map((field) => {
    const before = known.find(
      (candidate) => candidate.transform === field.transform && candidate['source-id'] === field['source-id'],
    )
    return before ?? { ...field, 'field-id': ++last }
  })
  return { 'spec-id': Math.max(-1, ...specs.map((spec) => spec['spec-id'])) + 1, fields: numbered }
}

function specField(label: string, fields: TableField[]): PartitionSpecField {
  const column = partitionSource(label)
  const id = fields.find((field) => field.name === column)?.id
  if (id === undefined) throw new Error(`the partition column ${column} is not among the columns`)
  const [, word, width] = LABEL.exec(label) ?? []
  if (word === undefined) return { name: column, transform: 'identity', 'source-id': id }
  const transform = width === undefined ? word : `${word}[${width}]`
  return { name: `${column}_${word}`, transform, 'source-id': id }
}
