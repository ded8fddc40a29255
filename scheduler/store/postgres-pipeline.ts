import pg from 'pg'
import type { SqlRow } from './database.js'

/** A statement (no COPY) with its parameters; one with a name is planned once per connection. */
export interface PipelinedStatement {
  name?: string
  text: string
  values: unknown[]
}

/**
 * Runs statements as one transaction in one round trip: all are sent at once with a single Sync at the end, which ends
 * the transaction. PostgreSQL carries them out in order, each with a snapshot of its own (READ COMMITTED), so that a row
 * locked by one is seen by the next as its last owner left it. After an error it skips what follows and rolls all back.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 * @param client of nobody else until the answer; after an error it is to be destroyed
 * @returns the rows of each, once the transaction is committed
 * @throws pg.DatabaseError, with its code, what PostgreSQL refused; any other error: there was no whole answer, and nobody knows
 *   whether the transaction was committed
 */
export function pipelined(client: pg.ClientBase, statements: readonly PipelinedStatement[]): Promise<SqlRow[][]> {
  return new Promise((resolve, reject) => {
    client.query(new Pipeline(statements, client, resolve, reject))
  })
}

/** What pg's own queries use of a connection, more than pg's types tell. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void }
  /** text by name of what this connection has prepared; the client adds to it by `name` and `text` of the active query */
  readonly parsedStatements: Readonly<Record<string, string | undefined>>
  parse(statement: { name: string; text: string }): void
  bind(portal: { statement: string; values: unknown[] }): void
  describe(portal: { type: 'P' }): void
  execute(): void
  sync(): void
}

type Types = Pick<pg.ClientBase, 'getTypeParser'>

/** pg's own reader of rows and form of a parameter, so that its queries and ours cannot differ; its types leave them out. */
const { Result, utils } = pg as unknown as {
  Result: new (rowMode: undefined, types: Types) => RowReader
  utils: { prepareValue(value: unknown): string | Buffer | null }
}

interface RowReader {
  readonly rows: SqlRow[]
  addFields(fields: pg.FieldDef[]): void
  parseRow(values: (string | null)[]): SqlRow
  addRow(row: SqlRow): void
}

/** pg calls the `handle…` methods in the order of the server's answers, until `handleError` or `handleReadyForQuery`. */
class Pipeline implements pg.Submittable {
  readonly #statements: readonly PipelinedStatement[]
  readonly #types: Types
  readonly #resolve: (results: SqlRow[][]) => void
  readonly #reject: (error: Error) => void
  readonly #results: SqlRow[][] = []
  #reader: RowReader
  #unreadable: Error | null = null

  constructor(
    statements: readonly PipelinedStatement[],
    types: Types,
    resolve: (results: SqlRow[][]) => void,
    reject: (error: Error) => void,
  ) {
    this.#statements = statements
    this.#types = types
    this.#resolve = resolve
    this.#reject = reject
    this.#reader = new Result(undefined, this.#types)
  }

  /** Name and text of the statement that the server is at: when it answers that it has prepared one, it is this one. */
  get name(): string | undefined {
    return this.#statements[this.#results.length]?.name
  }

  get text(): string | undefined {
    return this.#statements[this.#results.length]?.text
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as Wire
    const portals = this.#statements.map(({ values }) => values.map((value) => utils.prepareValue(value)))
    const sent = new Set<string>()
    // one packet, as far as they go
    wire.stream.cork()
    try {
      for (const [index, { name = '', text }] of this.#statements.entries()) {
        const prepared = name !== '' && (sent.has(name) || wire.parsedStatements[name] !== undefined)
        if (!prepared) wire.parse({ name, text })
        sent.add(name)
        wire.bind({ statement: name, values: portals[index] ?? [] })
        wire.describe({ type: 'P' })
        wire.execute()
      }
      wire.sync()
    } finally {
      wire.stream.uncork()
    }
  }

  handleRowDescription({ fields }: { fields: pg.FieldDef[] }): void {
    this.#reader.addFields(fields)
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.#reader.addRow(this.#reader.parseRow(fields))
    } catch (error) {
      // thrown from here it would end up in the socket
      this.#unreadable ??= error instanceof Error ? error : new Error(String(error))
    }
  }

  handleCommandComplete(): void {
    this.#results.push(this.#reader.rows)
    this.#reader = new Result(undefined, this.#types)
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete()
  }

  handleError(error: Error): void {
    this.#reject(error)
  }

  handleReadyForQuery(): void {
    if (this.#unreadable === null) this.#resolve(this.#results)
    else this.#reject(this.#unreadable)
  }
}
