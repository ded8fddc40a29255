import type { OutsideWork, WriteRequest } from '../../lakehouse.js'
import { endQueries } from './end-queries.js'
import { EMPTY_HANDLE, type HandedIn, handleJson, parseHandle, remembered } from './handle.js'
import type { StatementPage } from './protocol.js'
import type { TrinoSession } from './session.js'
import type { Statement } from './statement.js'

/** Saves a query in the handle of its attempt. */
export type Remember = (query: HandedIn) => Promise<void>

/**
 * Runs a statement that only reads to its end, while it is written down that it runs: the first answer is fetched meanwhile, no other
 * before.
 * @throws what `finish` and `remember` throw; a query that could not be written down is ended
 */
export async function finishReading(
  statement: Statement,
  each: (page: StatementPage) => 'more' | 'enough',
  remember: Remember,
): Promise<StatementPage> {
  const { id: queryId, start } = statement
  let refused = false
  const saved = remember({ queryId, start })
  saved.catch(() => {
    refused = true
  })
  try {
    const last = await statement.finish(each, (next) => (next === start ? Promise.resolve() : saved))
    await saved
    return last
  } catch (error) {
    if (refused) await statement.cancel()
    throw error
  }
}

/** The queries of an attempt that writes nothing: of use to nobody but this attempt, so the next one ends them. */
export class ReadingQueries {
  #handle = EMPTY_HANDLE
  #saved: Promise<void> = Promise.resolve()

  constructor(
    private readonly session: TrinoSession,
    private readonly outside: OutsideWork,
    private readonly log: WriteRequest['log'],
    private readonly signal?: AbortSignal,
  ) {}

  /** Ends what an earlier attempt still asks. @throws as `endQueries` */
  async endEarlier(): Promise<void> {
    const earlier = parseHandle(this.outside.earlier)?.staging ?? []
    await endQueries(this.session, earlier, {
      signal: this.signal,
      ending: (queryId) => this.log('info', `Ending Trino query ${queryId}, which an earlier attempt still asks.`),
    })
  }

  /** Saves come one after the other, so that the last of them has every query. */
  readonly remember: Remember = (query) => {
    this.#handle = { ...this.#handle, staging: remembered(this.#handle.staging, query) }
    const handle = handleJson(this.#handle)
    this.#saved = this.#saved.catch(() => undefined).then(() => this.outside.save(handle))
    return this.#saved
  }
}
