import pg from 'pg'
import { codeOf, messageOf, SluiceError } from '../../errors.js'
import type { Database, Durability, LoneAnswer, Session, SqlRow, SqlStatement, SqlValue } from './database.js'
import { statementFailure } from './pglite.js'
import { answerOf, BoundSockets, STATEMENT_TIMEOUT } from './postgres-bounds.js'
import { type PipelinedStatement, pipelined } from './postgres-pipeline.js'

const INT8 = 20
const TIMESTAMPTZ = 1184
const NUMERIC = 1700
/**
 * PostgreSQL's own words for "try the transaction again": serialization failure and deadlock; and a unique violation, which
 * here means that another transaction has just written the row our statement looked for: the next look finds it.
 */
const TRY_AGAIN = new Set(['40001', '40P01', '23505'])
const TRIES = 5
/** The store's statements are a fixed set; what comes beyond this many is planned each time. */
const PREPARED_AT_MOST = 400
/** `server_version_num` of the oldest server whose SQL the store's statements are. */
const OLDEST_VERSION = 150_000
/** No such role or another password (28), no such database (3D000), or one that the role may not enter (42501). */
const DENIED = /^(28...|3D000|42501)$/

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === TIMESTAMPTZ) return (value: string) => Date.parse(value)
    if (oid === INT8 || oid === NUMERIC) return (value: string) => Number(value)
    return pg.types.getTypeParser(oid, format ?? 'text')
  },
}

const ignored = (): void => undefined

/** Asynchronous commit of this transaction: https://www.postgresql.org/docs/current/wal-async-commit.html */
const COMMIT_WITH_NEXT: SqlStatement = { sql: "select set_config('synchronous_commit', 'off', true)", params: [] }

/**
 * PostgreSQL 15 or newer over a pool of connections. A statement, or a transaction, that has no answer within seconds fails,
 * and nobody knows whether it was carried out; `script` and sessions take the time they need.
 */
export class PostgresDatabase implements Database {
  readonly exclusive = false
  readonly #pool: pg.Pool
  readonly #sockets: BoundSockets
  readonly #names = new Map<string, string>()

  private constructor(pool: pg.Pool, sockets: BoundSockets) {
    this.#pool = pool
    this.#sockets = sockets
    // A connection that breaks while idle is replaced by the pool; the next statement tells if the server is away.
    pool.on('error', ignored)
    // One that breaks in use tells the statement under way, and by an event too, perhaps in the same breath in which the pool
    // hands it out: a server that shuts down ends connections it has just opened. A listener added after that would be too late.
    pool.on('connect', (client) => client.on('error', ignored))
  }

  /**
   * @throws SluiceError UNREACHABLE when the server does not answer, CONNECTION_DENIED when it does not let the role into the
   *   database, STORE_TOO_OLD when it is older than PostgreSQL 15
   */
  static async open(
    url: string,
    options: { connections?: number; searchPath?: string } = {},
  ): Promise<PostgresDatabase> {
    const sockets = new BoundSockets()
    const searchPath = options.searchPath === undefined ? '' : ` -c search_path=${options.searchPath}`
    const pool = new pg.Pool({
      ...sockets.options,
      connectionString: url,
      max: options.connections ?? 10,
      types: types as unknown as pg.CustomTypesConfig,
      application_name: 'sluice',
      options: `-c TimeZone=UTC ${STATEMENT_TIMEOUT}${searchPath}`,
    })
    const database = new PostgresDatabase(pool, sockets)
    const { host } = new URL(url)
    try {
      const version = await database.#version().catch((error: unknown) => {
        throw notEntered(host, error)
      })
      if (version.number >= OLDEST_VERSION) return database
      const message = `The store at ${host} is PostgreSQL ${version.name}; expected version 15 or newer.`
      throw new SluiceError('STORE_TOO_OLD', message, { retryable: false })
    } catch (error) {
      await database.close()
      throw error
    }
  }

  /** As the server says itself: `server_version_num` is 150004 for 15.4. */
  async #version(): Promise<{ number: number; name: string }> {
    const sql = `select current_setting('server_version_num')::int as number, current_setting('server_version') as name`
    const [version] = await this.query<{ number: number; name: string }>(sql)
    if (version === undefined) throw new Error('the server does not tell its version')
    return version
  }

  async query<Row extends SqlRow = SqlRow>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
    const statement = this.#prepared(sql, params)
    return this.#trying(() => this.#lent(async (client) => (await client.query<Row>(statement)).rows))
  }

  async transaction(statements: readonly SqlStatement[], durable: Durability = 'at_once'): Promise<SqlRow[][]> {
    const first = durable === 'with_next' ? [COMMIT_WITH_NEXT] : []
    const pipeline = [...first, ...statements].map(({ sql, params }) => this.#prepared(sql, params))
    const results = await this.#trying(() => this.#lent((client) => pipelined(client, pipeline)))
    return results.slice(first.length)
  }

  async loneOr(lone: SqlStatement, general: readonly SqlStatement[]): Promise<LoneAnswer> {
    const rows = await this.query(lone.sql, lone.params)
    if (rows.length > 0) return { lone: rows }
    const results: SqlRow[][] = []
    for (const { sql, params } of general) results.push(await this.query(sql, params))
    return { general: results }
  }

  /**
   * A connection of its own, for a transaction that stays open between statements; it never reconnects, so that no statement
   * can fall outside of it. To be released.
   */
  async session(): Promise<Session & { release(): void }> {
    const client = await this.#patient()
    return {
      query: async <Row extends SqlRow>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> => {
        try {
          return (await client.query<Row>(sql, [...params])).rows
        } catch (error) {
          throw statementFailure(messageOf(error), codeOf(error), error)
        }
      },
      release: () => client.release(true),
    }
  }

  async script(sql: string): Promise<void> {
    const client = await this.#patient()
    try {
      await client.query(sql)
    } finally {
      client.release(true)
    }
  }

  async close(): Promise<void> {
    await this.#sockets.ended(this.#pool.end())
  }

  /** Destroyed after a failure, not handed back: whatever state the connection is in, nobody inherits it. */
  async #lent<T>(job: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    try {
      const result = await answerOf(job(client))
      client.release()
      return result
    } catch (error) {
      client.release(true)
      throw error
    }
  }

  /** A connection whose statements may take long, and wait for others; to be destroyed when it is released. */
  async #patient(): Promise<pg.PoolClient> {
    const client = await this.#pool.connect()
    try {
      await answerOf(client.query('set statement_timeout = 0'))
      return client
    } catch (error) {
      client.release(true)
      throw statementFailure(messageOf(error), codeOf(error), error)
    }
  }

  /**
   * Planned once per connection: planning takes longer than running. Not `select *`, whose result changes when another
   * instance migrates the store, which PostgreSQL refuses for a prepared statement.
   */
  #prepared(text: string, params: readonly SqlValue[]): PipelinedStatement {
    const values = [...params]
    const known = this.#names.get(text)
    if (known !== undefined) return { name: known, text, values }
    if (this.#names.size >= PREPARED_AT_MOST || /^\s*select \*/.test(text)) return { text, values }
    const name = `sluice_${this.#names.size}`
    this.#names.set(text, name)
    return { name, text, values }
  }

  async #trying<T>(job: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await job()
      } catch (error) {
        const code = codeOf(error)
        if (TRY_AGAIN.has(code) && attempt < TRIES) continue
        throw statementFailure(messageOf(error), code, error)
      }
    }
  }
}

function notEntered(host: string, error: unknown): SluiceError {
  const refusal = error instanceof Error ? error.cause : undefined
  const code = codeOf(refusal)
  if (!DENIED.test(code))
    return new SluiceError('UNREACHABLE', `The store at ${host} does not answer.`, { cause: error })
  const message = `The store at ${host} cannot be entered: ${messageOf(refusal)}.`
  const hint = 'Check user, password and database of `store` in sluice.yaml; the password may also be in PGPASSWORD.'
  return new SluiceError('CONNECTION_DENIED', message, { cause: error, hint, retryable: false })
}
