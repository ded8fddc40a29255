import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, SluiceError } from '../../../errors.js'
import type { QueryState } from './control.js'
import { isWithoutLog, StatementLost, TrinoError } from './errors.js'
import { NoAnswer } from './exchange.js'
import type { HandedIn } from './handle.js'
import { type MadeVersion, madeVersion } from './history.js'
import type { TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'

/** How long a silent server is asked what became of a query. */
const PATIENCE_MS = 10_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 2_000
/** A query that was ended while it committed may still commit for as long as this. */
const COMMIT_GRACE_MS = 10_000
/** States in which a query has no effect yet, so that ending it is certain. */
export const NOT_STARTED = new Set(['QUEUED', 'WAITING_FOR_RESOURCES', 'DISPATCHING'])
export const ENDED = new Set(['FINISHED', 'FAILED'])

/**
 * Finds out what became of queries that somebody else handed in: waits until one has committed or none can any more.
 * A query that has not started is ended; one that runs is left to run, because its commit is as good as ours.
 * @param options `now`: Trino's clock and ours may differ by a few seconds
 * @returns the version one of them made; null when none has committed and none will
 * @throws the signal's reason; SluiceError UNREACHABLE
 */
export async function settle(
  session: TrinoSession,
  table: TrinoTable,
  queries: HandedIn[],
  options: { signal: AbortSignal; now: () => number; waiting: (queryId: string, state: string) => void },
): Promise<MadeVersion | null> {
  const ids = queries.map((query) => query.queryId)
  const seen: Seen = { prevented: new Set(), failedAt: new Map(), now: options.now }
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    // first the states, then the history: a query that ends in between is found in the history
    const undecided = await firstUndecided(session, queries, seen, options.signal)
    const made = await madeVersionOf(session, table, ids, options.signal)
    if (made !== null && (await lasting(session, made, queries, options.signal, seen))) return made
    if (undecided === null) return null
    options.waiting(undecided.queryId, undecided.state)
    await patiently(wait, options.signal)
  }
}

/** What is known of queries besides what Trino says of them. */
interface Seen {
  /** those that were ended before they had started */
  prevented: Set<string>
  /** when a query was first seen as failed, by a clock that only goes on */
  failedAt: Map<string, number>
  now: () => number
}

/** It has failed so lately that its commit may still come, or be taken back. How far Trino's clock is from ours lengthens nothing. */
function justFailed(queryId: string, { state, ran, endedAt }: QueryState, { failedAt, now }: Seen): boolean {
  if (state !== 'FAILED' || !ran || endedAt === null) return false
  const first = failedAt.get(queryId) ?? performance.now()
  failedAt.set(queryId, first)
  return now() - endedAt < COMMIT_GRACE_MS && performance.now() - first < COMMIT_GRACE_MS
}

async function firstUndecided(
  session: TrinoSession,
  queries: HandedIn[],
  seen: Seen,
  signal: AbortSignal,
): Promise<{ queryId: string; state: string } | null> {
  for (const { queryId, start } of queries) {
    const found = await stateOf(session, queryId, signal)
    const state = found?.state ?? 'NOT STARTED'
    if (found === null || NOT_STARTED.has(state)) {
      // An attempt that was only asleep could start it still: Trino shows no query whose first answer nobody fetched.
      if (seen.prevented.has(queryId)) continue
      await session.prevent(start, signal)
      seen.prevented.add(queryId)
      return { queryId, state }
    }
    if (!ENDED.has(state)) return { queryId, state }
    if (justFailed(queryId, found, seen)) return { queryId, state }
  }
  return null
}

/** Asks again for a while: an attempt must not fail for one answer that was lost. */
export async function stateOf(session: TrinoSession, queryId: string, signal: AbortSignal): Promise<QueryState | null> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    try {
      return await session.control.state(queryId, signal)
    } catch (cause) {
      signal.throwIfAborted()
      if (!(cause instanceof NoAnswer)) throw cause
      if (performance.now() + wait > giveUpAt) {
        throw new SluiceError('UNREACHABLE', `Trino does not say what became of query ${queryId}.`, { cause })
      }
    }
    await patiently(wait, signal)
  }
}

/** @throws the signal's reason */
export async function patiently(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch((error: unknown) => {
    signal.throwIfAborted()
    throw error
  })
}

/** The version that one of these queries has made by now, and that lasts; null when none has. */
export async function publishedBy(
  session: TrinoSession,
  table: TrinoTable,
  queries: HandedIn[],
  signal: AbortSignal,
): Promise<MadeVersion | null> {
  const ids = queries.map(({ queryId }) => queryId)
  const made = await madeVersionOf(session, table, ids, signal)
  return made !== null && (await lasting(session, made, queries, signal, null)) ? made : null
}

/**
 * Fetches the answers of a query that has committed, where its commit does not last without (`Publication.fetched`).
 * @param seen null when nobody waits for what becomes of a query that has just failed
 * @returns false when the query has failed since, so that its commit is to be looked for once more
 */
async function lasting(
  session: TrinoSession,
  made: MadeVersion,
  queries: HandedIn[],
  signal: AbortSignal,
  seen: Seen | null,
): Promise<boolean> {
  const query = queries.find(({ queryId }) => queryId === made.queryId)
  if (query?.next === undefined) return true
  const found = await stateOf(session, query.queryId, signal)
  if (found === null) return true
  if (ENDED.has(found.state)) return seen === null || !justFailed(query.queryId, found, seen)
  return fetchAnswers(session, query, signal)
}

/**
 * Follows a query that somebody else has started to its end. @returns false when it has failed
 * @throws StatementLost when its answers cannot be had any more; the signal's reason, after the query was ended
 */
export async function fetchAnswers(session: TrinoSession, query: HandedIn, signal: AbortSignal): Promise<boolean> {
  try {
    await session.resume(query, { signal }).finish()
    return true
  } catch (error) {
    if (error instanceof TrinoError) return false
    const found = error instanceof StatementLost ? await stateOf(session, query.queryId, signal) : null
    // it has ended in the meantime, and Trino no longer gives its answers
    if (found !== null && ENDED.has(found.state)) return found.state === 'FINISHED'
    throw error
  }
}

/** A table that is not there has no history, nor has one that Trino has taken back. */
async function madeVersionOf(
  session: TrinoSession,
  table: TrinoTable,
  queryIds: string[],
  signal: AbortSignal,
): Promise<MadeVersion | null> {
  try {
    return await madeVersion(session, table, queryIds, signal)
  } catch (error) {
    if (isSluiceError(error, 'TABLE_UNKNOWN') || isWithoutLog(error)) return null
    throw error
  }
}
