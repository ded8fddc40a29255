import { TrinoError } from './errors.js'
import type { HandedIn } from './handle.js'
import { type Staged, stagingHints } from './hints.js'
import { qualified, type TrinoTable } from './names.js'
import type { QueryProgress } from './progress.js'
import type { TrinoSession } from './session.js'
import { creating } from './staging.js'

/** Where rows are staged, and who is told of it. */
export interface StageRequest {
  session: TrinoSession
  staging: TrinoTable
  signal: AbortSignal
  progress: QueryProgress
  /** saves the query durably; only then is it started */
  remember(query: HandedIn): Promise<void>
}

/** Trino says so before it runs anything: the columns of the SELECT are none that a table of this catalog can have. */
const NO_COLUMNS_OF_A_TABLE = new Set(['NOT_SUPPORTED', 'COLUMN_TYPE_UNKNOWN'])

/** Writes the rows of a SELECT into their staging table. */
export async function stage(request: StageRequest, select: string): Promise<Staged> {
  const { session, staging, signal, progress, remember } = request
  const create = `CREATE TABLE ${qualified(staging)} AS ${select}`
  const last = await session.hinted(stagingHints(staging), (properties) =>
    creating(session, staging, async () => {
      const statement = await session.submit(create, { signal, properties })
      await remember({ queryId: statement.id, start: statement.start })
      return statement.finish((page) => {
        progress.page(page)
        return 'more'
      })
    }),
  )
  return { rows: last.updateCount ?? 0, bytes: last.stats.physicalWrittenBytes }
}

/**
 * Staging that does not wait until the SELECT has been fitted to its table: looking at both takes about as long as a small
 * result takes to stage. The rows get the table's types when they are read from there.
 */
export class EarlyStaging {
  readonly #stop = new AbortController()
  readonly #staged: Promise<Staged>

  /** @param sql one SELECT */
  constructor(request: StageRequest, sql: string) {
    const signal = AbortSignal.any([request.signal, this.#stop.signal])
    this.#staged = stage({ ...request, signal }, `SELECT * FROM (${sql}\n)`)
    // whoever asks for the rows is told; when the plan fails nobody asks
    this.#staged.catch(() => undefined)
  }

  /**
   * @returns null when nothing was staged, because the SELECT can be only with the types of its table
   * @throws TrinoError when the SELECT itself failed
   */
  async staged(): Promise<Staged | null> {
    try {
      return await this.#staged
    } catch (error) {
      if (error instanceof TrinoError && NO_COLUMNS_OF_A_TABLE.has(error.failure.errorName)) return null
      throw error
    }
  }

  /** Ends the query; what it has staged is left to be dropped. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the rows are of no use'))
    await this.#staged.catch(() => undefined)
  }
}
