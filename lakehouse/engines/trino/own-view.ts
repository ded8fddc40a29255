import { isSluiceError } from '../../../errors.js'
import type { Tables } from '../../lakehouse.js'
import type { MadeVersion } from './history.js'

/** A table at one instant. */
export interface TableState {
  /** null: there is no table */
  version: number | null
  rows: number
}

/**
 * Tables as our own readers of metadata see them, for a fraction of what a query costs. Everything here is a short cut: null
 * means that Trino has to be asked.
 */
export class OwnView {
  constructor(private readonly tables: () => Promise<Tables>) {}

  async state(table: string): Promise<TableState | null> {
    try {
      const { version, rows } = await (await this.tables()).summary(table)
      return rows === null ? null : { version, rows }
    } catch (error) {
      if (isSluiceError(error, 'TABLE_UNKNOWN')) return { version: null, rows: 0 }
      return unavailable(error)
    }
  }

  /**
   * The version that a query has just made, when it is the newest and nobody else's lies between it and `before`.
   * @param before the state before the query; null when that was not to be had
   */
  async made(table: string, queryId: string, before: TableState | null): Promise<MadeVersion | null> {
    if (before === null) return null
    try {
      const tables = await this.tables()
      const [newest, previous] = await tables.versions(table, { limit: 2 })
      if (newest === undefined || newest.query !== queryId) return null
      const follows = before.version === null ? previous === undefined : newest.version === before.version + 1
      const { version, rows } = await tables.summary(table)
      if (!follows || version !== newest.version || rows === null) return null
      const { committedAt, bytes = 0 } = newest
      const [versionBefore, rowsBefore] = [before.version, before.rows]
      return { queryId, version, versionBefore, committedAt, rowsBefore, rowsAfter: rows, bytes }
    } catch (error) {
      return unavailable(error)
    }
  }
}

/** A catalog without its database, a bucket out of reach, a feature of tables that we do not know: Trino may do better. */
function unavailable(error: unknown): null {
  if (isSluiceError(error)) return null
  throw error
}
