import { randomUUID } from 'node:crypto'
import { SluiceError } from '../../../errors.js'
import type { JsonObject } from '../../../json.js'
import type { TableField } from '../schema.js'
import type { IcebergFile } from './iceberg-file.js'
import {
  ADDED,
  DELETED,
  EXISTING,
  type ManifestContent,
  type ManifestEntry,
  type ManifestFile,
  manifestFile,
  writeManifest,
} from './manifests.js'
import { currentSchema, type IcebergMetadata, type PartitionSpec, specOf } from './metadata.js'
import type { IcebergSnapshot } from './snapshot.js'

/** So many manifests of data are merged into one, as Iceberg's own writers do (commit.manifest.min-count-to-merge). */
const MERGE_MANIFESTS = 100

export interface NewSnapshot {
  id: bigint
  sequenceNumber: bigint
  /** key of the table in the store */
  root: string
}

/** The manifests of a new snapshot: those that stay as they are, and those that have to be written. */
export interface ManifestPlan {
  kept: ManifestFile[]
  written: ManifestContent[]
}

/** Works out which manifests the change of a snapshot needs: only those with removed files are written anew. */
export function planManifests(
  before: IcebergSnapshot | null,
  change: { added: IcebergFile[]; removed: IcebergFile[] },
  next: { snapshot: NewSnapshot; metadata: IcebergMetadata; fields: TableField[]; spec: PartitionSpec },
): ManifestPlan {
  const { snapshot, metadata, fields } = next
  const removed = new Set(change.removed.map((file) => file.path))
  const schema = currentSchema(metadata) as unknown as JsonObject
  const plan: ManifestPlan = { kept: [], written: [] }
  const merging = (before?.manifests.filter(({ file }) => file.content === 0).length ?? 0) >= MERGE_MANIFESTS
  const merged = new Map<number, ManifestEntry[]>()
  for (const { file, entries } of before?.manifests ?? []) {
    const touched = file.content === 0 && entries.some(({ data_file }) => removed.has(data_file.file_path))
    if (!touched && (!merging || file.content !== 0)) {
      if (entries.length > 0) plan.kept.push(file)
      continue
    }
    const rewritten = entries.map((entry) => {
      const gone = removed.has(entry.data_file.file_path)
      return gone ? { ...entry, status: DELETED, snapshot_id: snapshot.id } : { ...entry, status: EXISTING }
    })
    if (merging) merged.set(file.partition_spec_id, [...(merged.get(file.partition_spec_id) ?? []), ...rewritten])
    else
      plan.written.push({
        spec: specOf(metadata, file.partition_spec_id),
        fields,
        schema,
        content: 0,
        entries: rewritten,
      })
  }
  for (const [specId, entries] of merged) {
    plan.written.push({ spec: specOf(metadata, specId), fields, schema, content: 0, entries })
  }
  if (change.added.length > 0) {
    const entries = change.added.map((file) => addedEntry(file, snapshot, next.spec))
    plan.written.push({ spec: next.spec, fields, schema, content: 0, entries })
  }
  return plan
}

/** What is put into the store for a plan, with the lines of the manifest list. */
export function manifestObjects(
  plan: ManifestPlan,
  snapshot: NewSnapshot,
  location: (key: string) => string,
): { lines: ManifestFile[]; objects: { key: string; content: Buffer }[] } {
  const commit = randomUUID()
  const objects = plan.written.map((content, index) => {
    return { key: `${snapshot.root}/metadata/${commit}-m${index}.avro`, content: writeManifest(content) }
  })
  const lines = plan.written.map((content, index) => {
    const object = objects[index]
    if (object === undefined) throw new Error('a manifest was not written')
    return manifestFile(location(object.key), object.content.length, content, snapshot)
  })
  return { lines: [...lines, ...plan.kept], objects }
}

function addedEntry(file: IcebergFile, snapshot: NewSnapshot, spec: PartitionSpec): ManifestEntry {
  if (file.spec['spec-id'] !== spec['spec-id'])
    throw new SluiceError('COMMIT_CONFLICT', 'The partition spec has changed.')
  return {
    status: ADDED,
    snapshot_id: snapshot.id,
    sequence_number: snapshot.sequenceNumber,
    file_sequence_number: snapshot.sequenceNumber,
    data_file: file.record,
  }
}
