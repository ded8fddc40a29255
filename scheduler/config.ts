import type { CacheConfig, ConnectionConfig, LakehouseConfig } from '../lakehouse/config.js'

/** Where task logs are kept. */
export interface LogsConfig {
  /** absolute folder, or s3://bucket/prefix */
  location: string
  /** of type s3; null for a folder */
  connection: string | null
}

/** `sluice.yaml` with every default filled in (DESIGN 7); paths are absolute. `loadConfig` is in `load-config.ts`. */
export interface Config {
  /** absolute path of the folder that holds `sluice.yaml` */
  project: string
  catalogs: LakehouseConfig['catalogs']
  connections: Record<string, ConnectionConfig>
  /** absolute folder for PGlite, or a postgres:// URL */
  store: string
  queue: string
  /** absolute path of the DAGs folder */
  dags: string
  logs: LogsConfig
  /** files of object stores, kept on this machine */
  cache: CacheConfig
  pools: Record<string, number>
  vars: Record<string, string>
  /** days that schedules may leave out, by name: `{ france: ['2026-12-25'] }` */
  calendars: Record<string, string[]>
  baseUrl: string | null
}
