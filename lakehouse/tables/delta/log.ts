import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { ObjectStore } from '../../objects/object-store.js'
import { type Action, formatEntry, parseEntry } from './actions.js'
import { lastCheckpoint, newestCheckpoint, readCheckpoint } from './checkpoint.js'
import { Replay, type Snapshot } from './snapshot.js'

const ENTRY = /^(\d{20})\.json$/
/** Log entries read at once. */
const CONCURRENT_READS = 16

/** One entry of the log: a commit. */
export interface LogEntry {
  version: number
  actions: Action[]
  /** when the object was written; commits usually say so themselves */
  writtenAt: Instant
}

/**
 * The transaction log of one table. Entries are written once and never changed, so a snapshot that was read stays true
 * for its version; `latest` only reads what came after the one it has.
 */
export class DeltaLog {
  private known: { snapshot: Snapshot; etag: string } | null = null

  /**
   * @param prefix key of the table in the store
   * @param table name for messages
   */
  constructor(
    private readonly store: ObjectStore,
    readonly prefix: string,
    readonly table: string,
  ) {}

  /** The newest version, or null when there is no table. */
  async latest(): Promise<Snapshot | null> {
    const known = await this.stillKnown()
    if (known === null) return this.load(Number.MAX_SAFE_INTEGER)
    return this.follow(known)
  }

  /** @throws SluiceError VERSION_UNKNOWN when the version never was, or its log entries are gone */
  async at(version: number): Promise<Snapshot> {
    if (this.known?.snapshot.version === version) return this.known.snapshot
    const snapshot = await this.load(version)
    if (snapshot === null || snapshot.version !== version) {
      throw new SluiceError('VERSION_UNKNOWN', `Table ${this.table} has no version ${version}.`)
    }
    return snapshot
  }

  /** null when the table has no such version, or its entry was cleaned away by another engine */
  async entry(version: number): Promise<LogEntry | null> {
    const found = await this.store.readWithInfo(this.entryKey(version))
    if (found === null) return null
    const actions = parseEntry(found.content, this.entryName(version))
    return { version, actions, writtenAt: found.info.modifiedAt }
  }

  /**
   * Tries to make these actions the given version. The entry appears whole or not at all.
   * @returns `exists` when another writer (or an earlier try of ours) has that version
   */
  async tryCommit(version: number, actions: Action[]): Promise<'created' | 'exists'> {
    return this.store.putIfAbsent(this.entryKey(version), formatEntry(actions))
  }

  entryKey(version: number): string {
    return `${this.prefix}/_delta_log/${entryVersion(version)}.json`
  }

  /** Trusts the cache only while its last entry is the same object: a table may have been dropped and made anew. */
  private async stillKnown(): Promise<Snapshot | null> {
    if (this.known === null) return null
    const info = await this.store.stat(this.entryKey(this.known.snapshot.version))
    return info?.etag === this.known.etag ? this.known.snapshot : null
  }

  private async follow(snapshot: Snapshot): Promise<Snapshot> {
    let next = await this.entry(snapshot.version + 1)
    if (next === null) return snapshot
    const replay = new Replay(this.table, snapshot)
    let version = snapshot.version
    while (next !== null) {
      replay.apply(next.version, next.actions, next.writtenAt)
      version = next.version
      next = await this.entry(version + 1)
    }
    return this.remember(replay.snapshot())
  }

  private async load(maxVersion: number): Promise<Snapshot | null> {
    const folder = `${this.prefix}/_delta_log`
    const names = await this.names(folder, maxVersion)
    const checkpoint = newestCheckpoint(names, maxVersion)
    const first = checkpoint === null ? 0 : checkpoint.version + 1
    const versions = names
      .map((name) => ENTRY.exec(name))
      .flatMap((match) => (match === null ? [] : [Number(match[1])]))
      .filter((version) => version >= first && version <= maxVersion)
    if (checkpoint === null && versions.length === 0) return null
    this.assertContiguous(versions, first)
    const replay = new Replay(this.table)
    if (checkpoint !== null) {
      const entry = await this.entry(checkpoint.version)
      replay.apply(checkpoint.version, await readCheckpoint(this.store, folder, checkpoint), entry?.writtenAt ?? 0)
      const info = entry?.actions.filter((action) => 'commitInfo' in action) ?? []
      replay.apply(checkpoint.version, info, entry?.writtenAt ?? 0)
    }
    for await (const entry of this.entries(versions)) replay.apply(entry.version, entry.actions, entry.writtenAt)
    const snapshot = replay.snapshot()
    return maxVersion === Number.MAX_SAFE_INTEGER ? this.remember(snapshot) : snapshot
  }

  /**
   * Names of the log, at least those from the last checkpoint on: a log of years has more names than anyone wants to list.
   * What `_last_checkpoint` says is a hint and may be wrong.
   */
  private async names(folder: string, maxVersion: number): Promise<string[]> {
    const hint = await lastCheckpoint(this.store, folder)
    if (hint !== null && hint <= maxVersion) {
      const names = await this.store.list(folder, { after: entryVersion(hint) })
      if (newestCheckpoint(names, maxVersion) !== null) return names
    }
    return this.store.list(folder)
  }

  private async *entries(versions: number[]): AsyncGenerator<LogEntry> {
    for (let start = 0; start < versions.length; start += CONCURRENT_READS) {
      const batch = versions.slice(start, start + CONCURRENT_READS)
      for (const [index, entry] of (await Promise.all(batch.map((version) => this.entry(version)))).entries()) {
        if (entry === null) throw this.gap(batch[index] ?? 0)
        yield entry
      }
    }
  }

  private async remember(snapshot: Snapshot): Promise<Snapshot> {
    const info = await this.store.stat(this.entryKey(snapshot.version))
    // Without its last entry (cleaned away, only the checkpoint is left) nothing proves later that the table is the same.
    this.known = info === null ? null : { snapshot, etag: info.etag }
    return snapshot
  }

  private assertContiguous(versions: number[], first: number): void {
    const hole = versions.findIndex((version, index) => version !== first + index)
    if (hole !== -1) throw this.gap(first + hole)
  }

  private gap(version: number): SluiceError {
    const message = `The log of table ${this.table} lacks version ${version} (${this.entryName(version)}).`
    return new SluiceError('TABLE_CORRUPT', message, { retryable: false })
  }

  private entryName(version: number): string {
    return `${entryVersion(version)}.json`
  }
}

/** Versions in names are 20 digits long, so that they sort. */
export function entryVersion(version: number): string {
  return String(version).padStart(20, '0')
}
