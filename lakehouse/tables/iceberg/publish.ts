import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '../../../errors.js'
import { crashPoints } from '../../crash-points.js'
import { eachBounded } from '../../objects/concurrency.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { Author } from '../table.js'
import { commitTime, newSnapshotId, schemaIdOf, withSnapshot } from './commit-metadata.js'
import type { IcebergLog } from './iceberg-log.js'
import { type ManifestFile, writeManifestList } from './manifests.js'
import { formatMetadata, type IcebergMetadata, type IcebergSnapshotEntry, sameId } from './metadata.js'
import type { IcebergSnapshot } from './snapshot.js'
import { snapshotWithToken } from './versions.js'

/** What a commit makes of the table, worked out against one snapshot of it. */
export interface PreparedCommit {
  /** with the layout of the commit, still without its snapshot */
  metadata: IcebergMetadata
  lines: ManifestFile[]
  /** manifests that are written before */
  objects: { key: string; content: Buffer }[]
  summary: Record<string, string>
}

export interface CommitIdentity {
  id: bigint
  sequenceNumber: bigint
  parent: bigint | null
}

export type PublishResult =
  | { outcome: 'published' | 'already_published'; snapshot: IcebergSnapshot; entry: IcebergSnapshotEntry }
  | { outcome: 'stale' }

/** Tries before a commit gives up against other writers. */
const MAX_TRIES = 100
const MAX_PAUSE_MS = 500
const CONCURRENT_WRITES = 8

/**
 * Publishes one snapshot: work it out against the newest one, write its metadata, and put that in the place of the
 * current one in the catalog; start over when another writer was first. Everything of a try that lost is deleted.
 */
export async function publish(
  log: IcebergLog,
  store: ObjectStore,
  root: string,
  author: Author,
  prepare: (before: IcebergSnapshot | null, identity: CommitIdentity) => Promise<PreparedCommit | 'stale'>,
): Promise<PublishResult> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (tries > 0) await pause(Math.random() * Math.min(MAX_PAUSE_MS, 8 * 2 ** tries))
    author.signal?.throwIfAborted()
    const before = await log.latest()
    const earlier = before === null || author.token === null ? null : snapshotWithToken(before.metadata, author.token)
    if (before !== null && earlier !== null) return { outcome: 'already_published', snapshot: before, entry: earlier }
    const identity = identityAfter(before)
    const prepared = await prepare(before, identity)
    if (prepared === 'stale') return { outcome: 'stale' }
    const files = commitObjects(log, root, author, { before, identity, prepared })
    author.signal?.throwIfAborted()
    await eachBounded(files.objects, CONCURRENT_WRITES, async ({ key, content }) => {
      await store.putIfAbsent(key, content)
    })
    crashPoints.reached('before_publish')
    const change = { expected: before?.metadataLocation ?? null, next: log.locations.location(files.metadataKey) }
    const swapped = await log.catalog.swap(log.name, change, async (location) => {
      const { snapshots = [] } = await log.metadataAt(location)
      return snapshots.some((snapshot) => sameId(snapshot['snapshot-id'], identity.id))
    })
    if (swapped) {
      crashPoints.reached('published')
      const snapshot = await log.latest()
      if (snapshot === null) throw new SluiceError('TABLE_UNKNOWN', `Table ${log.table} was dropped after the commit.`)
      return { outcome: 'published', snapshot, entry: files.entry }
    }
    await store.delete(files.objects.map(({ key }) => key))
  }
  throw new SluiceError('COMMIT_CONFLICT', `${MAX_TRIES} tries to commit to table ${log.table} lost to other writers.`)
}

function identityAfter(before: IcebergSnapshot | null): CommitIdentity {
  return {
    id: newSnapshotId(before?.metadata ?? null),
    sequenceNumber: BigInt((before?.metadata['last-sequence-number'] ?? 0) + 1),
    parent: before === null || before.entry === null ? null : BigInt(before.entry['snapshot-id']),
  }
}

/** All that one try writes, the metadata last. */
function commitObjects(
  log: IcebergLog,
  root: string,
  author: Author,
  {
    before,
    identity,
    prepared,
  }: { before: IcebergSnapshot | null; identity: CommitIdentity; prepared: PreparedCommit },
) {
  const { id, sequenceNumber, parent } = identity
  const listKey = `${root}/metadata/snap-${id}-1-${randomUUID()}.avro`
  const list = writeManifestList(prepared.lines, { snapshotId: id, parentId: parent, sequenceNumber })
  const entry: IcebergSnapshotEntry = {
    'sequence-number': Number(sequenceNumber),
    'snapshot-id': id,
    ...(parent === null ? {} : { 'parent-snapshot-id': parent }),
    'timestamp-ms': commitTime(prepared.metadata, author.now()),
    summary: prepared.summary,
    'manifest-list': log.locations.location(listKey),
    'schema-id': schemaIdOf(prepared.metadata),
  }
  const metadata = withSnapshot(prepared.metadata, entry, before?.metadataLocation ?? null)
  const metadataKey = `${root}/metadata/${nextNumber(before)}-${randomUUID()}.metadata.json`
  const objects = [
    ...prepared.objects,
    { key: listKey, content: list },
    { key: metadataKey, content: formatMetadata(metadata) },
  ]
  return { entry, metadataKey, objects }
}

/** Metadata files are numbered for people; nothing depends on the number. */
function nextNumber(before: IcebergSnapshot | null): string {
  const last = /\/(\d+)-[^/]*$/.exec(before?.metadataLocation ?? '')?.[1]
  return String(last === undefined ? 0 : Number(last) + 1).padStart(5, '0')
}
