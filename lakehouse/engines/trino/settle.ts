import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, SluiceError } from '../../../errors.js'
import type { QueryState } from './control.js'
import { isWithoutLog, StatementLost, TrinoError } from './errors.js'
import { NoAnswer } from './exchange.js'
import { type HandedIn, isTakenOver, makesTable } from './handle.js'
import { type MadeVersion, madeVersion } from './history.js'
import type { TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'

/** How long a silent server is asked what became of a query. */
const PATIENCE_MS = 10_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 2_000
/** A query that was ended while it committed may still commit for as long as this. */
const COMMIT_GRACE_MS = 10_000
/** One that has ended so long ago needs no grace any more: a proxy that tells the time for Trino may be off by some seconds. */
const LONG_AGO_MS = 60_000
/** States in which a query has no effect yet, so that ending it is certain. */
export const NOT_STARTED = new Set(['QUEUED', 'WAITING_FOR_RESOURCES', 'DISPATCHING'])
export const ENDED = new Set(['FINISHED', 'FAILED'])

export interface SettleOptions {
  signal: AbortSignal
  /** told what is waited for */
  waiting(queryId: string, state: string): void
  /** saves where a query that is followed has got to, before its next answer is fetched; as `OutsideWork.save` */
  remember(query: HandedIn): Promise<void>
}

/**
 * Finds out what became of queries that somebody else handed in: waits until one has committed or none can any more.
 * A query that has not started is ended; one that runs is left to run, because its commit is as good as ours. It is followed
 * where the handle tells from where: a query whose answers nobody fetches is ended by Trino. Else its state is watched.
 * @returns the version one of them made; null when none has committed and none will
 * @throws the signal's reason; SluiceError UNREACHABLE
 */
export async function settle(
  session: TrinoSession,
  table: TrinoTable,
  queries: HandedIn[],
  options: SettleOptions,
): Promise<MadeVersion | null> {
  const ids = queries.map((query) => query.queryId)
  const seen: Seen = { prevented: new Set(), failedAt: new Map(), followed: new Set() }
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    // first the states, then the history: a query that ends in between is found in the history
    const undecided = await firstUndecided(session, queries, seen, options.signal)
    const made = await madeVersionOf(session, table, ids, options.signal)
    if (made !== null && (await lasts(session, made, queries, seen, options.signal))) return made
    if (undecided === null) return null
    options.waiting(undecided.query.queryId, undecided.state)
    if (mayBeFollowed(undecided, seen)) await follow(session, undecided.query, options)
    else await patiently(wait, options.signal)
  }
}

function mayBeFollowed({ query, state }: Undecided, { followed }: Seen): boolean {
  if (query.next === undefined || followed.has(query.queryId) || NOT_STARTED.has(state) || ENDED.has(state))
    return false
  followed.add(query.queryId)
  return true
}

/** Fetches what is left of the answers of a query, or as many as can be had: an attempt that was only asleep may fetch them as well. */
async function follow(session: TrinoSession, query: HandedIn, options: SettleOptions): Promise<void> {
  const { signal, waiting, remember } = options
  try {
    await session.resume(query, { signal, left: isTakenOver }).finish(
      ({ stats }) => {
        if (stats.state !== 'UNKNOWN') waiting(query.queryId, stats.state)
        return 'more'
      },
      async (next) => {
        if (next !== query.next) await remember({ ...query, next })
      },
    )
  } catch (error) {
    // how it has ended is asked of its state and of the history
    if (!(error instanceof TrinoError || error instanceof StatementLost)) throw error
  }
}

interface Undecided {
  query: HandedIn
  state: string
}

/** What is known of queries besides what Trino says of them. */
interface Seen {
  /** those that were ended before they had started */
  prevented: Set<string>
  /** when a query was first seen as failed, by a clock that only goes on */
  failedAt: Map<string, number>
  /** those whose answers were fetched as far as they can be */
  followed: Set<string>
}

/** It has failed so lately that its commit may still come, or be taken back. How far Trino's clock is from ours plays no part. */
function justFailed(queryId: string, { state, ran, endedMsAgo }: QueryState, { failedAt }: Seen): boolean {
  if (state !== 'FAILED' || !ran || (endedMsAgo ?? 0) > LONG_AGO_MS) return false
  const first = failedAt.get(queryId) ?? performance.now()
  failedAt.set(queryId, first)
  return performance.now() - first < COMMIT_GRACE_MS
}

async function firstUndecided(
  session: TrinoSession,
  queries: HandedIn[],
  seen: Seen,
  signal: AbortSignal,
): Promise<Undecided | null> {
  let first: Undecided | null = null
  // all of them, so that the grace of several that have failed runs at the same time
  for (const query of queries) {
    const { queryId, start } = query
    const found = await stateOf(session, queryId, signal)
    const state = found?.state ?? 'NOT STARTED'
    let decided: boolean
    if (found === null || NOT_STARTED.has(state)) {
      // An attempt that was only asleep could start it still: Trino shows no query whose first answer nobody fetched.
      decided = seen.prevented.has(queryId)
      if (!decided) await session.prevent(start, signal)
      seen.prevented.add(queryId)
    } else decided = ENDED.has(state) && !justFailed(queryId, found, seen)
    if (!decided) first ??= { query, state }
  }
  return first
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
  const query = made === null ? undefined : takenBackUnlessFetched(queries, made)
  if (query === undefined) return made
  const found = await stateOf(session, query.queryId, signal)
  if (found === null || ENDED.has(found.state)) return made
  return (await fetchAnswers(session, query, signal)) ? made : null
}

/** The query that has made this version, where that lasts only once its answers were fetched. */
function takenBackUnlessFetched(queries: HandedIn[], made: MadeVersion): HandedIn | undefined {
  return queries.find((query) => query.queryId === made.queryId && makesTable(query))
}

/** False while the version may be taken back: its query has not ended, or has failed just now. */
async function lasts(
  session: TrinoSession,
  made: MadeVersion,
  queries: HandedIn[],
  seen: Seen,
  signal: AbortSignal,
): Promise<boolean> {
  const query = takenBackUnlessFetched(queries, made)
  const found = query === undefined ? null : await stateOf(session, query.queryId, signal)
  return found === null || (ENDED.has(found.state) && !justFailed(made.queryId, found, seen))
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
