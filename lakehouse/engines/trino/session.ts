import type { Json, JsonObject } from '../../../json.js'
import type { TrinoServer } from './connection.js'
import { QueryControl } from './control.js'
import { TrinoError } from './errors.js'
import { Exchange } from './exchange.js'
import type { HandedIn } from './handle.js'
import { jsonValue } from './json-values.js'
import type { StatementPage } from './protocol.js'
import { finishReading, type Remember } from './reading.js'
import { Statement, type StatementOptions } from './statement.js'
import { parseTrinoType, type TrinoType } from './types.js'

export type SessionOptions = Partial<Pick<StatementOptions, 'signal' | 'subject' | 'place' | 'left'>> & {
  /** a statement that the SQL refers to as `statement` */
  prepared?: string
  /** session properties of this statement alone, besides those of the connection */
  properties?: Record<string, string>
}

/** Of a SELECT that may take long, see `finishReading`. */
export type ReadingOptions = SessionOptions & { remember?: Remember | undefined }

/** Trino does not know a session property, or does not let this user set it. */
const REFUSED = new Set(['INVALID_SESSION_PROPERTY', 'CATALOG_NOT_FOUND', 'PERMISSION_DENIED'])

/** One user's way to a Trino. Statements of one session may run side by side. */
export class TrinoSession {
  readonly control: QueryControl
  readonly #exchange: Exchange
  #takesHints = true

  /** @param catalog Trino's catalog of names with two parts */
  constructor(
    readonly server: TrinoServer,
    catalog: string,
  ) {
    this.#exchange = new Exchange(server, {
      'X-Trino-Source': 'sluice',
      'X-Trino-Client-Tags': 'sluice',
      'X-Trino-Catalog': catalog,
      'X-Trino-Time-Zone': 'UTC',
      // without it Trino cuts timestamps to milliseconds
      'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
      'X-Trino-Language': 'en-US',
      ...sessionHeader(server.session),
    })
    this.control = new QueryControl(this.#exchange)
  }

  /** A statement with an id that does not run yet, see `Statement`. */
  submit(sql: string, options: SessionOptions = {}): Promise<Statement> {
    const { prepared, properties, subject = 'The SQL', ...rest } = options
    const headers = {
      ...(prepared === undefined ? {} : { 'X-Trino-Prepared-Statement': `statement=${encodeURIComponent(prepared)}` }),
      ...(properties === undefined ? {} : sessionHeader({ ...properties, ...this.server.session })),
    }
    return Statement.submit({ exchange: this.#exchange, control: this.control }, sql, { ...rest, subject, headers })
  }

  /** See `Statement.resume`. */
  resume(query: HandedIn, options: Pick<SessionOptions, 'signal' | 'left'> = {}): Statement {
    const subject = 'A query of an earlier attempt'
    return Statement.resume({ exchange: this.#exchange, control: this.control }, query, { ...options, subject })
  }

  /** Runs a statement whose rows do not matter; returns its last answer. */
  async run(sql: string, options: SessionOptions = {}): Promise<StatementPage> {
    return (await this.submit(sql, options)).finish()
  }

  /** All rows of a result known to be small. */
  async rows(sql: string, { remember, ...options }: ReadingOptions = {}): Promise<JsonObject[]> {
    const rows = new Rows(Number.POSITIVE_INFINITY)
    const statement = await this.submit(sql, options)
    const add = (page: StatementPage) => rows.add(page)
    await (remember === undefined ? statement.finish(add) : finishReading(statement, add, remember))
    return rows.rows
  }

  /**
   * Does work that session properties only make quicker, and does it without them where this Trino refuses them.
   * @param work runs statements with the properties it is given; a refusal comes before they have had an effect
   */
  async hinted<T>(hints: Record<string, string>, work: (properties: Record<string, string>) => Promise<T>): Promise<T> {
    if (!this.#takesHints || Object.keys(hints).length === 0) return work({})
    try {
      return await work(hints)
    } catch (error) {
      if (!(error instanceof TrinoError) || !REFUSED.has(error.failure.errorName)) throw error
      const done = await work({})
      this.#takesHints = false
      return done
    }
  }

  /** Makes sure that a statement which nobody has started yet is never started; see `HandedIn`. @throws SluiceError UNREACHABLE, the signal's reason */
  async prevent(start: string, signal?: AbortSignal): Promise<void> {
    await Statement.prevent(this.#exchange, start, signal)
  }

  close(): void {
    this.#exchange.close()
  }
}

function sessionHeader(properties: Record<string, string>): Record<string, string> {
  const list = Object.entries(properties).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return list.length === 0 ? {} : { 'X-Trino-Session': list.join(',') }
}

/** Gathers the rows of a result. */
export class Rows {
  readonly rows: JsonObject[] = []
  columns: { name: string; type: string }[] = []
  /** there are more rows than were asked for */
  truncated = false
  #types: TrinoType[] = []

  constructor(private readonly maxRows: number) {}

  add(page: StatementPage): 'more' | 'enough' {
    if (this.columns.length === 0 && page.columns !== null) {
      this.columns = distinct(page.columns)
      this.#types = page.columns.map((column) => parseTrinoType(column.type))
    }
    for (const values of page.data) {
      if (this.rows.length >= this.maxRows) {
        this.truncated = true
        return 'enough'
      }
      this.rows.push(this.#row(values))
    }
    return 'more'
  }

  #row(values: Json[]): JsonObject {
    return Object.fromEntries(
      this.columns.map(({ name }, index) => {
        const type = this.#types[index]
        const value = values[index] ?? null
        return [name, type === undefined ? value : jsonValue(value, type)]
      }),
    )
  }
}

/** A second column of the same name gets a number, so that no value hides another. */
function distinct(columns: { name: string; type: string }[]): { name: string; type: string }[] {
  const taken = new Set<string>()
  return columns.map(({ name, type }) => {
    let free = name
    for (let number = 1; taken.has(free); number++) free = `${name}:${number}`
    taken.add(free)
    return { name: free, type }
  })
}
