import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { JsonObject } from '../../../json.js'
import { Catalogs } from '../../../lakehouse/catalogs.js'
import {
  ADDED,
  type FileRecord,
  type ManifestContent,
  manifestFile,
  writeManifest,
  writeManifestList,
} from '../../../lakehouse/tables/iceberg/manifests.js'
import {
  currentSchema,
  formatMetadata,
  type IcebergMetadata,
  parseMetadata,
  type SnapshotId,
} from '../../../lakehouse/tables/iceberg/metadata.js'
import { specFor } from '../../../lakehouse/tables/iceberg/partitions.js'
import { IcebergSnapshot } from '../../../lakehouse/tables/iceberg/snapshot.js'
import type { IcebergLake } from './iceberg-lake.js'

/** The newest snapshot of a table with all that the format knows of it. */
export async function newestSnapshot(lake: IcebergLake, table: string): Promise<IcebergSnapshot> {
  const snapshot = await (await Catalogs.open(lake.config)).table(table).latest()
  if (!(snapshot instanceof IcebergSnapshot)) throw new Error(`there is no table ${table}`)
  return snapshot
}

interface ForeignCommit {
  /** 0 data files, 1 files of deletes */
  content: 0 | 1
  files: FileRecord[]
  /** of the table from then on; the same as before by default */
  partitionBy?: string[]
  properties?: Record<string, string>
}

/** Commits files that no engine of ours writes, in one manifest of a snapshot of its own. */
export async function commitFiles(
  lake: IcebergLake,
  table: string,
  { content, files, partitionBy, properties }: ForeignCommit,
): Promise<void> {
  const target = await newestSnapshot(lake, table)
  const { metadata, metadataLocation } = target
  const spec = specFor(partitionBy ?? target.partitionColumns, target.fields, metadata)
  const number = target.version + 1
  const [id, sequenceNumber] = [BigInt(4200 + number), BigInt(number)]
  const added: ManifestContent = {
    spec,
    fields: target.fields,
    schema: currentSchema(metadata) as unknown as JsonObject,
    content,
    entries: files.map((data_file) => {
      const numbers = { sequence_number: sequenceNumber, file_sequence_number: sequenceNumber }
      return { status: ADDED, snapshot_id: id, ...numbers, data_file }
    }),
  }
  const place = `${dirname(metadataLocation)}/foreign-${number}`
  const manifest = writeManifest(added)
  writeFileSync(`${place}-m0.avro`, manifest)
  const line = manifestFile(`${place}-m0.avro`, manifest.length, added, { id, sequenceNumber })
  const lines = [...target.manifests.map((loaded) => loaded.file), line]
  writeFileSync(`${place}.avro`, writeManifestList(lines, { snapshotId: id, parentId: 1n, sequenceNumber }))
  const next = parseMetadata(readFileSync(metadataLocation), metadataLocation)
  const snapshotId: SnapshotId = Number(id)
  next.snapshots = [
    ...(next.snapshots ?? []),
    {
      'snapshot-id': snapshotId,
      'sequence-number': number,
      'timestamp-ms': next['last-updated-ms'],
      'manifest-list': `${place}.avro`,
      summary: { operation: content === 0 ? 'append' : 'delete' },
    },
  ]
  next['partition-specs'] = [
    ...(next['partition-specs'] ?? []).filter((one) => one['spec-id'] !== spec['spec-id']),
    spec,
  ]
  next['default-spec-id'] = spec['spec-id']
  next['last-sequence-number'] = number
  next['current-snapshot-id'] = snapshotId
  next.refs = { main: { 'snapshot-id': snapshotId, type: 'branch' } }
  next.properties = { ...next.properties, ...properties }
  writeFileSync(`${place}.metadata.json`, formatMetadata(next))
  await lake.pointTo(table, `${place}.metadata.json`)
}

/** What `expire_snapshots` of any engine leaves of a table's metadata: these versions are gone, and their numbers stay given. */
export async function expireSnapshots(lake: IcebergLake, table: string, versions: number[]): Promise<void> {
  const gone = new Set(versions)
  await changeMetadata(lake, table, `expired-${versions.join('-')}`, (metadata) => {
    const left = (metadata.snapshots ?? []).filter((snapshot) => !gone.has(snapshot['sequence-number'] ?? 0))
    const ids = new Set(left.map((snapshot) => BigInt(snapshot['snapshot-id'])))
    const log = (metadata['snapshot-log'] ?? []).filter((entry) => ids.has(BigInt(entry['snapshot-id'])))
    const refs = Object.entries(metadata.refs ?? {}).filter(([, ref]) => ids.has(BigInt(ref['snapshot-id'])))
    return { ...metadata, snapshots: left, 'snapshot-log': log, refs: Object.fromEntries(refs) }
  })
}

/** A table as one of format version 1 is after its upgrade: its snapshots have no sequence numbers, and none was given yet. */
export async function asIfUpgraded(lake: IcebergLake, table: string): Promise<void> {
  await changeMetadata(lake, table, 'upgraded', (metadata) => {
    const snapshots = (metadata.snapshots ?? []).map(({ 'sequence-number': _, ...snapshot }) => snapshot)
    return { ...metadata, snapshots, 'last-sequence-number': 0 }
  })
}

/** What `rollback_to_snapshot` of Trino and Spark does: `main` stands for the old snapshot itself again, and no number is given. */
export async function setBack(lake: IcebergLake, table: string, version: number): Promise<void> {
  await changeMetadata(lake, table, `back-to-${version}`, (metadata) => {
    const id = idOf(metadata, version)
    return {
      ...metadata,
      'current-snapshot-id': id,
      refs: { ...metadata.refs, main: { 'snapshot-id': id, type: 'branch' } },
      'snapshot-log': [
        ...(metadata['snapshot-log'] ?? []),
        { 'snapshot-id': id, 'timestamp-ms': metadata['last-updated-ms'] },
      ],
    }
  })
}

/** What a commit to a branch does, of no rows: it takes the next number, and `main` stays. */
export async function commitToBranch(lake: IcebergLake, table: string): Promise<void> {
  await changeMetadata(lake, table, 'branch', (metadata) => {
    const number = (metadata['last-sequence-number'] ?? 0) + 1
    const current = metadata.snapshots?.find((one) => one['snapshot-id'] === metadata['current-snapshot-id'])
    if (current === undefined) throw new Error(`${table} has no snapshot to branch from`)
    const id: SnapshotId = 4200 + number
    const snapshot = { ...current, 'snapshot-id': id, 'sequence-number': number, summary: { operation: 'append' } }
    return {
      ...metadata,
      'last-sequence-number': number,
      snapshots: [...(metadata.snapshots ?? []), snapshot],
      refs: { ...metadata.refs, audit: { 'snapshot-id': id, type: 'branch' } },
    }
  })
}

function idOf(metadata: IcebergMetadata, version: number): SnapshotId {
  const snapshot = metadata.snapshots?.find((one) => one['sequence-number'] === version)
  if (snapshot === undefined) throw new Error(`there is no snapshot ${version}`)
  return snapshot['snapshot-id']
}

async function changeMetadata(
  lake: IcebergLake,
  table: string,
  file: string,
  change: (metadata: IcebergMetadata) => IcebergMetadata,
): Promise<void> {
  const { metadata, metadataLocation } = await newestSnapshot(lake, table)
  const location = `${dirname(metadataLocation)}/${file}.metadata.json`
  writeFileSync(location, formatMetadata(change(metadata)))
  await lake.pointTo(table, location)
}
