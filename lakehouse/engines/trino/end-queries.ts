import { SluiceError } from '../../../errors.js'
import type { HandedIn } from './handle.js'
import type { TrinoSession } from './session.js'
import { ENDED, fetchAnswers, NOT_STARTED, patiently, stateOf } from './settle.js'

/** A query that was told to end has ended by then, or something is wrong with this Trino. */
const END_WITHIN_MS = 20_000
const POLL_MS = 250

/** How queries are ended. */
export interface EndOptions {
  signal?: AbortSignal | undefined
  /** told of each query that runs, before it is ended */
  ending(queryId: string): void
}

/**
 * Makes sure that queries somebody else has handed in do nothing any more: one that nobody has started is never started, one
 * that runs is ended. One that has done its work is not: its answers are fetched where they can be, as what it did may not last
 * without (`Publication.fetched`). May be repeated.
 * @throws the signal's reason; StatementLost; SluiceError UNREACHABLE when Trino does not say, or does not end one within 20 s
 */
export async function endQueries(session: TrinoSession, queries: HandedIn[], options: EndOptions): Promise<void> {
  await Promise.all(queries.map((query) => endQuery(session, query, options)))
}

async function endQuery(session: TrinoSession, query: HandedIn, options: EndOptions): Promise<void> {
  const { queryId, start, next } = query
  const { signal = new AbortController().signal, ending } = options
  const giveUpAt = performance.now() + END_WITHIN_MS
  let told = false
  for (let asked = false; ; asked = true) {
    const found = await stateOf(session, queryId, signal)
    const state = found?.state ?? null
    if (state !== null && ENDED.has(state)) return
    if (found?.answers === true) {
      if (next !== undefined) await fetchAnswers(session, query, signal)
      return
    }
    // looked at once more: whoever handed it in may have started it in between
    if (state === null && asked) return
    if (performance.now() > giveUpAt) throw new SluiceError('UNREACHABLE', `Trino does not end query ${queryId}.`)
    if (state === null || NOT_STARTED.has(state)) {
      await session.prevent(start, signal)
    } else {
      if (!told) ending(queryId)
      told = true
      await session.control.cancel(queryId)
    }
    await patiently(POLL_MS, signal)
  }
}
