/** The lakehouse part of `sluice.yaml`, secrets still unresolved (`${env:NAME}`). */
export interface LakehouseConfig {
  /** absolute path of the project; relative locations are below it */
  project: string
  /** by name; the first one is the default catalog */
  catalogs: Record<string, CatalogConfig>
  /** the default engine is the connection named `lakehouse` */
  connections: Record<string, ConnectionConfig>
}

export interface CatalogConfig {
  format: 'delta' | 'iceberg'
  location: string
  connection?: string
}

export interface ConnectionConfig {
  type: string
  [key: string]: unknown
}

export interface DuckdbConnection extends ConnectionConfig {
  type: 'duckdb'
  /** DuckDB's own syntax, e.g. `1GB` */
  memory_limit: string
  threads?: number
}
