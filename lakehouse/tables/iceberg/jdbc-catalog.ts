import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError } from '../../../errors.js'
import type { CatalogDatabase } from './catalog-database.js'

/** How often a swap whose answer was lost is asked again, and how long to wait before: 25 s in all. */
const TRIES = 8
const PAUSE_MS = 100

/** The rows of one catalog in the tables that Iceberg's JDBC catalog keeps, schema version V1. */
export class JdbcCatalog {
  constructor(
    private readonly database: CatalogDatabase,
    /** the catalog's name there */
    readonly name: string,
  ) {}

  /** Where the current metadata of a table is, or null when there is no such table. */
  async metadataLocation(namespace: string, table: string): Promise<string | null> {
    const { rows } = await this.query(
      `SELECT metadata_location FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2
       AND table_name = $3 AND coalesce(iceberg_type, 'TABLE') = 'TABLE'`,
      [this.name, namespace, table],
    )
    const location = rows[0]?.metadata_location
    return typeof location === 'string' ? location : null
  }

  async tables(): Promise<{ namespace: string; name: string }[]> {
    const { rows } = await this.query(
      `SELECT table_namespace, table_name FROM iceberg_tables
       WHERE catalog_name = $1 AND coalesce(iceberg_type, 'TABLE') = 'TABLE' ORDER BY table_namespace, table_name`,
      [this.name],
    )
    return rows.map((row) => ({ namespace: String(row.table_namespace), name: String(row.table_name) }))
  }

  /**
   * Puts a table's next metadata in the place of the current one, if that is still the expected one. An answer that is
   * lost is asked for again with the same words: the swap happens at most once.
   * @param expected null for a table that is to be made
   * @param isOurs whether the metadata of that location is ours or came after it
   * @returns false when another writer was first
   * @throws when it cannot be known: the swap may have happened, or still happen
   */
  async swap(
    table: { namespace: string; name: string },
    change: { expected: string | null; next: string },
    isOurs: (current: string) => Promise<boolean>,
  ): Promise<boolean> {
    let unclear = false
    for (let tries = 1; ; tries++) {
      try {
        if (await this.trySwap(table, change)) return true
        if (!unclear) return false
        const current = await this.metadataLocation(table.namespace, table.name)
        return current !== null && (await isOurs(current))
      } catch (error) {
        if (tries === TRIES || !isSluiceError(error) || error.code !== 'UNREACHABLE') throw error
        unclear = true
        await pause(PAUSE_MS * 2 ** (tries - 1))
      }
    }
  }

  private async trySwap(
    { namespace, name }: { namespace: string; name: string },
    { expected, next }: { expected: string | null; next: string },
  ): Promise<boolean> {
    if (expected === null) {
      const { changed } = await this.query(
        `WITH namespace AS (
           INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
           VALUES ($1, $2, 'exists', 'true') ON CONFLICT DO NOTHING)
         INSERT INTO iceberg_tables
           (catalog_name, table_namespace, table_name, metadata_location, previous_metadata_location, iceberg_type)
         VALUES ($1, $2, $3, $4, NULL, 'TABLE') ON CONFLICT DO NOTHING`,
        [this.name, namespace, name, next],
      )
      return changed === 1
    }
    const { changed } = await this.query(
      `UPDATE iceberg_tables SET metadata_location = $4, previous_metadata_location = $5
       WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $5
       AND coalesce(iceberg_type, 'TABLE') = 'TABLE'`,
      [this.name, namespace, name, next, expected],
    )
    return changed === 1
  }

  async close(): Promise<void> {
    await this.database.close()
  }

  private query(text: string, values: string[]) {
    return this.database.query(text, values)
  }
}
