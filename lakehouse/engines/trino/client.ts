import { QueryIterator, type QueryResult, Trino } from 'trino-client'
import type { StatementPage } from './protocol.js'

/** A request that trino-client wants to have sent. */
export interface Asked {
  method: 'GET' | 'POST' | 'DELETE'
  /** below the server, or a whole address that the server gave */
  path: string
  body?: string
  headers: Record<string, string>
}

type Client = ConstructorParameters<typeof QueryIterator>[0]
type ClientRequest = Parameters<Client['request']>[0]

/**
 * trino-client with another transport under it: it says what is asked of Trino, `send` how (docs/adr/0016). Its own transport has
 * no deadline, takes no signal, gives up at the first lost answer, rounds whole numbers above 2^53, and carries what one
 * statement sets over into those beside it.
 * @param send gives what the answer says, as trino-client would read it from JSON
 */
export function trinoClient(send: (asked: Asked) => Promise<unknown>): Trino {
  const trino = Trino.create({})
  clientOf(trino).request = async <T>(request: ClientRequest) => (await send(asked(request))) as T
  return trino
}

/**
 * The answers to one statement, one after the other. `submit` gives the first, which has the query's id; Trino starts the query
 * when the next one is asked for.
 */
export class Answers {
  readonly #trino: Trino
  #pages: AsyncIterator<QueryResult> | undefined
  #latest: StatementPage | undefined

  /**
   * @param send gives the answer to a request of the statement protocol; is told the query's id, null when it is about to be given
   *   one; what it throws comes out of `submit` and `next`
   */
  constructor(send: (asked: Asked, queryId: string | null) => Promise<StatementPage>) {
    this.#trino = trinoClient(async (asked) => {
      this.#latest = await send(asked, this.#latest?.id ?? null)
      return result(this.#latest)
    })
  }

  /** Hands a statement in. */
  async submit(sql: string, headers: Record<string, string>): Promise<StatementPage> {
    this.#pages = await this.#trino.query({ query: sql, extraHeaders: headers })
    return this.#page()
  }

  /** Goes on after an answer that was known before. */
  resume(page: StatementPage): void {
    this.#latest = page
    this.#pages = new QueryIterator(clientOf(this.#trino), result(page))
  }

  /** The next answer; the last one again when there is none. */
  async next(): Promise<StatementPage> {
    await this.#pages?.next()
    return this.#page()
  }

  #page(): StatementPage {
    if (this.#latest === undefined) throw new Error('no statement has been handed in')
    return this.#latest
  }
}

/** An answer for trino-client: always with a row, as it passes over answers without rows, and with them over what they tell. */
function result({ id, nextUri }: StatementPage): QueryResult {
  return { id, ...(nextUri === null ? {} : { nextUri }), data: [[]] }
}

function asked({ method = 'GET', url = '', data, headers }: ClientRequest): Asked {
  const named = Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)])
  const body = typeof data === 'string' ? { body: data } : {}
  return { method: method as Asked['method'], path: url, ...body, headers: Object.fromEntries(named) }
}

/** The one object through which a Trino sends everything. The package takes none from outside, so it is changed in place. */
function clientOf(trino: Trino): Client {
  const client: unknown = Reflect.get(trino, 'client')
  if (typeof client !== 'object' || client === null || !('request' in client)) {
    throw new Error('this trino-client does not send its requests through client.request')
  }
  return client as Client
}
