import type { Json } from '../../../json.js'
import type { Commit, TableVersion } from '../../lakehouse.js'
import type { KnownCommit } from '../table.js'
import { type IcebergMetadata, type IcebergSnapshotEntry, sameId } from './metadata.js'

/**
 * The version of a snapshot: its sequence number. Tables of format version 1 have none; there it is the snapshot's place
 * among those the table remembers.
 */
export function versionOf(metadata: IcebergMetadata, snapshot: IcebergSnapshotEntry): number {
  if (metadata['format-version'] > 1 && snapshot['sequence-number'] !== undefined) return snapshot['sequence-number']
  const snapshots = metadata.snapshots ?? []
  return snapshots.findIndex((one) => sameId(one['snapshot-id'], snapshot['snapshot-id'])) + 1
}

/** The snapshots that `main` has ever stood for and the table still remembers, newest first. */
export function mainSnapshots(metadata: IcebergMetadata): IcebergSnapshotEntry[] {
  const log = new Set((metadata['snapshot-log'] ?? []).map((entry) => BigInt(entry['snapshot-id'])))
  return (metadata.snapshots ?? [])
    .filter((snapshot) => log.has(BigInt(snapshot['snapshot-id'])))
    .sort((a, b) => versionOf(metadata, b) - versionOf(metadata, a))
}

/**
 * A snapshot as one line of the table's history. Where another program committed, run, task and token are null and the
 * counts are what the snapshot's summary gives, updated and removed rows null.
 */
export function describeSnapshot(metadata: IcebergMetadata, snapshot: IcebergSnapshotEntry): TableVersion {
  const summary = snapshot.summary ?? {}
  const number = (key: string) => (summary[key] === undefined ? null : Number(summary[key]))
  const ours = summary['sluice.operation'] !== undefined
  return {
    version: versionOf(metadata, snapshot),
    committedAt: snapshot['timestamp-ms'],
    operation: summary['sluice.operation'] ?? summary.operation ?? 'unknown',
    rowsAdded: ours ? number('sluice.rows-added') : (number('added-records') ?? 0),
    rowsUpdated: ours ? number('sluice.rows-updated') : null,
    rowsRemoved: ours ? number('sluice.rows-removed') : null,
    ...(summary.trino_query_id === undefined ? {} : { query: summary.trino_query_id }),
    run: summary['sluice.run'] ?? null,
    task: summary['sluice.task'] ?? null,
    attempt: number('sluice.attempt'),
    user: summary['sluice.user'] ?? null,
    reason: summary['sluice.reason'] ?? '',
    token: summary['sluice.token'] ?? null,
  }
}

/** What a commit of ours said of itself, from its summary. */
export function commitOf(table: string, metadata: IcebergMetadata, snapshot: IcebergSnapshotEntry): Commit {
  const summary = snapshot.summary ?? {}
  const number = (key: string) => Number(summary[key] ?? 0)
  return {
    table,
    versionBefore: summary['sluice.version-before'] === undefined ? null : number('sluice.version-before'),
    version: versionOf(metadata, snapshot),
    operation: summary['sluice.operation'] ?? 'write',
    rowsAdded: number('sluice.rows-added'),
    rowsUpdated: number('sluice.rows-updated'),
    rowsRemoved: number('sluice.rows-removed'),
    rowsTotal: summary['sluice.rows-total'] === undefined ? null : number('sluice.rows-total'),
    bytes: number('added-files-size'),
    committedAt: snapshot['timestamp-ms'],
  }
}

/** The same with what the commit keeps of checks and reads. */
export function knownCommitOf(table: string, metadata: IcebergMetadata, snapshot: IcebergSnapshotEntry): KnownCommit {
  return { commit: commitOf(table, metadata, snapshot), findings: parsed(snapshot.summary?.['sluice.findings']) }
}

/** null for what is no JSON: another program may have written it. */
function parsed(text: string | undefined): Json {
  try {
    return JSON.parse(text ?? 'null') as Json
  } catch {
    return null
  }
}

/** The commit that carried a token: a snapshot of any branch, live or rolled back. */
export function snapshotWithToken(metadata: IcebergMetadata, token: string): IcebergSnapshotEntry | null {
  return metadata.snapshots?.find((snapshot) => snapshot.summary?.['sluice.token'] === token) ?? null
}

/** The sequence number that was given last (Iceberg spec, "Sequence Numbers"); 0 where none was, as in format version 1. */
export function lastNumberOf(metadata: IcebergMetadata): number {
  return metadata['last-sequence-number'] ?? 0
}

/**
 * Whether every snapshot is still there that was made after a sequence number, -1 for all. Each takes the next one, on whatever branch,
 * and neither expiring nor setting a table back gives any back. Tables of format version 1 number nothing, so that nobody can tell:
 * they count as complete.
 * @param number the last one given then, not the version of what `main` stood for: see `lastNumberOf`
 */
export function hasSnapshotsSince(metadata: IcebergMetadata, number: number): boolean {
  const from = Math.max(0, number)
  const there = (metadata.snapshots ?? []).filter((snapshot) => (snapshot['sequence-number'] ?? 0) > from)
  return there.length >= lastNumberOf(metadata) - from
}
