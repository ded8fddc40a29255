import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Action, AddFile, Metadata, Protocol, RemoveFile, Transaction } from './actions.js'
import { assertReadable } from './protocol.js'
import { type DeltaField, parseSchema } from './schema.js'

/** The content of a table at one version. Never changes, so readers keep theirs while writers go on. */
export interface Snapshot {
  version: number
  committedAt: Instant
  protocol: Protocol
  metadata: Metadata
  fields: DeltaField[]
  /** live files by path */
  files: ReadonlyMap<string, AddFile>
  /** files of older versions, by path */
  removed: ReadonlyMap<string, RemoveFile>
  /** by application id; ours are commit tokens */
  transactions: ReadonlyMap<string, Transaction>
}

/** Replays actions in the order of the log; the newest word on a path, an application or the metadata counts. */
export class Replay {
  private readonly files: Map<string, AddFile>
  private readonly removed: Map<string, RemoveFile>
  private readonly transactions: Map<string, Transaction>
  private protocol: Protocol | null
  private metadata: Metadata | null
  private version: number
  private committedAt: Instant

  constructor(
    private readonly table: string,
    base: Snapshot | null = null,
  ) {
    this.files = new Map(base?.files)
    this.removed = new Map(base?.removed)
    this.transactions = new Map(base?.transactions)
    this.protocol = base?.protocol ?? null
    this.metadata = base?.metadata ?? null
    this.version = base?.version ?? -1
    this.committedAt = base?.committedAt ?? 0
  }

  /** @param writtenAt used when the commit itself does not say when it happened */
  apply(version: number, actions: Iterable<Action>, writtenAt: Instant): void {
    this.version = version
    this.committedAt = writtenAt
    for (const action of actions) this.applyAction(action)
  }

  snapshot(): Snapshot {
    const { protocol, metadata } = this
    if (protocol === null || metadata === null) {
      throw new SluiceError('TABLE_CORRUPT', `The log of table ${this.table} names no protocol or no schema.`)
    }
    assertReadable(protocol, metadata, this.table)
    return {
      version: this.version,
      committedAt: this.committedAt,
      protocol,
      metadata,
      fields: parseSchema(metadata.schemaString),
      files: this.files,
      removed: this.removed,
      transactions: this.transactions,
    }
  }

  private applyAction(action: Action): void {
    if ('add' in action) {
      this.files.set(action.add.path, action.add)
      this.removed.delete(action.add.path)
    } else if ('remove' in action) {
      this.files.delete(action.remove.path)
      this.removed.set(action.remove.path, action.remove)
    } else if ('txn' in action) {
      this.transactions.set(action.txn.appId, action.txn)
    } else if ('protocol' in action) {
      this.protocol = action.protocol
    } else if ('metaData' in action) {
      this.metadata = action.metaData
    } else if ('commitInfo' in action) {
      const { timestamp } = action.commitInfo
      if (typeof timestamp === 'number') this.committedAt = timestamp
    }
  }
}
