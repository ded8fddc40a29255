import { type PGlite, parse, protocol, types } from '@electric-sql/pglite'
import type { SqlRow, SqlStatement, SqlValue } from './database.js'

/** The store's statements are a fixed set; what comes beyond this many is planned each time. */
const PREPARED_AT_MOST = 400

interface Prepared {
  name: string
  paramTypes: number[]
}

/**
 * Statements planned once and kept: planning one of the store's statements takes 3 to 15 ms, running it well below one.
 * PGlite's own `query` plans each time, so this speaks PostgreSQL's extended protocol itself.
 */
export class PgliteStatements {
  readonly #database: PGlite
  readonly #parsers: Record<number, types.Parser>
  readonly #prepared = new Map<string, Prepared>()

  constructor(database: PGlite, parsers: Record<number, types.Parser>) {
    this.#database = database
    this.#parsers = parsers
  }

  /** The caller runs one at a time. */
  async run({ sql, params }: SqlStatement): Promise<SqlRow[]> {
    const statement = this.#prepared.get(sql) ?? (await this.#prepare(sql))
    const values = params.map((value, index) => asText(value, statement.paramTypes[index]))
    const { messages } = await this.#database.execProtocol(
      joined([
        protocol.serialize.bind({ statement: statement.name, values }),
        protocol.serialize.describe({ type: 'P' }),
        protocol.serialize.execute({}),
        protocol.serialize.sync(),
      ]),
      { syncToFs: false },
    )
    const [result] = parse.parseResults(messages, this.#parsers, {})
    return (result?.rows ?? []) as SqlRow[]
  }

  async #prepare(sql: string): Promise<Prepared> {
    const kept = this.#prepared.size < PREPARED_AT_MOST
    const name = kept ? `s${this.#prepared.size}` : ''
    const { messages } = await this.#database.execProtocol(
      joined([
        protocol.serialize.parse({ name, text: sql }),
        protocol.serialize.describe({ type: 'S', name }),
        protocol.serialize.sync(),
      ]),
      { syncToFs: false },
    )
    const statement = { name, paramTypes: parse.parseDescribeStatementResults(messages) }
    if (kept) this.#prepared.set(sql, statement)
    return statement
  }
}

function asText(value: SqlValue, type: number | undefined): string | null {
  if (value === null) return null
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return types.arraySerializer(value.map(elementText), undefined, type ?? types.TEXT)
  const serialize = type === undefined ? undefined : types.serializers[type]
  return serialize === undefined ? String(value) : serialize(value)
}

function elementText(value: string | number | boolean | Date | null): string | null {
  if (value === null) return null
  return value instanceof Date ? value.toISOString() : String(value)
}

function joined(messages: Uint8Array[]): Uint8Array {
  return Buffer.concat(messages)
}
