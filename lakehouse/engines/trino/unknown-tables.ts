import { isSluiceError, SluiceError } from '../../../errors.js'
import type { Tables } from '../../lakehouse.js'
import { closest } from '../../names.js'
import { identifier, literal } from '../../sql.js'
import { TrinoError } from './errors.js'
import { STAGING_SCHEMA, type TrinoNames, type TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'
import { creating } from './staging.js'

/** A query may name as many new tables as this; each costs one round. */
const MAX_REGISTRATIONS = 20

/**
 * Tables that Trino does not know. A Delta table that another engine has made lies in its folder and is registered when it
 * is first asked for; of the others Sluice says which one was meant.
 */
export class UnknownTables {
  constructor(
    private readonly session: TrinoSession,
    private readonly names: TrinoNames,
    private readonly metadata: () => Promise<Tables>,
  ) {}

  /**
   * Runs `work`, and again after each table it lacked could be registered.
   * @param sql the author's text, to which places in errors refer
   * @throws SluiceError TABLE_UNKNOWN in the words of all engines
   */
  async resolving<T>(sql: string, work: () => Promise<T>): Promise<T> {
    for (let round = 0; ; round++) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof TrinoError) || error.code !== 'TABLE_UNKNOWN') throw error
        const missing = this.#missing(error, sql)
        if (missing === null) throw error
        if (round >= MAX_REGISTRATIONS || !(await this.register(missing))) throw await this.error(missing, error)
      }
    }
  }

  /** Makes a Delta table of our own reader known to Trino; false when there is none. */
  async register(table: TrinoTable): Promise<boolean> {
    if (table.format !== 'delta' || table.schemaLocation === null) return false
    const location = await this.#locationOf(table)
    if (location === null) return false
    const names = `${literal(table.schema)}, ${literal(table.name)}, ${literal(location)}`
    const call = `CALL ${identifier(table.catalog)}.system.register_table(${names})`
    try {
      await creating(this.session, table, () => this.session.run(call, { subject: `Registering ${table.label}` }))
    } catch (error) {
      // another worker was quicker
      if (!(error instanceof TrinoError) || error.failure.errorName !== 'TABLE_ALREADY_EXISTS') throw error
    }
    return true
  }

  /** The refusal of a table that is not there, with the nearest name when there is one. */
  async error(table: TrinoTable, cause?: unknown): Promise<SluiceError> {
    const rows = await this.session.rows(
      `SELECT table_schema, table_name FROM ${identifier(table.catalog)}.information_schema.tables
       WHERE table_schema NOT IN ('information_schema', ${literal(STAGING_SCHEMA)})`,
      { subject: 'Looking up tables' },
    )
    const labels = rows.map((row) => {
      return this.names.known(table.catalog, String(row.table_schema), String(row.table_name))?.label ?? ''
    })
    const near = closest(table.label, labels)
    const question = near === null ? '' : ` Did you mean ${near}?`
    return new SluiceError('TABLE_UNKNOWN', `There is no table ${table.label}.${question}`, { cause, retryable: false })
  }

  /** Null for tables of catalogs that are not of the lakehouse. */
  #missing(error: TrinoError, sql: string): TrinoTable | null {
    const [, named = ''] = /^(?:line \S+ )?Table '([^']+)' does not exist/.exec(error.failure.message) ?? []
    const [catalog = '', schema = '', name = ''] = named.split('.')
    if (name !== '') return this.names.known(catalog, schema, name)
    const text = error.place === null ? '' : (nameAt(sql, error.place) ?? '')
    return /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}$/.test(text) ? this.#tableOrNull(text) : null
  }

  #tableOrNull(text: string): TrinoTable | null {
    try {
      return this.names.table(text)
    } catch (error) {
      if (isSluiceError(error)) return null
      throw error
    }
  }

  async #locationOf(table: TrinoTable): Promise<string | null> {
    try {
      return (await (await this.metadata()).summary(table.label)).location
    } catch (error) {
      if (isSluiceError(error, 'TABLE_UNKNOWN')) return null
      throw error
    }
  }
}

/** The name that stands at a place of a text, parts joined by dots, without quotes. */
function nameAt(sql: string, place: { line: number; column: number }): string | null {
  const rest = sql
    .split('\n')
    .slice(place.line - 1)
    .join('\n')
    .slice(place.column - 1)
  const found = /^(?:"[^"]+"|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+)){1,2}/.exec(rest)?.[0]
  return found === undefined ? null : found.replace(/["\s]/g, '').toLowerCase()
}
