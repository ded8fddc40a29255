import { SluiceError } from '../../../errors.js'
import type { LakehouseConfig } from '../../config.js'
import { isTableNamePart, type TableName } from '../../names.js'
import type { ObjectStore } from '../../objects/object-store.js'
import { openCatalogStore } from '../../objects/open.js'
import type { TableCatalog } from '../table.js'
import { catalogDatabases } from './catalog-database.js'
import { IcebergTable } from './iceberg-table.js'
import { JdbcCatalog } from './jdbc-catalog.js'

/** Iceberg tables by the rows of a JDBC catalog, which Trino and Spark share. */
class IcebergCatalog implements TableCatalog {
  constructor(
    readonly store: ObjectStore,
    private readonly catalog: JdbcCatalog,
  ) {}

  open(label: string, name: TableName): IcebergTable {
    return new IcebergTable(label, name, this.store, this.catalog)
  }

  async list(): Promise<{ schema: string; name: string }[]> {
    return (await this.catalog.tables())
      .map(({ namespace, name }) => ({ schema: namespace, name }))
      .filter(({ schema, name }) => isTableNamePart(schema) && isTableNamePart(name))
  }

  async close(): Promise<void> {
    await this.catalog.close()
    await this.store.close()
  }
}

/**
 * A catalog kept in a database, as Iceberg's own JDBC catalog lays it out. Neither database nor bucket is asked before
 * it is used.
 * @throws SluiceError CONFIG_INVALID, CONNECTION_UNKNOWN
 */
export function openIcebergCatalog(config: LakehouseConfig, name: string): IcebergCatalog {
  const jdbc = config.catalogs[name]?.jdbc
  if (jdbc === undefined) {
    const message = `catalogs.${name}: format iceberg needs the database of its catalog, jdbc: { connection, name }.`
    throw new SluiceError('CONFIG_INVALID', message, { retryable: false })
  }
  const connection = config.connections[jdbc.connection]
  if (connection === undefined) {
    throw new SluiceError('CONNECTION_UNKNOWN', `catalogs.${name}.jdbc: there is no connection ${jdbc.connection}.`)
  }
  const database = catalogDatabases.open({ name: jdbc.connection, config: connection }, config.project)
  return new IcebergCatalog(openCatalogStore(config, name), new JdbcCatalog(database, jdbc.name ?? name))
}
