import type { Instant, Json, JsonObject } from '../json.js'
import type { ColumnNaming } from './column-names.js'

/**
 * What can be known and done about tables without a SQL engine: it reads and writes table metadata only, so the web view
 * and the scheduler may hold one without loading DuckDB.
 */
export interface Tables {
  tables(): Promise<TableSummary[]>
  /** newest first; `before` is the exclusive upper version for paging; TABLE_UNKNOWN */
  versions(table: string, options: { limit: number; before?: number }): Promise<TableVersion[]>
  summary(table: string): Promise<TableSummary>
  schema(table: string, version?: number): Promise<TableColumn[]>
  /**
   * whether the table still tells of every commit made since its summary had this `lastNumber`, -1 for all; true where there is no
   * table
   */
  remembersSince(table: string, number: number): Promise<boolean>
  /** One new metadata-only commit with the content of `version`. */
  rollback(table: string, version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit>
}

/** What operators and `sluice query` may ask of the lakehouse. One implementation per engine. */
export interface Lakehouse extends Tables {
  /** Runs one SELECT on current table versions and returns up to `maxRows` rows; more is an error, never a silent cut,
   *  unless `truncate`. Decimals and bigints come as strings when a JavaScript number would lose digits. */
  query(sql: string, options: QueryOptions): Promise<QueryResult>
  /** Write, audit, publish (docs/guides/checks-and-gates.md). Never throws for a failed check: see `WriteOutcome`. */
  write(request: WriteRequest): Promise<WriteOutcome>
  /** Runs checks on the current version of a table. */
  check(table: string, checks: Check[], options: CheckOptions): Promise<{ version: number; checks: CheckResult[] }>
  /**
   * Runs one statement as it is: DDL, a procedure, a change of rows. Nothing stands between it and the tables: no checks, no
   * staging, no version to go back to.
   * @throws SluiceError SQL_FORBIDDEN on engines whose SQL is SELECTs only
   */
  execute(statement: string, options: Omit<QueryOptions, 'maxRows' | 'truncate'>): Promise<StatementResult>
  /**
   * Ends the work outside of this process that a handle tells of (`OutsideWork.save`), when nobody goes on with it. What was
   * published stays. May be repeated. @throws when some of it may still go on
   */
  endWork(handle: Json, work: LeftOutside): Promise<void>
  close(): Promise<void>
}

export interface QueryOptions {
  maxRows: number
  truncate?: boolean
  signal?: AbortSignal
  log?: WriteRequest['log']
  outside?: OutsideWork
}

export interface CheckOptions {
  signal?: AbortSignal
  now: Instant
  log?: WriteRequest['log']
  /** as in the `WriteRequest` */
  outside?: OutsideWork
}

/** What is known of work that nobody goes on with. */
export interface LeftOutside {
  /** the table it was to write; null for none */
  to: string | null
  /** as in the `WriteRequest` */
  token: string
  now: Instant
  signal: AbortSignal
  log: WriteRequest['log']
}

export interface StatementResult {
  /** the engine's word for what was done, e.g. `CREATE TABLE`; null when it has none */
  operation: string | null
  /** rows changed; null when the statement counts none */
  rows: number | null
  /** the engine's id of the query */
  query: string
}

export interface QueryResult {
  columns: { name: string; type: string }[]
  rows: JsonObject[]
  truncated: boolean
  reads: { table: string; version: number; rows: number | null }[]
  /** tables outside of the lakehouse, as the engine names them; nothing is known of their versions */
  foreignReads?: string[]
}

export type WriteMode = 'overwrite' | 'append' | 'merge' | 'replace_partitions'

export interface Check {
  kind: string
  options: Json
  severity: 'error' | 'warn'
  name: string
}

export interface CheckResult {
  name: string
  kind: string
  table: string
  severity: 'error' | 'warn'
  passed: boolean
  failingRows: number
  measured: JsonObject
  /** at most 10 failing rows */
  sample: JsonObject[]
  message: string
}

/** What is to be written: a SELECT over lakehouse tables, or files from outside. */
export type WriteSource =
  | { kind: 'select'; sql: string }
  | {
      kind: 'files'
      /** absolute paths of local files; those of a user's choice are already checked to lie inside the project */
      paths: string[]
      /** what `_source` says of each path */
      origins: string[]
      format: 'csv' | 'ndjson' | 'json' | 'parquet'
      /** CSV: declared types by column; null sniffs. Parquet: what columns are cast to. */
      columns: Record<string, string> | null
      options: { delimiter?: string; header?: boolean; nullValue?: string }
      /** what columns are called in the table; absent for the names they have */
      naming?: ColumnNaming
      /** values of the columns `_ingested_at` and `_run_id` */
      ingestedAt: Instant
      runId: string
    }

export interface WriteRequest {
  source: WriteSource
  /** `schema.table` or `catalog.schema.table` */
  to: string
  mode: WriteMode
  /** merge only */
  keys: string[]
  partitionBy: string[]
  checks: Check[]
  /** failed error checks are recorded and published all the same (`run --no-checks`) */
  noChecks: boolean
  /** `schema.table` that failing rows are appended to; null drops them */
  quarantine: string | null
  /** carried by the commit; a commit that already carries it means: done before */
  token: string
  /** shown in the table's history */
  commitInfo: { dag: string; run: string; task: string; attempt: number }
  /** the clock: a commit is dated when it is made, which may be hours after its write began */
  now: () => Instant
  /** aborted with STATE_CONFLICT when another attempt has taken over: what was started outside is that attempt's to end */
  signal: AbortSignal
  log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
  /** for engines that work outside of this process; without it a retry cannot find what an earlier attempt has started */
  outside?: OutsideWork
}

/** What an attempt knows and tells of work outside of its process. */
export interface OutsideWork {
  /** what an earlier attempt of the same generation saved last; null when there was none */
  earlier: Json
  /** returns once the value is durable; throws when the attempt has lost its claim and must not go on */
  save(handle: Json): Promise<void>
  /** shown live on the page */
  progress(value: JsonObject): void
}

export interface Commit {
  table: string
  versionBefore: number | null
  version: number
  operation: string
  rowsAdded: number
  rowsUpdated: number
  rowsRemoved: number
  rowsTotal: number | null
  bytes: number
  committedAt: Instant
}

export type WriteOutcome = Pick<QueryResult, 'foreignReads'> &
  (
    | { outcome: 'published'; commit: Commit; checks: CheckResult[]; reads: QueryResult['reads'] }
    /** the token was found in the table: an earlier attempt has published; nothing was done */
    | { outcome: 'already_published'; commit: Commit; checks: CheckResult[]; reads: QueryResult['reads'] }
    /** an error check failed; the table is untouched */
    | { outcome: 'refused'; table: string; checks: CheckResult[]; reads: QueryResult['reads'] }
  )

export interface TableSummary {
  /** `schema.table` in the default catalog, else `catalog.schema.table` */
  table: string
  format: 'delta' | 'iceberg'
  location: string
  version: number
  /** the last number that the table has given to a commit, see `TableSnapshot` */
  lastNumber: number
  rows: number | null
  bytes: number
  files: number
  partitionBy: string[]
  changedAt: Instant
  /** why the table cannot be read (a feature Sluice does not know, a broken log); the other figures are then empty */
  problem?: string
}

export interface TableVersion {
  version: number
  committedAt: Instant
  operation: string
  rowsAdded: number | null
  rowsUpdated: number | null
  rowsRemoved: number | null
  /** size of the data files added, where the commit says so */
  bytes?: number
  /** the engine's id of the query that made it, where the commit names one */
  query?: string
  /** from the commit itself; null for commits of other writers */
  run: string | null
  task: string | null
  attempt: number | null
  user: string | null
  reason: string
  token: string | null
}

export interface TableColumn {
  name: string
  /** the format's own word, e.g. `long`, `decimal(38,0)`, `timestamp_ntz` */
  type: string
  nullable: boolean
}
