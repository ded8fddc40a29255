import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Commit, TableVersion, WriteMode } from '../../lakehouse.js'
import type { TableName } from '../../names.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { ColumnType, TableField } from '../schema.js'
import type {
  Author,
  DataFile,
  FileLayout,
  KnownCommit,
  OpenTable,
  Published,
  StagedFile,
  TableChange,
  TableLayout,
  TableSnapshot,
} from '../table.js'
import type { RemoveFile } from './actions.js'
import { changeOf } from './change.js'
import { CHECKPOINT_INTERVAL, writeCheckpoint } from './checkpoint-writer.js'
import { countRows } from './data-files.js'
import { DeltaFile, ownFile } from './delta-file.js'
import { history } from './history.js'
import { DeltaLog } from './log.js'
import { partitionValue } from './partition-values.js'
import { fileKey, logPath } from './paths.js'
import { assertWritable } from './protocol.js'
import { publish, publishedCommit } from './publish.js'
import { rollback } from './rollback.js'
import type { Snapshot } from './snapshot.js'
import { formatStats } from './stats.js'

/** What all formats say of a snapshot, and the snapshot itself. */
class DeltaSnapshot implements TableSnapshot {
  readonly files: ReadonlyMap<string, DeltaFile>

  constructor(
    readonly own: Snapshot,
    prefix: string,
    table: string,
  ) {
    this.files = new Map(Array.from(own.files, ([path, add]) => [path, new DeltaFile(add, prefix, table)]))
  }

  get version(): number {
    return this.own.version
  }

  get lastNumber(): number {
    return this.own.version
  }

  get committedAt(): Instant {
    return this.own.committedAt
  }

  get fields(): TableField[] {
    return this.own.fields
  }

  get partitionColumns(): string[] {
    return this.own.metadata.partitionColumns
  }
}

/** A Delta table in a catalog's store. */
export class DeltaTable implements OpenTable {
  readonly format = 'delta'
  /** as transactions, which checkpoints carry on */
  readonly keepsTokens = true
  readonly log: DeltaLog
  private readonly seen = new WeakMap<Snapshot, DeltaSnapshot>()

  constructor(
    readonly label: string,
    readonly name: TableName,
    readonly store: ObjectStore,
  ) {
    this.log = new DeltaLog(store, `${name.schema}/${name.name}`, label)
  }

  async location(): Promise<string> {
    return this.store.location(this.log.prefix)
  }

  async root(): Promise<string> {
    return this.log.prefix
  }

  async stagingRoot(): Promise<string> {
    return this.log.prefix
  }

  async latest(): Promise<TableSnapshot | null> {
    const snapshot = await this.log.latest()
    return snapshot === null ? null : this.shown(snapshot)
  }

  async at(version: number): Promise<TableSnapshot> {
    return this.shown(await this.log.at(version))
  }

  async history(options: { limit: number; before?: number }): Promise<TableVersion[]> {
    const snapshot = await this.log.latest()
    return snapshot === null ? [] : history(this.log, snapshot.version, options)
  }

  /** Entries go from the oldest on. */
  async remembersSince(version: number): Promise<boolean> {
    if ((await this.store.stat(this.log.entryKey(version + 1))) !== null) return true
    const newest = await this.log.latest()
    return newest === null || newest.version <= version
  }

  async publishedCommit(snapshot: TableSnapshot, token: string): Promise<KnownCommit | null> {
    return publishedCommit(this.log, ownSnapshot(snapshot), token)
  }

  async publish(
    author: Author,
    prepare: (snapshot: TableSnapshot | null) => Promise<TableChange | 'stale'>,
  ): Promise<Published | { outcome: 'stale' }> {
    const result = await publish(this.log, author, async (current) => {
      const change = await prepare(current === null ? null : this.shown(current))
      return change === 'stale' ? change : changeOf(change, current, author.now())
    })
    return result.outcome === 'stale' ? result : { ...result, snapshot: this.shown(result.snapshot) }
  }

  async rollback(version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit> {
    return rollback(this, version, info)
  }

  assertWritable(snapshot: TableSnapshot, mode: WriteMode): void {
    const { protocol, metadata } = ownSnapshot(snapshot)
    assertWritable(protocol, metadata, this.label, mode !== 'append')
  }

  columnType(type: ColumnType): ColumnType | null {
    if (type === 'uuid') return 'string'
    return type === 'time' ? null : type
  }

  adopt(fields: TableField[]): TableField[] {
    return fields
  }

  fileLayout(layout: TableLayout): FileLayout {
    const partitions = layout.partitionColumns.map((column) => ({ column, transform: 'identity' as const, width: 0 }))
    return { partitions, selfContained: false }
  }

  stagedFile(file: StagedFile, layout: TableLayout, now: Instant): DeltaFile {
    const stored = layout.fields.filter((field) => !layout.partitionColumns.includes(field.name))
    const add = {
      path: logPath(file.key.slice(this.log.prefix.length + 1)),
      partitionValues: this.partitionValues(file, layout),
      size: file.size,
      modificationTime: now,
      dataChange: true,
      stats: formatStats(file.rows, stored, file.columns),
    }
    return new DeltaFile(add, this.log.prefix, this.label)
  }

  async countRows(file: DataFile): Promise<number> {
    return countRows(this, [ownFile(file)])
  }

  /** A crash after the commit leaves a marker beside files that are live: what any known version names is never deleted. */
  async namesFilesIn(shown: TableSnapshot, folder: string, token: string): Promise<boolean> {
    const snapshot = ownSnapshot(shown)
    const inFolder = ({ path }: Pick<RemoveFile, 'path'>) =>
      `${this.log.prefix}/${fileKey(path, this.label)}`.startsWith(folder)
    for (const file of snapshot.files.values()) if (inFolder(file)) return true
    for (const file of snapshot.removed.values()) if (inFolder(file)) return true
    const transaction = snapshot.transactions.get(token)
    const entry = transaction === undefined ? null : await this.log.entry(transaction.version)
    return entry?.actions.some((action) => 'add' in action && inFolder(action.add)) ?? false
  }

  async maintain(snapshot: TableSnapshot, now: Instant): Promise<void> {
    if (snapshot.version % CHECKPOINT_INTERVAL !== 0) return
    await writeCheckpoint(this.store, this.log.prefix, ownSnapshot(snapshot), now)
  }

  private partitionValues(file: StagedFile, { fields, partitionColumns }: TableLayout): Record<string, string | null> {
    return Object.fromEntries(
      partitionColumns.map((column, index) => {
        const type = fields.find((field) => field.name === column)?.type ?? 'string'
        const value = file.partition[index] ?? null
        if (value === '') {
          const message = `Column ${column} of ${this.label} holds an empty text; as a partition value Delta cannot tell it from NULL.`
          throw new SluiceError('SCHEMA_MISMATCH', message, { hint: `Write nullif(${column}, '') or another value.` })
        }
        return [column, value === null ? null : partitionValue(value, type)]
      }),
    )
  }

  private shown(snapshot: Snapshot): DeltaSnapshot {
    const shown = this.seen.get(snapshot) ?? new DeltaSnapshot(snapshot, this.log.prefix, this.label)
    this.seen.set(snapshot, shown)
    return shown
  }
}

function ownSnapshot(snapshot: TableSnapshot): Snapshot {
  if (!(snapshot instanceof DeltaSnapshot)) throw new Error('a snapshot of another format was given to a Delta table')
  return snapshot.own
}
