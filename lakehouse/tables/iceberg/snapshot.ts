import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { TableField } from '../schema.js'
import type { DeleteFile, TableSnapshot } from '../table.js'
import { IcebergFile } from './iceberg-file.js'
import type { Locations } from './locations.js'
import type { ManifestEntry, ManifestFile } from './manifests.js'
import {
  defaultSpec,
  type IcebergMetadata,
  type IcebergSnapshotEntry,
  type PartitionSpec,
  schemaOf,
  specOf,
} from './metadata.js'
import { labelOf, partitionTexts } from './partitions.js'
import { assertNestedNamesStable, fieldsOf } from './schema.js'
import { lastNumberOf, versionOf } from './versions.js'

/** A manifest of a snapshot with the files that are live in it. */
export interface LoadedManifest {
  file: ManifestFile
  entries: ManifestEntry[]
}

/** An Iceberg table as one of its snapshots shows it, under the metadata it was found in. */
export class IcebergSnapshot implements TableSnapshot {
  readonly files: ReadonlyMap<string, IcebergFile>
  readonly fields: TableField[]
  /** columns of all schemas that the table ever had, for partition specs of old */
  readonly allFields: TableField[]
  readonly partitionColumns: string[]
  readonly spec: PartitionSpec

  /**
   * @param entry null before the first snapshot
   * @throws SluiceError TABLE_UNSUPPORTED for what Sluice does not read: other file formats, deletion vectors
   */
  constructor(
    readonly metadata: IcebergMetadata,
    /** where the metadata is; what the next commit expects to find in the catalog */
    readonly metadataLocation: string,
    readonly entry: IcebergSnapshotEntry | null,
    readonly manifests: LoadedManifest[],
    locations: Locations,
    table: string,
    options: { current: boolean },
  ) {
    assertNestedNamesStable(metadata, table)
    this.fields = fieldsOf(schemaOf(metadata, options.current ? undefined : entry?.['schema-id']))
    this.allFields = allFields(metadata, this.fields)
    this.spec = defaultSpec(metadata)
    this.partitionColumns = this.spec.fields
      .filter((field) => field.transform !== 'void')
      .map((field) => labelOf(field, this.allFields))
    this.files = liveFiles(this, locations, table)
  }

  get version(): number {
    return this.entry === null ? 0 : versionOf(this.metadata, this.entry)
  }

  get lastNumber(): number {
    return lastNumberOf(this.metadata)
  }

  get committedAt(): Instant {
    return this.entry?.['timestamp-ms'] ?? this.metadata['last-updated-ms']
  }
}

function allFields(metadata: IcebergMetadata, current: TableField[]): TableField[] {
  const known = new Map(current.map((field) => [field.id, field]))
  const names = new Set(current.map(({ name }) => name))
  for (const schema of [...(metadata.schemas ?? [])].reverse()) {
    // a type of an old schema that Sluice does not know matters only where something is read by it
    for (const field of fieldsOf({ ...schema, fields: schema.fields.filter(({ type }) => typeof type === 'string') })) {
      if (known.has(field.id)) continue
      // a dropped column is another one than what has its name now
      const name = names.has(field.name) ? `${field.name} #${field.id}` : field.name
      names.add(name)
      known.set(field.id, { ...field, name })
    }
  }
  return [...known.values()]
}

/** A file as a manifest lists it, with its place among the partitions. */
interface Placed {
  entry: ManifestEntry
  spec: PartitionSpec
  /** one text per partition of the spec */
  partition: string
}

interface KnownDelete extends Placed {
  file: DeleteFile
}

function liveFiles(snapshot: IcebergSnapshot, locations: Locations, table: string): Map<string, IcebergFile> {
  const { metadata, manifests, fields, allFields } = snapshot
  const deletes = manifests
    .filter(({ file }) => file.content === 1)
    .flatMap(({ file, entries }) => {
      const spec = specOf(metadata, file.partition_spec_id)
      return entries.map((entry): KnownDelete => {
        assertParquet(entry, table)
        return { ...placed(entry, spec, allFields), file: deleteFile(entry, locations, allFields, table) }
      })
    })
  const files = new Map<string, IcebergFile>()
  for (const { file, entries } of manifests) {
    if (file.content !== 0) continue
    const spec = specOf(metadata, file.partition_spec_id)
    for (const entry of entries) {
      assertParquet(entry, table)
      const applying = deletes.length === 0 ? [] : deletesOf(placed(entry, spec, allFields), deletes)
      const { data_file: record } = entry
      const key = locations.key(record.file_path)
      files.set(
        record.file_path,
        new IcebergFile(record, entry, spec, key, applying, spec.fields.length > 0 ? allFields : fields),
      )
    }
  }
  return files
}

function deletesOf(data: Placed, deletes: KnownDelete[]): DeleteFile[] {
  return deletes.filter((one) => applies(one, data)).map(({ file }) => file)
}

/** By the specification, "Scan Planning": by order, partition, and for positions by path. */
function applies({ entry, spec, partition }: KnownDelete, { entry: data, ...place }: Placed): boolean {
  const { data_file: record } = entry
  const equality = record.content === 2
  if (equality ? entry.sequence_number <= data.sequence_number : entry.sequence_number < data.sequence_number)
    return false
  const samePartition = spec['spec-id'] === place.spec['spec-id'] && partition === place.partition
  if (equality) return samePartition || spec.fields.length === 0
  if (!samePartition) return false
  if (record.referenced_data_file !== null) return record.referenced_data_file === data.data_file.file_path
  return mayNamePath(record, data.data_file.file_path)
}

const PATH_ID = 2147483546

/** Equal bounds name one path; they may be cut short. */
function mayNamePath(record: ManifestEntry['data_file'], path: string): boolean {
  const bound = (bounds: ManifestEntry['data_file']['lower_bounds']) => {
    const found = bounds?.find(({ key }) => key === PATH_ID)?.value
    return found === undefined ? null : Buffer.from(found).toString('utf8')
  }
  const [lower, upper] = [bound(record.lower_bounds), bound(record.upper_bounds)]
  return lower === null || lower !== upper || path.startsWith(lower)
}

function placed(entry: ManifestEntry, spec: PartitionSpec, fields: TableField[]): Placed {
  return { entry, spec, partition: JSON.stringify(partitionTexts(entry.data_file.partition, spec, fields)) }
}

function deleteFile(
  { data_file: record }: ManifestEntry,
  locations: Locations,
  fields: TableField[],
  table: string,
): DeleteFile {
  const common = { key: locations.key(record.file_path), size: Number(record.file_size_in_bytes) }
  if (record.content === 1) return { ...common, equality: null }
  const equality = (record.equality_ids ?? []).map((id) => {
    const field = fields.find((candidate) => candidate.id === id)
    if (field !== undefined) return field
    throw unsupported(table, `deletes rows by a nested column (field ${id}), which Sluice cannot read`)
  })
  if (equality.length === 0) throw unsupported(table, 'deletes rows by equality of no column, which Sluice cannot read')
  return { ...common, equality }
}

function assertParquet({ data_file: { file_format, file_path, key_metadata } }: ManifestEntry, table: string): void {
  if (key_metadata !== null) throw unsupported(table, `has the encrypted file ${file_path}, which Sluice cannot read`)
  if (file_format.toUpperCase() === 'PARQUET') return
  const what = file_format.toUpperCase() === 'PUFFIN' ? 'deletion vectors' : `files of format ${file_format}`
  throw unsupported(table, `has ${what} (${file_path}); Sluice reads Parquet`)
}

function unsupported(table: string, sentence: string): SluiceError {
  return new SluiceError('TABLE_UNSUPPORTED', `Table ${table} ${sentence}.`, { retryable: false })
}
