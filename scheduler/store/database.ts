import type { Instant } from '../../json.js'

/** `Date` is the only form of an instant in a parameter; rows give instants back as milliseconds (`Instant`). */
export type SqlValue =
  | null
  | boolean
  | number
  | string
  | Date
  | Uint8Array
  | readonly (string | number | boolean | Date | null)[]

export type SqlRow = Record<string, unknown>

export interface SqlStatement {
  sql: string
  params: readonly SqlValue[]
}

/**
 * When a transaction is safe from a crash of the database's machine. `with_next`: as soon as any later one is that waits for the
 * disk, since what is lost is always an end of the log. For what would be done again just so if it were lost, and tells
 * nobody before: waiting for the disk costs milliseconds.
 */
export type Durability = 'at_once' | 'with_next'

/** `lone`: its rows, at least one. `general`: the rows of each of the others. */
export type LoneAnswer = { lone: SqlRow[] } | { general: SqlRow[][] }

/**
 * One PostgreSQL, as a server (pg) or embedded (PGlite in a thread of its own). Row values: timestamptz -> Instant (ms),
 * bigint and integer -> number, jsonb -> parsed, arrays -> arrays.
 */
export interface Database {
  query<Row extends SqlRow = SqlRow>(sql: string, params?: readonly SqlValue[]): Promise<Row[]>
  /** all statements in one transaction and one message to the database; the rows of each */
  transaction(statements: readonly SqlStatement[], durable?: Durability): Promise<SqlRow[][]>
  /**
   * The rows of `lone` where it gives any, and otherwise those of each of the others. Each is a transaction of its own, and
   * where the database is `exclusive` nothing comes between them.
   */
  loneOr(lone: SqlStatement, general: readonly SqlStatement[]): Promise<LoneAnswer>
  /**
   * True when nobody else can write between two statements of a transaction (PGlite): row locks are then not needed, and
   * what is asked for is carried out in the order of asking, so that one may ask behind a write that has not answered.
   */
  readonly exclusive: boolean
  close(): Promise<void>
}

/** One connection, so that a transaction may stay open between statements. */
export interface Session {
  query<Row extends SqlRow = SqlRow>(sql: string, params?: readonly SqlValue[]): Promise<Row[]>
}

/** An instant as a parameter of type timestamptz; inside a JSON parameter it is jsonInstant(). */
export function sqlInstant(instant: Instant): Date {
  return new Date(instant)
}

/** sqlInstant() for a column that may be NULL. */
export function sqlInstantOrNull(instant: Instant | null): Date | null {
  return instant === null ? null : new Date(instant)
}
