import type { WriteRequest } from '../../lakehouse.js'
import { StatementLost, TrinoError } from './errors.js'
import type { HandedIn } from './handle.js'
import { type MadeVersion, madeVersion } from './history.js'
import type { TrinoTable } from './names.js'
import type { QueryProgress } from './progress.js'
import type { TrinoSession } from './session.js'
import { settle } from './settle.js'
import { creating } from './staging.js'

export interface PublishResult {
  /** null when the statement changed nothing and so made no version */
  made: MadeVersion | null
  /** rows the statement says it has written, deleted or updated; null when contact was lost */
  changedRows: number | null
  writtenBytes: number
}

/** Errors that say: somebody else was quicker. The rows have to be looked at again. */
const CONFLICTS = new Set(['TABLE_ALREADY_EXISTS', 'TRANSACTION_CONFLICT', 'ICEBERG_COMMIT_ERROR'])

/** Runs publishing statements so that their outcome is known in the end, whatever happens on the way. */
export class Publisher {
  constructor(
    private readonly session: TrinoSession,
    private readonly request: WriteRequest,
    private readonly progress: () => QueryProgress,
  ) {}

  /** The version that queries of earlier attempts have made or are about to make; null when there is none. */
  async settled(table: TrinoTable, queries: HandedIn[]): Promise<MadeVersion | null> {
    if (queries.length === 0) return null
    const { signal, log } = this.request
    let told = ''
    return settle(this.session, table, queries, {
      signal,
      now: Date.now,
      waiting: (queryId, state) => {
        if (told === `${queryId} ${state}`) return
        told = `${queryId} ${state}`
        log('info', `Waiting for Trino query ${queryId} of an earlier attempt: ${state.toLowerCase()}.`)
        this.request.outside?.progress({
          query: queryId,
          step: 'waiting for an earlier attempt',
          state: state.toLowerCase(),
        })
      },
    })
  }

  /**
   * Runs one publishing statement.
   * @param remember saves the query durably; only then is the statement started
   * @returns `stale` when another writer was quicker and nothing was published
   */
  async publish(
    table: TrinoTable,
    sql: string,
    remember: (query: HandedIn) => Promise<void>,
  ): Promise<PublishResult | 'stale'> {
    let query: HandedIn | null = null
    try {
      const last = await creating(this.session, table, async () => {
        const statement = await this.session.submit(sql, { signal: this.request.signal, subject: 'The write' })
        query = { queryId: statement.id, start: statement.start }
        await remember(query)
        const progress = this.progress()
        return statement.finish((page) => {
          progress.page(page)
          return 'more'
        })
      })
      const made = query === null ? null : await this.#made(table, query)
      return { made, changedRows: last.updateCount, writtenBytes: last.stats.physicalWrittenBytes }
    } catch (error) {
      if (query === null || this.request.signal.aborted) throw error
      return this.#afterFailure(table, query, error)
    }
  }

  /** An error is no proof that nothing was committed: the table's history has the last word. */
  async #afterFailure(table: TrinoTable, query: HandedIn, error: unknown): Promise<PublishResult | 'stale'> {
    if (error instanceof TrinoError && error.failure.errorName === 'TABLE_ALREADY_EXISTS') return 'stale'
    if (error instanceof TrinoError && error.failure.errorType === 'USER_ERROR') throw error
    const made =
      error instanceof StatementLost
        ? await this.settled(table, [query])
        : await this.#made(table, query).catch(() => null)
    if (made !== null) return { made, changedRows: null, writtenBytes: 0 }
    if (error instanceof TrinoError && CONFLICTS.has(error.failure.errorName)) return 'stale'
    throw error
  }

  #made(table: TrinoTable, query: HandedIn): Promise<MadeVersion | null> {
    return madeVersion(this.session, table, [query.queryId], this.request.signal)
  }
}
