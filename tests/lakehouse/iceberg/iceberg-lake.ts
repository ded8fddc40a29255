import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import type { LakehouseConfig } from '../../../lakehouse/config.js'
import { type CatalogDatabase, catalogDatabases } from '../../../lakehouse/tables/iceberg/catalog-database.js'
import type { IndependentRead } from '../independent-reader.js'
import { Lake } from '../subject.js'
import { readIceberg } from './independent-reader.js'

/** One PostgreSQL in the process for all catalogs of a test file; each lake is a catalog of its own in it. */
const database = await PGlite.create()
await database.exec(readFileSync(new URL('./jdbc-catalog.sql', import.meta.url), 'utf8'))

catalogDatabases.open = (): CatalogDatabase => ({
  query: async (text, values) => {
    const result = await database.query<Record<string, unknown>>(text, values)
    return { rows: result.rows, changed: result.affectedRows ?? 0 }
  },
  close: async () => undefined,
})

/** A lakehouse of Iceberg tables in a folder. */
export class IcebergLake extends Lake {
  readonly catalogName = `lake-${randomUUID()}`
  override readonly firstVersion = 1

  override get config(): LakehouseConfig {
    return {
      project: this.project,
      catalogs: {
        lake: { format: 'iceberg', location: './lake', jdbc: { connection: 'catalog', name: this.catalogName } },
      },
      connections: {
        lakehouse: { type: 'duckdb', memory_limit: '512MB', threads: 2 },
        catalog: { type: 'postgres', host: 'in-the-process', database: 'catalog' },
      },
    }
  }

  /** Where the metadata of a table is, or null. */
  async metadataLocation(table: string): Promise<string | null> {
    const [namespace, name] = table.split('.')
    const { rows } = await database.query<{ metadata_location: string }>(
      'SELECT metadata_location FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3',
      [this.catalogName, namespace, name],
    )
    return rows[0]?.metadata_location ?? null
  }

  /** What another engine's commit does to the catalog. */
  async pointTo(table: string, location: string): Promise<void> {
    const [namespace, name] = table.split('.')
    await database.query(
      'UPDATE iceberg_tables SET metadata_location = $4 WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3',
      [this.catalogName, namespace, name, location],
    )
  }

  override async independent(table: string): Promise<IndependentRead> {
    const location = await this.metadataLocation(table)
    return location === null ? { version: -1, rows: [], tokens: [] } : readIceberg(location)
  }
}
