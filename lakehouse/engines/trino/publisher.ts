import { setTimeout as pause } from 'node:timers/promises'
import type { WriteRequest } from '../../lakehouse.js'
import { endedByOthers, StatementLost, TrinoError } from './errors.js'
import type { HandedIn } from './handle.js'
import { type MadeVersion, madeVersion } from './history.js'
import type { TrinoTable } from './names.js'
import type { OwnView, TableState } from './own-view.js'
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

/** What there is to do around a publishing statement. */
export interface Publication {
  /** saves the query durably; only then is the statement started, or its next answer fetched */
  remember(query: HandedIn): Promise<void>
  /**
   * Its commit lasts only once its answers are fetched, whoever does it. Trino (seen with 476) keeps a way to undo the first
   * commit of a new Delta table until then: a query that is ended, or that nobody asks about for five minutes, takes the files
   * away again.
   */
  fetched: boolean
  /** called as soon as the statement has ended well, before its version is looked up */
  committed?: () => void
  /** the table as it is before */
  before: Promise<TableState | null>
  /** it only adds rows */
  append: boolean
  /** whether the rows are still those to publish after another writer's commit */
  again: boolean
  /** session properties that only make it quicker */
  hints: Record<string, string>
}

/** Errors that say: somebody else was quicker, or the log could not be written. */
const CONFLICTS = new Set(['TRANSACTION_CONFLICT', 'ICEBERG_COMMIT_ERROR', 'DELTA_LAKE_BAD_WRITE'])
/** Times a statement is sent again because others were quicker; Trino itself has tried several times before it says so. */
const MAX_TRIES = 8
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000

/** Runs publishing statements so that their outcome is known in the end, whatever happens on the way. */
export class Publisher {
  constructor(
    private readonly session: TrinoSession,
    private readonly view: OwnView,
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
      now: this.request.now,
      waiting: (queryId, state) => {
        if (told === `${queryId} ${state}`) return
        told = `${queryId} ${state}`
        log('info', `Waiting for what becomes of Trino query ${queryId}: ${state.toLowerCase()}.`)
        this.request.outside?.progress({
          query: queryId,
          step: 'waiting for an earlier attempt',
          state: state.toLowerCase(),
        })
      },
    })
  }

  /**
   * Runs one publishing statement, again while other writers are quicker.
   * @returns `stale` when another writer's commit has made the rows wrong, and nothing was published
   */
  async publish(table: TrinoTable, sql: string, publication: Publication): Promise<PublishResult | 'stale'> {
    for (let tries = 1; ; tries++) {
      const result = await this.#once(table, sql, publication)
      if (!('conflict' in result)) return result
      if (!publication.again || isTaken(result.conflict)) return 'stale'
      if (tries >= MAX_TRIES) throw result.conflict
      const { signal } = this.request
      // a share of chance, so that writers that met once do not meet again
      const wait = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2)
      await pause(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  async #once(
    table: TrinoTable,
    sql: string,
    { remember, fetched, committed, before, append, hints }: Publication,
  ): Promise<PublishResult | { conflict: TrinoError }> {
    let query: HandedIn | null = null
    try {
      const run = async (properties: Record<string, string>) => {
        const statement = await this.session.submit(sql, {
          signal: this.request.signal,
          subject: 'The write',
          properties,
        })
        const { id: queryId, start } = statement
        const handedIn: HandedIn = { queryId, start, ...(fetched ? { next: start } : {}) }
        query = handedIn
        await remember(handedIn)
        const ahead = async (next: string) => {
          if (next === start) return
          query = { ...handedIn, next }
          await remember(query)
        }
        const progress = this.progress()
        return statement.finish(
          (page) => {
            progress.page(page)
            return 'more'
          },
          fetched ? ahead : undefined,
        )
      }
      const last = await this.session.hinted(hints, (properties) =>
        creating(this.session, table, () => run(properties)),
      )
      committed?.()
      const made = query === null ? null : await this.#found(table, query, { before: await before, append })
      return { made, changedRows: last.updateCount, writtenBytes: last.stats.physicalWrittenBytes }
    } catch (error) {
      if (query === null || this.request.signal.aborted) throw error
      return this.#afterFailure(table, query, error)
    }
  }

  /** An error is no proof that nothing was committed: the table's history has the last word. */
  async #afterFailure(
    table: TrinoTable,
    query: HandedIn,
    error: unknown,
  ): Promise<PublishResult | { conflict: TrinoError }> {
    if (error instanceof TrinoError) {
      if (isTaken(error)) return { conflict: error }
      if (endedByOthers(error.failure)) return this.#lookedUp(table, query, error)
      if (error.failure.errorType === 'USER_ERROR') throw error
      const made = await this.#made(table, query)
      if (made !== null) return { made, changedRows: null, writtenBytes: 0 }
      if (CONFLICTS.has(error.failure.errorName)) return { conflict: error }
    }
    if (!(error instanceof StatementLost)) throw error
    return this.#lookedUp(table, query, error)
  }

  /** What it has published, once it cannot publish any more. @throws the error when that is nothing */
  async #lookedUp(table: TrinoTable, query: HandedIn, error: Error): Promise<PublishResult> {
    const made = await this.settled(table, [query])
    if (made === null) throw error
    return { made, changedRows: null, writtenBytes: 0 }
  }

  /** The version of a query that has ended well. */
  async #found(
    table: TrinoTable,
    query: HandedIn,
    known: { before: TableState | null; append: boolean },
  ): Promise<MadeVersion | null> {
    return (await this.view.made(table.label, query.queryId, known)) ?? this.#made(table, query)
  }

  #made(table: TrinoTable, query: HandedIn): Promise<MadeVersion | null> {
    return madeVersion(this.session, table, [query.queryId], this.request.signal)
  }
}

/** The table to be created is there already. */
function isTaken(error: TrinoError): boolean {
  return error.failure.errorName === 'TABLE_ALREADY_EXISTS'
}
