import type { LakehouseConfig } from '../config.js'
import { openCatalogStore } from '../objects/open.js'
import { DeltaCatalog } from './delta/delta-catalog.js'
import type { TableCatalog } from './table.js'

/**
 * Opens a catalog of `sluice.yaml`; nothing is read yet. The libraries of Iceberg (Avro, PostgreSQL) are loaded for a
 * catalog of that format only: a process that knows Delta alone does without their memory.
 * @throws SluiceError CONFIG_INVALID, CONNECTION_UNKNOWN
 */
export async function openTableCatalog(config: LakehouseConfig, name: string): Promise<TableCatalog> {
  const catalog = config.catalogs[name]
  if (catalog === undefined) throw new Error(`there is no catalog ${name}`)
  if (catalog.format === 'delta') return new DeltaCatalog(openCatalogStore(config, name))
  const { openIcebergCatalog } = await import('./iceberg/iceberg-catalog.js')
  return openIcebergCatalog(config, name)
}
