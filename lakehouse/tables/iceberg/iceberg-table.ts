import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Commit, TableVersion, WriteMode } from '../../lakehouse.js'
import type { TableName } from '../../names.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { ColumnType, TableField } from '../schema.js'
import type {
  Author,
  FileLayout,
  KnownCommit,
  OpenTable,
  Published,
  StagedFile,
  TableChange,
  TableLayout,
  TableSnapshot,
} from '../table.js'
import { prepareChange, prepareRollback } from './commit.js'
import { IcebergFile } from './iceberg-file.js'
import { IcebergLog } from './iceberg-log.js'
import type { JdbcCatalog } from './jdbc-catalog.js'
import { Locations } from './locations.js'
import { specFor, transformOf } from './partitions.js'
import { publish } from './publish.js'
import { storedType, withIds } from './schema.js'
import { IcebergSnapshot } from './snapshot.js'
import { fileRecord } from './staged-file.js'
import {
  commitOf,
  describeSnapshot,
  hasSnapshotsSince,
  knownCommitOf,
  mainSnapshots,
  snapshotWithToken,
} from './versions.js'
import { assertWritable } from './writable.js'

/** An Iceberg table of a JDBC catalog, with its files in the catalog's store. */
export class IcebergTable implements OpenTable {
  readonly format = 'iceberg'
  /** they go with the summary of their snapshot, when that is expired */
  readonly keepsTokens = false
  private readonly log: IcebergLog
  private readonly locations: Locations

  constructor(
    readonly label: string,
    readonly name: TableName,
    readonly store: ObjectStore,
    catalog: JdbcCatalog,
  ) {
    this.locations = new Locations(store, label)
    const place = { namespace: name.schema, name: name.name }
    this.log = new IcebergLog(store, catalog, place, this.locations, label)
  }

  async location(): Promise<string> {
    const snapshot = await this.log.latest()
    return snapshot?.metadata.location ?? this.store.location(this.defaultRoot())
  }

  /** Where the table's metadata says, or `schema/table` for one that is to be made. */
  async root(): Promise<string> {
    const snapshot = await this.log.latest()
    if (snapshot === null) return this.defaultRoot()
    return this.locations.key(snapshot.metadata.location.replace(/\/+$/, ''))
  }

  async stagingRoot(): Promise<string> {
    return `${await this.root()}/data`
  }

  async latest(): Promise<TableSnapshot | null> {
    return this.log.latest()
  }

  async at(version: number): Promise<TableSnapshot> {
    return this.log.at(version)
  }

  async history({ limit, before }: { limit: number; before?: number }): Promise<TableVersion[]> {
    const snapshot = await this.log.latest()
    if (snapshot === null) return []
    const { metadata } = snapshot
    return mainSnapshots(metadata)
      .map((entry) => describeSnapshot(metadata, entry))
      .filter(({ version }) => before === undefined || version < before)
      .slice(0, limit)
  }

  async remembersSince(number: number): Promise<boolean> {
    const metadata = await this.log.metadata()
    return metadata === null || hasSnapshotsSince(metadata, number)
  }

  async publishedCommit(snapshot: TableSnapshot, token: string): Promise<KnownCommit | null> {
    const { metadata } = ownSnapshot(snapshot)
    const entry = snapshotWithToken(metadata, token)
    return entry === null ? null : knownCommitOf(this.label, metadata, entry)
  }

  async publish(
    author: Author,
    prepare: (snapshot: TableSnapshot | null) => Promise<TableChange | 'stale'>,
  ): Promise<Published | { outcome: 'stale' }> {
    const root = await this.root()
    const result = await publish(this.log, this.store, root, author, async (before, identity) => {
      const change = await prepare(before)
      if (change === 'stale') return change
      return prepareChange({ before, change, author, identity, root, locations: this.locations })
    })
    if (result.outcome === 'stale') return result
    const { outcome, snapshot, entry } = result
    return { outcome, snapshot, ...knownCommitOf(this.label, snapshot.metadata, entry) }
  }

  async rollback(version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit> {
    const target = await this.log.at(version)
    const root = await this.root()
    const author: Author = {
      token: null,
      facts: { user: info.user, reason: info.reason },
      now: () => info.now,
      signal: null,
    }
    const result = await publish(this.log, this.store, root, author, async (before) => {
      if (before === null) throw new SluiceError('TABLE_UNKNOWN', `Table ${this.label} disappeared.`)
      if (before.version === version) {
        throw new SluiceError('STATE_CONFLICT', `Version ${version} of ${this.label} is the current one already.`)
      }
      this.assertWritable(before, 'overwrite')
      return prepareRollback({ before, target, author, store: this.store, table: this.label })
    })
    if (result.outcome !== 'published') throw new Error('a rollback stages nothing that could be stale')
    return commitOf(this.label, result.snapshot.metadata, result.entry)
  }

  assertWritable(snapshot: TableSnapshot, mode: WriteMode): void {
    assertWritable(ownSnapshot(snapshot), mode, this.label)
  }

  columnType(type: ColumnType): ColumnType {
    return storedType(type)
  }

  adopt(fields: TableField[], snapshot: TableSnapshot | null): TableField[] {
    return withIds(fields, snapshot === null ? 0 : ownSnapshot(snapshot).metadata['last-column-id'])
  }

  fileLayout({ fields, partitionColumns }: TableLayout): FileLayout {
    return { partitions: partitionColumns.map((label) => transformOf(label, fields, this.label)), selfContained: true }
  }

  stagedFile(file: StagedFile, { fields, partitionColumns }: TableLayout): IcebergFile {
    // The spec gets its number when the file is published; here only its fields count.
    const spec = specFor(partitionColumns, fields, null)
    const record = fileRecord(file, this.locations.location(file.key), { fields, spec, table: this.label })
    return new IcebergFile(record, null, spec, file.key, [], fields)
  }

  async countRows(file: { rows: number | null }): Promise<number> {
    if (file.rows === null) throw new Error('files of Iceberg tables are counted by their writers')
    return file.rows
  }

  async namesFilesIn(shown: TableSnapshot, folder: string): Promise<boolean> {
    const snapshot = ownSnapshot(shown)
    const inFolder = (one: IcebergSnapshot) => [...one.files.values()].some(({ key }) => key.startsWith(folder))
    if (inFolder(snapshot)) return true
    const others = mainSnapshots(snapshot.metadata).filter((entry) => entry !== snapshot.entry)
    for (const entry of others) {
      if (entry.summary?.['sluice.operation'] === undefined) continue
      if (inFolder(await this.log.at(describeSnapshot(snapshot.metadata, entry).version))) return true
    }
    return false
  }

  /** Manifests are merged by the commits themselves; old snapshots are expired by whom the table's owner chooses. */
  async maintain(): Promise<void> {}

  private defaultRoot(): string {
    return `${this.name.schema}/${this.name.name}`
  }
}

function ownSnapshot(snapshot: TableSnapshot): IcebergSnapshot {
  if (!(snapshot instanceof IcebergSnapshot))
    throw new Error('a snapshot of another format was given to an Iceberg table')
  return snapshot
}
