import type { Instant, Json, JsonObject } from '../../json.js'
import type { Commit, TableVersion, WriteMode } from '../lakehouse.js'
import type { TableName } from '../names.js'
import type { ObjectStore } from '../objects/object-store.js'
import type { ColumnType, TableField } from './schema.js'

/**
 * A table of any format, as engines read and write it: Delta and Iceberg each have one implementation, and nothing
 * outside `tables/` knows which.
 */
export interface OpenTable {
  readonly format: 'delta' | 'iceberg'
  /** as people write it, see `formatTableName` */
  readonly label: string
  readonly name: TableName
  readonly store: ObjectStore
  /** where the table is, as people and other engines write it */
  location(): Promise<string>
  /** the newest version, or null when there is no table */
  latest(): Promise<TableSnapshot | null>
  /** @throws SluiceError VERSION_UNKNOWN when the version never was, or cannot be read any more */
  at(version: number): Promise<TableSnapshot>
  /** newest first; ends where the format has forgotten older versions */
  history(options: { limit: number; before?: number }): Promise<TableVersion[]>
  /** what the table forgets of a commit, its token outlives */
  readonly keepsTokens: boolean
  /**
   * Whether the table still tells of every commit that was made after one: then one that is not found never was.
   * True where there is no table.
   * @param number the `lastNumber` of then, -1 for all
   */
  remembersSince(number: number): Promise<boolean>
  /** the commit that carried a token, or null */
  publishedCommit(snapshot: TableSnapshot, token: string): Promise<KnownCommit | null>
  /**
   * Publishes one change by optimistic concurrency: work it out against the newest snapshot, try to become the next
   * version, and start over when another writer was first. A commit that carries the same token, found before or in
   * between, ends it: this change, or another attempt's equal one, is published already.
   * @param prepare works the change out; called again for every new snapshot. `stale` means that the staged rows do not
   * fit this snapshot any more and the write has to start over.
   * @throws SluiceError COMMIT_CONFLICT when others kept winning; whatever `prepare` throws
   */
  publish(
    author: Author,
    prepare: (snapshot: TableSnapshot | null) => Promise<TableChange | 'stale'>,
  ): Promise<Published | { outcome: 'stale' }>
  /** One metadata-only commit that brings back the content and schema of a version. */
  rollback(version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit>
  /** @throws SluiceError TABLE_UNSUPPORTED naming what a writer must honour and Sluice does not */
  assertWritable(snapshot: TableSnapshot, mode: WriteMode): void
  /** The type that a new column gets for values of a type, or null when the format has none. */
  columnType(type: ColumnType): ColumnType | null
  /** The columns as the format knows them, told apart from those the table has or had. */
  adopt(fields: TableField[], snapshot: TableSnapshot | null): TableField[]
  /** how data files of these columns are to be written */
  fileLayout(layout: TableLayout): FileLayout
  /** a file that the engine has written, as a change may add it */
  stagedFile(file: StagedFile, layout: TableLayout, now: Instant): DataFile
  /** rows of a file whose writer did not count them, from the file itself */
  countRows(file: DataFile): Promise<number>
  /** key of the table in the store; attempts stage in `stagingRoot` */
  root(): Promise<string>
  /** key below which attempts have their folders */
  stagingRoot(): Promise<string>
  /** Whether any version that may still be read names a file of a staging folder (a key that ends in `/`). */
  namesFilesIn(snapshot: TableSnapshot, folder: string, token: string): Promise<boolean>
  /** what a format does now and then after a commit, such as checkpoints */
  maintain(snapshot: TableSnapshot, now: Instant): Promise<void>
}

/** The tables of one catalog, by name. */
export interface TableCatalog {
  readonly store: ObjectStore
  /** A table that exists or is about to; nothing is read yet. */
  open(label: string, name: TableName): OpenTable
  /** the tables that exist, in order of schema and name; names that SQL would have to quote are left out */
  list(): Promise<{ schema: string; name: string }[]>
  /** Ends connections and removes local copies. */
  close(): Promise<void>
}

/** The content of a table at one version. Never changes, so readers keep theirs while writers go on. */
export interface TableSnapshot {
  readonly version: number
  /**
   * The last number that the table had given to a commit when this was read. Of Delta that is the newest version. Iceberg numbers the
   * commits to all branches, and takes no number back when the table is set back: it may be above every version that is left.
   */
  readonly lastNumber: number
  readonly committedAt: Instant
  readonly fields: TableField[]
  /** columns, or transforms of columns such as `day(placed_at)` */
  readonly partitionColumns: string[]
  /** live files by path */
  readonly files: ReadonlyMap<string, DataFile>
}

export interface DataFile {
  /** tells the file among all files of the table */
  readonly path: string
  /** key in the table's store */
  readonly key: string
  readonly size: number
  /** null when its writer did not count, or when some of them are deleted */
  readonly rows: number | null
  /** by partition column, as text in the engine's notation */
  readonly partitionValues: Record<string, string | null>
  /** files that say which of its rows are deleted */
  readonly deletes: DeleteFile[]
  /** names of the columns inside the file by their ids, where the format has ids and the file has none; else null */
  readonly columnNames: ReadonlyMap<number, string> | null
  /**
   * The value that a top-level column has in all rows, as text in the engine's notation, where the log says it instead
   * of the file; undefined where the rows are to be read for it.
   */
  valueInLog(field: TableField, partitionColumns: string[]): string | null | undefined
  /** NULLs of a top-level column, or null when unknown */
  nulls(column: string): number | null
  /** bounds of a top-level column, null where there are none; they may be wider than the truth */
  bounds(column: string): { min: Json; max: Json }
}

/** Rows that are deleted without their file having been written anew (merge on read). */
export interface DeleteFile {
  key: string
  size: number
  /** the fields whose values tell the deleted rows, or null when these are told by position */
  equality: TableField[] | null
}

/** The columns of a table and how it is partitioned. */
export interface TableLayout {
  fields: TableField[]
  partitionColumns: string[]
}

export interface FileLayout {
  /** how the values that partition are made from the columns, in the order of `partitionColumns` */
  partitions: PartitionTransform[]
  /** partition columns stand in the files too, and columns carry ids there */
  selfContained: boolean
}

export type PartitionTransform =
  | {
      column: string
      transform: 'identity' | 'year' | 'month' | 'day' | 'hour' | 'truncate' | 'void'
      /** of `truncate` */
      width: number
    }
  | {
      column: string
      transform: 'bucket'
      /** how many buckets there are */
      width: number
      /** the bucket of a value, given in the engine's notation: no engine has the hash of the format */
      bucketOf(text: string): number
    }

/** What the engine measured of one column of one file, values as text in its own notation. */
export interface ColumnStatistics {
  nullCount: number
  min: string | null
  max: string | null
  hasNan: boolean
}

export interface StagedFile {
  key: string
  size: number
  rows: number
  /** in the order of the partition columns, as text in the engine's notation */
  partition: (string | null)[]
  /** by `columnPath` */
  columns: ReadonlyMap<string, ColumnStatistics>
}

/** Names a column by its path: `amount`, or `address`, `city` for a field of a struct. */
export function columnPath(parts: string[]): string {
  return parts.join('\0')
}

/** What one commit does to a table, worked out against one snapshot of it. */
export interface TableChange {
  mode: WriteMode
  /** of a merge */
  keys: string[]
  layout: TableLayout
  added: DataFile[]
  removed: DataFile[]
  rowsAdded: number
  rowsUpdated: number
  rowsRemoved: number
}

/** Who publishes, for the history and for recognising the commit again. */
export interface Author {
  /** null for commits that are not idempotent by token (a person's rollback) */
  token: string | null
  facts: JsonObject
  /** asked when the commit is made */
  now: () => Instant
  signal: AbortSignal | null
}

/** A commit with what its writer has kept in it of checks and reads, see `keptFindings`; null when it has kept nothing. */
export interface KnownCommit {
  commit: Commit
  findings: Json
}

export interface Published extends KnownCommit {
  outcome: 'published' | 'already_published'
  /** the version the commit made, or a later one */
  snapshot: TableSnapshot
}

/** Rows of all live files, or null when one of them is uncounted. */
export function totalRows(files: Iterable<DataFile>): number | null {
  let total = 0
  for (const file of files) {
    if (file.rows === null) return null
    total += file.rows
  }
  return total
}

/** Files staged under the layout can be read under the other as they are. */
export function sameLayout(a: TableLayout, b: TableLayout): boolean {
  return (
    JSON.stringify(a.fields) === JSON.stringify(b.fields) && a.partitionColumns.join() === b.partitionColumns.join()
  )
}

const TRANSFORM = /^(?:year|month|day|hour|void|bucket|truncate)\((?:\d+, )?(.+)\)$/

/** The column that a partition column such as `day(placed_at)` is made from. */
export function partitionSource(partitionColumn: string): string {
  return TRANSFORM.exec(partitionColumn)?.[1] ?? partitionColumn
}
