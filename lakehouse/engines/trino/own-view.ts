import { isSluiceError } from '../../../errors.js'
import type { Tables } from '../../lakehouse.js'
import type { MadeVersion } from './history.js'

/** A table at one instant. */
export interface TableState {
  /** null: there is no table */
  version: number | null
  /** as in `TableSnapshot`; -1: there is no table */
  lastNumber: number
  /** null: not counted, as where some are deleted without their file having been written anew */
  rows: number | null
}

/** Among so many versions one that others have overtaken is looked for. */
const LATEST = 32

/**
 * Tables as our own readers of metadata see them, for a fraction of what a query costs. Everything here is a short cut: null
 * means that Trino has to be asked.
 */
export class OwnView {
  constructor(private readonly tables: () => Promise<Tables>) {}

  async state(table: string): Promise<TableState | null> {
    try {
      const { version, lastNumber, rows } = await (await this.tables()).summary(table)
      return { version, lastNumber, rows }
    } catch (error) {
      if (isSluiceError(error, 'TABLE_UNKNOWN')) return { version: null, lastNumber: -1, rows: 0 }
      return unavailable(error)
    }
  }

  /**
   * Whether the table still tells of every commit made since a state with this `lastNumber`. True of a table that our reader does not
   * know, as nobody else can tell. @throws SluiceError UNREACHABLE
   */
  async remembersSince(table: string, number: number): Promise<boolean> {
    try {
      return await (await this.tables()).remembersSince(table, number)
    } catch (error) {
      if (isSluiceError(error, 'TABLE_UNSUPPORTED')) return true
      throw error
    }
  }

  /**
   * The version that a query has just made.
   * @param before the state before the query; null when that was not to be had
   * @param append the query only added rows: then it does without the rows before and after when others commit beside it
   */
  async made(
    table: string,
    queryId: string,
    { before, append }: { before: Pick<TableState, 'version' | 'rows'> | null; append: boolean },
  ): Promise<MadeVersion | null> {
    if (before === null || before.rows === null) return null
    try {
      const tables = await this.tables()
      let versions = await tables.versions(table, { limit: 2 })
      if (versions[0]?.query !== queryId) versions = await tables.versions(table, { limit: LATEST })
      const place = versions.findIndex((version) => version.query === queryId)
      const [found, previous] = [versions[place], versions[place + 1]]
      if (found === undefined) return null
      const { version, committedAt, bytes = 0 } = found
      const made = { queryId, version, committedAt, bytes }
      const follows = before.version === null ? previous === undefined : version === before.version + 1
      const now = follows && place === 0 ? await tables.summary(table) : null
      if (now?.version === version && now.rows !== null) {
        return { ...made, versionBefore: before.version, rowsBefore: before.rows, rowsAfter: now.rows }
      }
      if (!append || previous === undefined) return null
      return { ...made, versionBefore: previous.version, rowsBefore: null, rowsAfter: null }
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
