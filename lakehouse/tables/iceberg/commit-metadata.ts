import { randomBytes, randomUUID } from 'node:crypto'
import type { Instant } from '../../../json.js'
import type { TableField } from '../schema.js'
import { currentSchema, type IcebergMetadata, type IcebergSnapshotEntry, type PartitionSpec } from './metadata.js'
import { fieldsOf, icebergFields, idsIn, sameFields } from './schema.js'

const KEPT_METADATA_FILES = 100

/** A random id of 62 bits, as Iceberg gives them; never one the table has. */
export function newSnapshotId(metadata: IcebergMetadata | null): bigint {
  const taken = new Set((metadata?.snapshots ?? []).map((snapshot) => BigInt(snapshot['snapshot-id'])))
  for (;;) {
    const id = randomBytes(8).readBigUInt64LE() >> 2n
    if (id > 0n && !taken.has(id)) return id
  }
}

/** The metadata with which a table begins; its first snapshot dates it. */
export function newMetadata(location: string): IcebergMetadata {
  return {
    'format-version': 2,
    'table-uuid': randomUUID(),
    location,
    'last-sequence-number': 0,
    'last-updated-ms': 0,
    'last-column-id': 0,
    'current-schema-id': -1,
    schemas: [],
    'default-spec-id': -1,
    'partition-specs': [],
    'last-partition-id': 999,
    'default-sort-order-id': 0,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    properties: { 'write.format.default': 'PARQUET', 'write.parquet.compression-codec': 'snappy' },
    'current-snapshot-id': -1,
    refs: {},
    snapshots: [],
    'snapshot-log': [],
    'metadata-log': [],
  }
}

/** The metadata with these columns and this partition spec as the current ones; older ones stay for older files. */
export function withLayout(metadata: IcebergMetadata, fields: TableField[], spec: PartitionSpec): IcebergMetadata {
  const schemas = metadata.schemas ?? []
  const same = schemas.filter((schema) => sameFields(fieldsOf(schema), fields))
  const current = metadata['current-schema-id']
  const standing = same.find((schema) => schema['schema-id'] === current) ?? same[0]
  const schema = standing ?? {
    type: 'struct' as const,
    'schema-id': Math.max(-1, ...schemas.map((one) => one['schema-id'] ?? 0)) + 1,
    fields: icebergFields(fields),
  }
  const specs = metadata['partition-specs'] ?? []
  const known = specs.some((one) => one['spec-id'] === spec['spec-id'])
  const fieldIds = spec.fields.map((field) => field['field-id'] ?? 0)
  return {
    ...metadata,
    schemas: standing === undefined ? [...schemas, schema] : schemas,
    'current-schema-id': schema['schema-id'] ?? 0,
    'last-column-id': Math.max(metadata['last-column-id'], ...idsIn(fields).keys()),
    'partition-specs': known ? specs : [...specs, spec],
    'default-spec-id': spec['spec-id'],
    'last-partition-id': Math.max(metadata['last-partition-id'] ?? 999, ...fieldIds),
  }
}

/**
 * Whether the columns may become the table's current ones: an id means the same column as ever, and a new id is one
 * that the table has never given.
 */
export function mayAdopt(metadata: IcebergMetadata, fields: TableField[]): boolean {
  const known = (metadata.schemas ?? []).map((schema) => idsIn(fieldsOf(schema)))
  return [...idsIn(fields)].every(([id, { path, type }]) => {
    const before = known.flatMap((ids) => ids.get(id) ?? [])
    if (before.length === 0) return id > metadata['last-column-id']
    return before.some((one) => one.path === path && one.type === type)
  })
}

/**
 * After everything that the table knows already: readers refuse a log that goes back in time, and of two snapshots of one millisecond
 * `FOR TIMESTAMP AS OF` and Iceberg's `metadata_log_entries` know the later one only.
 */
export function commitTime(metadata: IcebergMetadata, now: Instant): Instant {
  return Math.max(now, metadata['last-updated-ms'] + 1)
}

/** The metadata with one more snapshot, which `main` stands for from now on. */
export function withSnapshot(
  metadata: IcebergMetadata,
  snapshot: IcebergSnapshotEntry,
  metadataFile: string | null,
): IcebergMetadata {
  const id = snapshot['snapshot-id']
  const at = snapshot['timestamp-ms']
  const previous = { 'metadata-file': metadataFile ?? '', 'timestamp-ms': metadata['last-updated-ms'] }
  const files = metadataFile === null ? [] : [...(metadata['metadata-log'] ?? []), previous]
  const kept = Number(metadata.properties?.['write.metadata.previous-versions-max'] ?? KEPT_METADATA_FILES)
  return {
    ...metadata,
    'last-sequence-number': snapshot['sequence-number'] ?? 0,
    'last-updated-ms': at,
    'current-snapshot-id': id,
    refs: { ...metadata.refs, main: { ...metadata.refs?.main, 'snapshot-id': id, type: 'branch' } },
    snapshots: [...(metadata.snapshots ?? []), snapshot],
    'snapshot-log': [...(metadata['snapshot-log'] ?? []), { 'timestamp-ms': at, 'snapshot-id': id }],
    'metadata-log': files.slice(-Math.max(1, kept)),
  }
}

/** The id of the current schema, which each snapshot names; 0 in tables of format version 1 that number none. */
export function schemaIdOf(metadata: IcebergMetadata): number {
  return currentSchema(metadata)['schema-id'] ?? 0
}
