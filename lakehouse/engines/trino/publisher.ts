import { setTimeout as pause } from 'node:timers/promises'
import type { WriteRequest } from '../../lakehouse.js'
import { commitUnknown } from '../../tables/commit-unknown.js'
import { endedByOthers, StatementLost, TrinoError } from './errors.js'
import { type HandedIn, isTakenOver } from './handle.js'
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

/** A statement that runs longer can be followed by the attempt after this one; for others the saves would cost more than they are worth. */
const FOLLOWED_AFTER_MS = 10_000
/** Errors that say: somebody else was quicker, or the log could not be written. */
const CONFLICTS = new Set(['TRANSACTION_CONFLICT', 'ICEBERG_COMMIT_ERROR', 'DELTA_LAKE_BAD_WRITE'])
/**
 * What such an error comes from when somebody else was quicker (read in the classes of Trino 476). The same errors stand for a
 * write whose answer never came (`CommitStateUnknownException` of Iceberg's catalogs, any `IOException` of Delta's log): that may
 * arrive yet.
 */
const QUICKER = new Set([
  'TransactionConflictException',
  'TransactionFailedException',
  'CommitFailedException',
  'ValidationException',
])
const UNCLEAR = 'CommitStateUnknownException'
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

  /**
   * The version that queries of earlier attempts have made or are about to make; null when there is none.
   * @param remember as in a publication
   * @throws SluiceError COMMIT_UNKNOWN when the table no longer tells of all that was committed since they were planned. That is before
   * their rows were staged, so a commit that came and was expired in between refuses as well
   */
  async settled(
    table: TrinoTable,
    queries: HandedIn[],
    remember: Publication['remember'],
  ): Promise<MadeVersion | null> {
    if (queries.length === 0) return null
    const { signal, log } = this.request
    let told = ''
    const made = await settle(this.session, table, queries, {
      signal,
      remember,
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
    if (made === null) await this.#assertRemembered(table, queries)
    return made
  }

  /** Trino's ids go with the snapshots and the entries of the log that they stand in. */
  async #assertRemembered(table: TrinoTable, queries: HandedIn[]): Promise<void> {
    const numbers = queries.flatMap(({ after }) => (after === undefined ? [] : [after]))
    if (numbers.length === 0) return
    const oldest = Math.min(...numbers)
    if (!(await this.view.remembersSince(table.label, oldest))) throw commitUnknown(table.label, oldest)
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
    publication: Publication,
  ): Promise<PublishResult | { conflict: TrinoError }> {
    const { remember, fetched, committed, before, append, hints } = publication
    let query: HandedIn | null = null
    try {
      const state = await before
      const after = state === null ? {} : { after: state.lastNumber }
      const run = async (properties: Record<string, string>) => {
        const statement = await this.session.submit(sql, {
          signal: this.request.signal,
          subject: 'The write',
          properties,
          left: isTakenOver,
        })
        const { id: queryId, start } = statement
        query = { queryId, start, ...after, ...(fetched ? { next: start } : {}) }
        await remember(query)
        const begun = performance.now()
        const ahead = async (next: string) => {
          if (next === start) return
          query = { queryId, start, ...after, next, ...(fetched ? {} : { lasts: true }) }
          if (fetched || performance.now() - begun > FOLLOWED_AFTER_MS) await remember(query)
        }
        const progress = this.progress()
        return statement.finish((page) => {
          progress.page(page)
          return 'more'
        }, ahead)
      }
      const last = await this.session.hinted(hints, (properties) =>
        creating(this.session, table, () => run(properties)),
      )
      committed?.()
      const made = query === null ? null : await this.#found(table, query, { before: state, append })
      return { made, changedRows: last.updateCount, writtenBytes: last.stats.physicalWrittenBytes }
    } catch (error) {
      if (query === null || this.request.signal.aborted) throw error
      return this.#afterFailure(table, query, remember, error)
    }
  }

  /** An error is no proof that nothing was committed: the table's history has the last word. */
  async #afterFailure(
    table: TrinoTable,
    query: HandedIn,
    remember: Publication['remember'],
    error: unknown,
  ): Promise<PublishResult | { conflict: TrinoError }> {
    const conflict = error instanceof TrinoError && CONFLICTS.has(error.failure.errorName)
    if (error instanceof TrinoError) {
      if (isTaken(error)) return { conflict: error }
      const byOthers = endedByOthers(error.failure)
      if (error.failure.errorType === 'USER_ERROR' && !byOthers) throw error
      if (!byOthers && (!conflict || isCertain(error))) {
        const made = await this.#made(table, query)
        if (made !== null) return { made, changedRows: null, writtenBytes: 0 }
        if (conflict) return { conflict: error }
        throw error
      }
    } else if (!(error instanceof StatementLost)) throw error
    // what it has written may be on its way
    const made = await this.settled(table, [query], remember)
    if (made !== null) return { made, changedRows: null, writtenBytes: 0 }
    if (conflict) return { conflict: error }
    throw error
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

/** Somebody else was quicker, so that nothing of the statement is on its way any more. */
function isCertain({ failure: { errorName, causes } }: TrinoError): boolean {
  if (errorName === 'TRANSACTION_CONFLICT') return true
  return causes.some((cause) => QUICKER.has(cause)) && !causes.includes(UNCLEAR)
}

/** The table to be created is there already. */
function isTaken(error: TrinoError): boolean {
  return error.failure.errorName === 'TABLE_ALREADY_EXISTS'
}
