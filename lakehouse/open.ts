import { Catalogs } from './catalogs.js'
import { DUCKDB_MEMORY_LIMIT, type LakehouseConfig } from './config.js'
import type { Lakehouse, Tables } from './lakehouse.js'
import { CatalogTables } from './tables/catalog-tables.js'

/**
 * Opens what can be known of tables without a SQL engine; cheap enough for the web process.
 * @throws SluiceError CONFIG_INVALID when a catalog is of a form this Sluice cannot open
 */
export async function openTables(config: LakehouseConfig): Promise<Tables> {
  return new CatalogTables(await Catalogs.open(config))
}

/**
 * Opens the lakehouse with the SQL engine of a connection. DuckDB runs in this process and its memory limit is soft, so
 * processes that must not fail never call this: it belongs into a worker's slot or a command of its own. Connections come
 * with their secrets resolved.
 * @param connectionName a connection of type duckdb or trino
 * @throws SluiceError CONNECTION_UNKNOWN, CONFIG_INVALID
 */
export async function openLakehouse(config: LakehouseConfig, connectionName = 'lakehouse'): Promise<Lakehouse> {
  if (config.connections[connectionName]?.type !== 'trino') return openEmbedded(config, connectionName)
  const { openTrinoLakehouse } = await import('./engines/trino/lakehouse.js')
  return openTrinoLakehouse(config, connectionName, {
    tables: () => openTables(config),
    embedded: () => openEmbedded(withEmbedded(config), EMBEDDED),
  })
}

/** The connection whose engine is for files of the project beside a Trino, which cannot reach them. */
const EMBEDDED = 'embedded'

function withEmbedded(config: LakehouseConfig): LakehouseConfig {
  const { connections } = config
  if (connections[EMBEDDED]?.type === 'duckdb') return config
  return {
    ...config,
    connections: { ...connections, [EMBEDDED]: { type: 'duckdb', memory_limit: DUCKDB_MEMORY_LIMIT } },
  }
}

async function openEmbedded(config: LakehouseConfig, connectionName: string): Promise<Lakehouse> {
  const { openDuckdbLakehouse } = await import('./engines/duckdb/lakehouse.js')
  return openDuckdbLakehouse(config, connectionName)
}
