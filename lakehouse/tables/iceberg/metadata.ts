import { isInteger, isSafeNumber, parse, stringify } from 'lossless-json'
import { messageOf, SluiceError } from '../../../errors.js'

/** Parts of Iceberg's table metadata file, in the specification's own words. What is not named here is kept as it is. */
export interface IcebergMetadata {
  'format-version': number
  'table-uuid': string
  location: string
  'last-sequence-number'?: number
  'last-updated-ms': number
  'last-column-id': number
  schemas?: IcebergSchema[]
  schema?: IcebergSchema
  'current-schema-id'?: number
  'partition-specs'?: PartitionSpec[]
  'partition-spec'?: PartitionSpecField[]
  'default-spec-id'?: number
  'last-partition-id'?: number
  properties?: Record<string, string>
  'current-snapshot-id'?: SnapshotId | null
  refs?: Record<string, { 'snapshot-id': SnapshotId; type: string }>
  snapshots?: IcebergSnapshotEntry[]
  'snapshot-log'?: { 'snapshot-id': SnapshotId; 'timestamp-ms': number }[]
  'metadata-log'?: { 'metadata-file': string; 'timestamp-ms': number }[]
  [key: string]: unknown
}

/** 64 bits: a number while it is exact, else a bigint */
export type SnapshotId = number | bigint

export interface IcebergSnapshotEntry {
  'snapshot-id': SnapshotId
  'parent-snapshot-id'?: SnapshotId | null
  'sequence-number'?: number
  'timestamp-ms': number
  'manifest-list'?: string
  summary?: Record<string, string>
  'schema-id'?: number
  [key: string]: unknown
}

export interface IcebergSchema {
  type: 'struct'
  'schema-id'?: number
  fields: IcebergField[]
  [key: string]: unknown
}

export interface IcebergField {
  id: number
  name: string
  required: boolean
  type: IcebergType
  doc?: string
}

export type IcebergType =
  | string
  | { type: 'struct'; fields: IcebergField[] }
  | { type: 'list'; 'element-id': number; element: IcebergType; 'element-required': boolean }
  | {
      type: 'map'
      'key-id': number
      key: IcebergType
      'value-id': number
      value: IcebergType
      'value-required': boolean
    }

export interface PartitionSpec {
  'spec-id': number
  fields: PartitionSpecField[]
}

export interface PartitionSpecField {
  name: string
  transform: string
  'source-id': number
  'field-id'?: number
}

/**
 * Reads a metadata file of format version 1 or 2, with every digit of its ids; what Sluice does not know is kept.
 * @param name for messages
 * @throws SluiceError TABLE_CORRUPT when it is no table metadata, TABLE_UNSUPPORTED when it is of a version that Sluice
 * does not know
 */
export function parseMetadata(content: Buffer, name: string): IcebergMetadata {
  let value: unknown
  try {
    value = parse(content.toString('utf8'), null, {
      parseNumber: (text) => (isInteger(text) && !isSafeNumber(text) ? BigInt(text) : Number(text)),
    })
  } catch (error) {
    throw new SluiceError('TABLE_CORRUPT', `${name} is not JSON: ${messageOf(error)}.`, { cause: error })
  }
  if (!isMetadata(value)) throw new SluiceError('TABLE_CORRUPT', `${name} is not the metadata of an Iceberg table.`)
  const version = value['format-version']
  if (version === 1 || version === 2) return value
  throw new SluiceError(
    'TABLE_UNSUPPORTED',
    `${name}: the table has format version ${version}; Sluice reads Iceberg tables of versions 1 and 2.`,
    { retryable: false },
  )
}

/**
 * The text of a metadata file. Ids of 64 bits keep every digit, and fields Sluice does not know are written as they
 * came.
 */
export function formatMetadata(metadata: IcebergMetadata): Buffer {
  return Buffer.from(stringify(metadata) ?? '')
}

/**
 * The schema that new files are written by.
 * @throws SluiceError TABLE_CORRUPT when the metadata does not hold it
 */
export function currentSchema(metadata: IcebergMetadata): IcebergSchema {
  return schemaOf(metadata, metadata['current-schema-id'])
}

/** @param id of the schema; undefined gives the current one */
export function schemaOf(metadata: IcebergMetadata, id: number | undefined): IcebergSchema {
  const wanted = id ?? metadata['current-schema-id']
  const schema = metadata.schemas?.find((candidate) => candidate['schema-id'] === wanted) ?? metadata.schema
  if (schema === undefined) throw corrupt(metadata, `names no schema ${wanted}`)
  return schema
}

/**
 * A partition spec by its id. Metadata of format version 1 may hold a single one without an id, which is spec 0
 * (Iceberg spec, "Table Metadata Fields").
 * @throws SluiceError TABLE_CORRUPT when there is none with this id
 */
export function specOf(metadata: IcebergMetadata, id: number): PartitionSpec {
  const spec = metadata['partition-specs']?.find((candidate) => candidate['spec-id'] === id)
  if (spec !== undefined) return spec
  if (metadata['partition-spec'] !== undefined) return { 'spec-id': 0, fields: metadata['partition-spec'] }
  throw corrupt(metadata, `names no partition spec ${id}`)
}

/**
 * The partition spec that new files are written by.
 * @throws SluiceError TABLE_CORRUPT when the metadata does not hold it
 */
export function defaultSpec(metadata: IcebergMetadata): PartitionSpec {
  return specOf(metadata, metadata['default-spec-id'] ?? 0)
}

/** The snapshot that `main` stands for, or null before the first one. */
export function currentSnapshot(metadata: IcebergMetadata): IcebergSnapshotEntry | null {
  const id = metadata.refs?.main?.['snapshot-id'] ?? metadata['current-snapshot-id'] ?? -1
  if (BigInt(id) === -1n) return null
  const snapshot = metadata.snapshots?.find((candidate) => sameId(candidate['snapshot-id'], id))
  if (snapshot === undefined) throw corrupt(metadata, `lacks its current snapshot ${id}`)
  return snapshot
}

/** Whether two ids are the same snapshot's; one may be a number and the other a bigint, which `===` tells apart. */
export function sameId(a: SnapshotId, b: SnapshotId): boolean {
  return BigInt(a) === BigInt(b)
}

function corrupt(metadata: IcebergMetadata, sentence: string): SluiceError {
  return new SluiceError('TABLE_CORRUPT', `The metadata of the Iceberg table at ${metadata.location} ${sentence}.`)
}

function isMetadata(value: unknown): value is IcebergMetadata {
  if (typeof value !== 'object' || value === null) return false
  const { location, ...rest } = value as Record<string, unknown>
  return (
    typeof location === 'string' &&
    typeof rest['format-version'] === 'number' &&
    typeof rest['last-column-id'] === 'number' &&
    (Array.isArray(rest.schemas) || typeof rest.schema === 'object')
  )
}
