import { Catalogs } from './catalogs.js'
import type { LakehouseConfig } from './config.js'
import type { Lakehouse, Tables } from './lakehouse.js'
import { DeltaTables } from './tables/delta/delta-tables.js'

/**
 * Opens what can be known of tables without a SQL engine; cheap enough for the web process.
 * @throws SluiceError CONFIG_INVALID when a catalog is of a form this Sluice cannot open
 */
export function openTables(config: LakehouseConfig): Tables {
  return new DeltaTables(new Catalogs(config))
}

/**
 * Opens the lakehouse with its SQL engine in this process. DuckDB's memory limit is soft, so processes that must not
 * fail never call this: it belongs into a worker's slot or a command of its own. Connections come with their secrets
 * resolved.
 * @param connectionName a connection of type duckdb
 * @throws SluiceError CONNECTION_UNKNOWN, CONFIG_INVALID
 */
export async function openLakehouse(config: LakehouseConfig, connectionName = 'lakehouse'): Promise<Lakehouse> {
  const { openDuckdbLakehouse } = await import('./engines/duckdb/lakehouse.js')
  return openDuckdbLakehouse(config, connectionName)
}
