import type { LakehouseConfig } from '../config.js'
import { openCatalogStore } from '../objects/open.js'
import { DeltaCatalog } from './delta/delta-catalog.js'
import { openIcebergCatalog } from './iceberg/iceberg-catalog.js'
import type { TableCatalog } from './table.js'

/**
 * Opens a catalog of `sluice.yaml`; nothing is read yet.
 * @throws SluiceError CONFIG_INVALID, CONNECTION_UNKNOWN
 */
export function openTableCatalog(config: LakehouseConfig, name: string): TableCatalog {
  const catalog = config.catalogs[name]
  if (catalog === undefined) throw new Error(`there is no catalog ${name}`)
  if (catalog.format === 'delta') return new DeltaCatalog(openCatalogStore(config, name))
  return openIcebergCatalog(config, name)
}
