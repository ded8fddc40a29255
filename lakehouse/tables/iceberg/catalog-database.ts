import pg from 'pg'
import { SluiceError } from '../../../errors.js'
import { type NamedConnection, POSTGRES_DEFAULTS, type PostgresConnection } from '../../config.js'
import { postgresClientConfig, postgresError } from '../../postgres-connection.js'

const CONNECTIONS = 4
const STATEMENT_MS = 30_000

/** The database that keeps the tables of a JDBC catalog. */
export interface CatalogDatabase {
  /** One statement, by itself a transaction. When it throws, it may have been carried out. */
  query(text: string, values: string[]): Promise<{ rows: Record<string, unknown>[]; changed: number }>
  close(): Promise<void>
}

/** Tests put a database in the process in the place of `open`. */
export const catalogDatabases = {
  /** @throws SluiceError CONFIG_INVALID */
  open(connection: NamedConnection, project: string): CatalogDatabase {
    return new PostgresCatalog(connection, project)
  },
}

class PostgresCatalog implements CatalogDatabase {
  private readonly pool: pg.Pool

  constructor(
    private readonly connection: NamedConnection,
    project: string,
  ) {
    this.pool = new pg.Pool({
      ...postgresClientConfig(connection, project),
      max: CONNECTIONS,
      statement_timeout: STATEMENT_MS,
      query_timeout: STATEMENT_MS + 5_000,
      allowExitOnIdle: true,
    })
    // a connection that breaks while nobody uses it is replaced at the next statement
    this.pool.on('error', () => undefined)
  }

  async query(text: string, values: string[]): Promise<{ rows: Record<string, unknown>[]; changed: number }> {
    try {
      const result = await this.pool.query<Record<string, unknown>>(text, values)
      return { rows: result.rows, changed: result.rowCount ?? 0 }
    } catch (error) {
      throw notPrepared(error, this.connection) ?? postgresError(error, this.connection, 'keep the catalog')
    }
  }

  async close(): Promise<void> {
    await this.pool.end()
  }
}

/** SQLSTATE: there is no such table, no such column */
const MISSING: Record<string, string> = {
  '42P01': 'lacks the tables of an Iceberg JDBC catalog',
  '42703': 'has the tables of an Iceberg JDBC catalog in an older form (V0)',
}

/** The database is there, and nobody has made it the home of a catalog yet; null for any other trouble. */
function notPrepared(error: unknown, { name, config }: NamedConnection): SluiceError | null {
  if (!(error instanceof pg.DatabaseError)) return null
  const what = MISSING[error.code ?? '']
  if (what === undefined) return null
  const { host, port = POSTGRES_DEFAULTS.port, database } = config as PostgresConnection
  const message = `The database ${database} at ${host}:${port} (connection ${name}) ${what}: ${error.message}.`
  return new SluiceError('CATALOG_NOT_PREPARED', message, { cause: error, retryable: false })
}
