import { SluiceError } from '../../../errors.js'
import type { JsonObject } from '../../../json.js'
import type { TableField } from '../schema.js'
import { readAvro, writeAvro } from './avro.js'
import { avroName, MANIFEST_LIST_SCHEMA, manifestSchema } from './manifest-schemas.js'
import type { PartitionSpec } from './metadata.js'
import { partitionSummaries } from './partition-summary.js'
import type { AvroValue } from './values.js'

/** One line of a manifest list: a manifest of a snapshot. */
export interface ManifestFile {
  manifest_path: string
  manifest_length: bigint
  partition_spec_id: number
  /** 0 data, 1 deletes */
  content: number
  sequence_number: bigint
  min_sequence_number: bigint
  added_snapshot_id: bigint
  added_files_count: number
  existing_files_count: number
  deleted_files_count: number
  added_rows_count: bigint
  existing_rows_count: bigint
  deleted_rows_count: bigint
  partitions: unknown[] | null
  key_metadata: Uint8Array | null
}

export const EXISTING = 0
export const ADDED = 1
export const DELETED = 2

/** One line of a manifest: a file that was added to the table, is still there, or was removed. */
export interface ManifestEntry {
  status: number
  snapshot_id: bigint
  sequence_number: bigint
  file_sequence_number: bigint | null
  data_file: FileRecord
}

export interface FileRecord {
  /** 0 data, 1 position deletes, 2 equality deletes */
  content: number
  file_path: string
  file_format: string
  /** by partition field, in the order of the spec */
  partition: AvroValue[]
  record_count: bigint
  file_size_in_bytes: bigint
  column_sizes: { key: number; value: bigint }[] | null
  value_counts: { key: number; value: bigint }[] | null
  null_value_counts: { key: number; value: bigint }[] | null
  nan_value_counts: { key: number; value: bigint }[] | null
  lower_bounds: { key: number; value: Uint8Array }[] | null
  upper_bounds: { key: number; value: Uint8Array }[] | null
  key_metadata: Uint8Array | null
  split_offsets: bigint[] | null
  equality_ids: number[] | null
  sort_order_id: number | null
  referenced_data_file: string | null
}

/** The fields of a record whose file lacks them get these values. */
const FILE_DEFAULTS = {
  content: 0,
  column_sizes: null,
  value_counts: null,
  null_value_counts: null,
  nan_value_counts: null,
  lower_bounds: null,
  upper_bounds: null,
  key_metadata: null,
  split_offsets: null,
  equality_ids: null,
  sort_order_id: null,
  referenced_data_file: null,
}

/**
 * The manifests of a snapshot. Format version 1 lists neither content nor sequence numbers: both read as 0 (Iceberg
 * spec, Appendix E, "Version 2"), and its older writers call the counts `added_data_files_count` and so on.
 * @param name for messages
 * @throws SluiceError TABLE_CORRUPT or TABLE_UNSUPPORTED when it is no readable Avro file
 */
export function readManifestList(content: Buffer, name: string): ManifestFile[] {
  return readAvro(content, name).records.map((record) => {
    const line = record as Record<string, unknown>
    const count = (kind: string) => line[`${kind}_files_count`] ?? line[`${kind}_data_files_count`] ?? 0
    return {
      manifest_path: line.manifest_path,
      manifest_length: line.manifest_length,
      partition_spec_id: line.partition_spec_id,
      content: line.content ?? 0,
      sequence_number: line.sequence_number ?? 0n,
      min_sequence_number: line.min_sequence_number ?? 0n,
      added_snapshot_id: line.added_snapshot_id ?? 0n,
      added_files_count: count('added'),
      existing_files_count: count('existing'),
      deleted_files_count: count('deleted'),
      added_rows_count: line.added_rows_count ?? 0n,
      existing_rows_count: line.existing_rows_count ?? 0n,
      deleted_rows_count: line.deleted_rows_count ?? 0n,
      partitions: line.partitions ?? null,
      key_metadata: line.key_metadata ?? null,
    } as ManifestFile
  })
}

/**
 * A manifest list of format version 2; the snapshot's facts stand in the file's own header too, as other writers put
 * them.
 * @param facts `parentId` is null for a table's first snapshot
 */
export function writeManifestList(
  files: ManifestFile[],
  facts: { snapshotId: bigint; parentId: bigint | null; sequenceNumber: bigint },
): Buffer {
  const metadata = {
    'snapshot-id': String(facts.snapshotId),
    'parent-snapshot-id': facts.parentId === null ? 'null' : String(facts.parentId),
    'sequence-number': String(facts.sequenceNumber),
    'format-version': '2',
  }
  return writeAvro(MANIFEST_LIST_SCHEMA, metadata, files)
}

/**
 * The entries of a manifest that are not about removed files. What an entry leaves out it inherits from the manifest.
 * @throws SluiceError TABLE_CORRUPT
 */
export function readManifest(content: Buffer, file: ManifestFile, spec: PartitionSpec): ManifestEntry[] {
  const { schema, records } = readAvro(content, file.manifest_path)
  const names = partitionNames(schema, spec, file.manifest_path)
  return records.flatMap((record) => {
    const entry = record as Omit<ManifestEntry, 'data_file'> & { data_file: Record<string, unknown> }
    if (entry.status === DELETED) return []
    const { partition, ...rest } = entry.data_file
    const values = partition as Record<string, AvroValue>
    const sequence = entry.sequence_number ?? file.sequence_number
    return {
      status: EXISTING,
      snapshot_id: entry.snapshot_id ?? file.added_snapshot_id,
      sequence_number: sequence,
      file_sequence_number: entry.file_sequence_number ?? sequence,
      data_file: {
        ...FILE_DEFAULTS,
        ...rest,
        partition: names.map((name) => (name === null ? null : (values[name] ?? null))),
      } as FileRecord,
    }
  })
}

export interface ManifestContent {
  spec: PartitionSpec
  fields: TableField[]
  /** the table's schema as its metadata writes it */
  schema: JsonObject
  content: number
  entries: ManifestEntry[]
}

/**
 * A manifest of format version 2 with the header the spec requires ("Manifests"): schema, partition spec, content.
 * Partition values go in by the order of the spec, whatever their fields are called.
 */
export function writeManifest({ spec, fields, schema, content, entries }: ManifestContent): Buffer {
  const metadata = {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id'] ?? 0),
    'partition-spec': JSON.stringify(spec.fields),
    'partition-spec-id': String(spec['spec-id']),
    'format-version': '2',
    content: content === 0 ? 'data' : 'deletes',
  }
  const records = entries.map((entry) => {
    const values = spec.fields.map((field, index) => [avroName(field.name), entry.data_file.partition[index] ?? null])
    return { ...entry, data_file: { ...entry.data_file, partition: Object.fromEntries(values) } }
  })
  return writeAvro(manifestSchema(spec, fields), metadata, records)
}

/** The line for the list of a manifest that was written for this snapshot. */
export function manifestFile(
  path: string,
  length: number,
  { spec, fields, content, entries }: ManifestContent,
  snapshot: { id: bigint; sequenceNumber: bigint },
): ManifestFile {
  const of = (status: number) => entries.filter((entry) => entry.status === status)
  const rows = (status: number) => of(status).reduce((sum, { data_file }) => sum + data_file.record_count, 0n)
  const live = entries.filter(({ status }) => status !== DELETED).map(({ sequence_number }) => sequence_number)
  return {
    manifest_path: path,
    manifest_length: BigInt(length),
    partition_spec_id: spec['spec-id'],
    content,
    sequence_number: snapshot.sequenceNumber,
    min_sequence_number: least([snapshot.sequenceNumber, ...live]),
    added_snapshot_id: snapshot.id,
    added_files_count: of(ADDED).length,
    existing_files_count: of(EXISTING).length,
    deleted_files_count: of(DELETED).length,
    added_rows_count: rows(ADDED),
    existing_rows_count: rows(EXISTING),
    deleted_rows_count: rows(DELETED),
    partitions: partitionSummaries(spec, fields, entries),
    key_metadata: null,
  }
}

/** The names that the manifest's own schema gives the fields of the spec. */
function partitionNames(schema: JsonObject, spec: PartitionSpec, path: string): (string | null)[] {
  const fieldsOf = (record: unknown) =>
    (record as { fields: { name: string; type: unknown; 'field-id'?: number }[] }).fields
  const file = fieldsOf(schema).find(({ name }) => name === 'data_file')
  const partition = file === undefined ? undefined : fieldsOf(file.type).find(({ name }) => name === 'partition')
  if (partition === undefined) throw new SluiceError('TABLE_CORRUPT', `${path} is not a manifest.`)
  const known = fieldsOf(partition.type)
  return spec.fields.map((field, index) => {
    const found = known.find((candidate) => candidate['field-id'] === field['field-id']) ?? known[index]
    return found?.name ?? null
  })
}

function least(numbers: bigint[]): bigint {
  const [first = 0n] = [...numbers].sort((a, b) => Number(a - b))
  return first
}
