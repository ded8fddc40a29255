import type { SqlRow, SqlStatement, SqlValue } from './database.js'

/** The first message: where the database lies. */
export interface ThreadStart {
  folder: string
}

/** What crosses between the host and the thread that owns PGlite; answered by `id`. */
export type ThreadRequest =
  | { id: number; kind: 'query'; sql: string; params: readonly SqlValue[] }
  | { id: number; kind: 'transaction'; statements: readonly SqlStatement[] }
  /** answered by the rows of the first statement; where it gives none, by those of the others too */
  | { id: number; kind: 'lone_or'; statements: readonly SqlStatement[] }
  | { id: number; kind: 'script'; sql: string }
  | { id: number; kind: 'close' }

/** `id` 0 is the thread's word that it is ready. */
export type ThreadAnswer =
  | { id: number; kind: 'rows'; results: SqlRow[][] }
  | { id: number; kind: 'failed'; message: string; code: string }
