/** The lakehouse part of `sluice.yaml`, secrets still unresolved (`${env:NAME}`). */
export interface LakehouseConfig {
  /** absolute path of the project; relative locations are below it */
  project: string
  /** by name; the first one is the default catalog */
  catalogs: Record<string, CatalogConfig>
  /** the default engine is the connection named `lakehouse` */
  connections: Record<string, ConnectionConfig>
  /** where files of object stores are kept on this machine; by default below the project */
  cache?: CacheConfig
  /** absolute path of a folder that the embedded engine may spill into; by default that of the system for what is temporary */
  spill?: string
}

export interface CacheConfig {
  /** absolute path */
  folder: string
  /** what the kept files may take up together */
  maxBytes: number
}

export interface CatalogConfig {
  format: 'delta' | 'iceberg'
  location: string
  connection?: string
  /** Iceberg: the database with the catalog's tables, and the catalog's name there, by default the same */
  jdbc?: { connection: string; name?: string }
  /** the catalog's name in Trino; by default the same */
  trino?: string
}

/** Of the embedded engine where no connection says, in DuckDB's syntax. */
export const DUCKDB_MEMORY_LIMIT = '1GB'

/** Threads of the embedded engine where no connection says: a slot is one of several on its machine. */
export const DUCKDB_MOST_THREADS = 4

/** Connections of type postgres that do not say. */
export const POSTGRES_DEFAULTS = { port: 5432, tls: 'off' } as const

export interface ConnectionConfig {
  type: string
  [key: string]: unknown
}

export interface DuckdbConnection extends ConnectionConfig {
  type: 'duckdb'
  /** DuckDB's own syntax, e.g. `1GB` */
  memory_limit: string
  /** by default one for each processor, at most `DUCKDB_MOST_THREADS` */
  threads?: number
}

export interface TrinoConnection extends ConnectionConfig {
  type: 'trino'
  /** address of the coordinator */
  url: string
  user: string
  /** needs an https:// url */
  password?: string
  /** PEM file of a certificate authority to trust besides the usual ones, relative to the project */
  ca?: string
  /** session properties, `name` or `catalog.name` */
  session?: Record<string, string | number | boolean>
}

/** Credentials come from here, or else from where the AWS SDK looks: environment, shared files, roles. */
export interface S3Connection extends ConnectionConfig {
  type: 's3'
  /** URL of a store that is not AWS */
  endpoint?: string
  region?: string
  /** `http://host/bucket` instead of `http://bucket.host`; true by default when there is an endpoint */
  path_style?: boolean
  access_key?: string
  secret_key?: string
  session_token?: string
  /** PEM file of a certificate authority to trust besides the usual ones, relative to the project */
  ca?: string
}

/** A PostgreSQL database that tables are read from, or that keeps a catalog. */
export interface PostgresConnection extends ConnectionConfig {
  type: 'postgres'
  host: string
  port?: number
  database: string
  user?: string
  password?: string
  /** `required` encrypts, `verified` also checks who the server is; `off` by default */
  tls?: 'off' | 'required' | 'verified'
  /** PEM file of a certificate authority to trust besides the usual ones, relative to the project */
  ca?: string
}

/** A connection with the name that messages call it by; secrets resolved. */
export interface NamedConnection {
  name: string
  config: ConnectionConfig
}
