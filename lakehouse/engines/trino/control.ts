import { BasicAuth, type QueryInfo, Trino } from 'trino-client'
import { messageOf } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { TrinoServer } from './connection.js'
import { NoAnswer } from './exchange.js'

/** How long the end of a query is tried. */
const CANCEL_WITHIN_MS = 5_000

export interface QueryState {
  /** QUEUED, …, RUNNING, FINISHING, FINISHED or FAILED */
  state: string
  /** by Trino's clock; null while it has not ended */
  endedAt: Instant | null
  /** some part of it has run; a query without tasks has had no effect */
  ran: boolean
  /** all of it has run, and only its answer waits for somebody to fetch it */
  answers: boolean
}

/** Looks at queries by their id and ends them, whoever started them. */
export class QueryControl {
  readonly #trino: Trino

  constructor(server: TrinoServer) {
    this.#trino = Trino.create({
      server: server.url,
      source: 'sluice',
      extraHeaders: { 'X-Trino-User': server.user },
      ...(server.password === null ? {} : { auth: new BasicAuth(server.user, server.password) }),
      ...(server.ca === null ? {} : { ssl: { ca: server.ca } }),
    })
  }

  /**
   * Null when Trino does not know the query: never started, long ended, or from before a restart.
   * @throws NoAnswer
   */
  async state(queryId: string): Promise<QueryState | null> {
    try {
      const info: QueryInfo & { queryStats?: { endTime?: string; totalTasks?: number; progressPercentage?: number } } =
        await this.#trino.queryInfo(queryId)
      const endedAt = Date.parse(info.queryStats?.endTime ?? '')
      const ran = info.queryStats?.totalTasks !== 0
      const answers = (info.queryStats?.progressPercentage ?? 0) >= 100
      return { state: info.state, endedAt: Number.isNaN(endedAt) ? null : endedAt, ran, answers }
    } catch (error) {
      const status = statusOf(error)
      if (status === 404 || status === 410) return null
      // the library's own error carries the whole request, and the password with it
      throw new NoAnswer(new Error(messageOf(error)))
    }
  }

  /** Ends the query. Not reaching the server is no failure: Trino ends a query that nobody asks about after five minutes. */
  async cancel(queryId: string): Promise<void> {
    const cancelled = this.#trino.cancel(queryId).then(
      () => undefined,
      () => undefined,
    )
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CANCEL_WITHIN_MS)
    })
    await Promise.race([cancelled, late])
    clearTimeout(timer)
  }
}

function statusOf(error: unknown): number | null {
  const response = (error as { response?: { status?: unknown } } | null)?.response
  return typeof response?.status === 'number' ? response.status : null
}
