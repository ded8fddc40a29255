import type { QueryInfo } from 'trino-client'
import type { Instant } from '../../../json.js'
import { type Asked, trinoClient } from './client.js'
import { type Answer, type Exchange, NoAnswer } from './exchange.js'

/** How long one answer about a query may take; Trino gives it from memory. */
const ANSWER_WITHIN_MS = 5_000

export interface QueryState {
  /** QUEUED, …, RUNNING, FINISHING, FINISHED or FAILED */
  state: string
  /** how long ago it has ended, within a second and by the clock of who says so, never by ours; null when that is not known */
  endedMsAgo: number | null
  /** some part of it has run; a query without tasks has had no effect */
  ran: boolean
  /** all of it has run, and only its answer waits for somebody to fetch it */
  answers: boolean
}

/** What Trino tells of a query; trino-client has no statistics in its type. */
type Told = QueryInfo & {
  queryStats?: { endTime?: string; totalTasks?: number; progressPercentage?: number }
  /** of the answer, see `Answer` */
  answeredAt: Instant | null
}

/** Looks at queries by their id and ends them, whoever started them. */
export class QueryControl {
  constructor(private readonly exchange: Exchange) {}

  /**
   * Null when Trino does not know the query: never started, long ended, or from before a restart.
   * @throws NoAnswer, also when the signal is aborted or after 5 s; SluiceError UNREACHABLE when the server is not to be trusted
   */
  async state(queryId: string, signal?: AbortSignal): Promise<QueryState | null> {
    const trino = trinoClient(async (asked) => toldBy(await this.#send(asked, signal)))
    const told = (await trino.queryInfo(encodeURIComponent(queryId))) as Told | null
    if (told === null) return null
    const { state, queryStats, answeredAt } = told
    const endedMsAgo = (answeredAt ?? Number.NaN) - Date.parse(queryStats?.endTime ?? '')
    const ran = queryStats?.totalTasks !== 0
    const answers = (queryStats?.progressPercentage ?? 0) >= 100
    return { state, endedMsAgo: Number.isNaN(endedMsAgo) ? null : endedMsAgo, ran, answers }
  }

  /** Ends the query. Not reaching the server is no failure: Trino ends a query that nobody asks about after five minutes. */
  async cancel(queryId: string): Promise<void> {
    const trino = trinoClient((asked) => this.#send(asked))
    await trino.cancel(encodeURIComponent(queryId)).catch(() => undefined)
  }

  #send({ method, path }: Asked, signal?: AbortSignal): Promise<Answer> {
    return this.exchange.request(method, path, { signal, withinMs: ANSWER_WITHIN_MS })
  }
}

/** @throws NoAnswer for whatever a proxy or a server in trouble says instead */
function toldBy({ status, text, answeredAt }: Answer): Told | null {
  if (status === 404 || status === 410) return null
  if (status !== 200) throw new NoAnswer(new Error(`HTTP ${status}`))
  try {
    return { ...(JSON.parse(text) as QueryInfo), answeredAt }
  } catch (error) {
    throw new NoAnswer(error)
  }
}
