import type { CacheConfig, ConnectionConfig, LakehouseConfig } from '../lakehouse/config.js'
import type { Recipients } from './core/alert.js'
import type { EarlyWarning } from './dag/model.js'

/** Where task logs are kept. */
export interface LogsConfig {
  /** absolute folder, or s3://bucket/prefix */
  location: string
  /** of type s3; null for a folder */
  connection: string | null
}

/** How people are told of what happens. */
export interface AlertsConfig {
  /** null: mails are not sent */
  email: {
    /** of type smtp */
    connection: string
    /** an address, or `Name <address>` */
    from: string
    /** who is told of what belongs to no DAG, and of failures of DAGs that do not say themselves */
    to: string[]
  } | null
  /** a connection of type webhook, told of the same; null for none */
  webhook: string | null
  /** alerts raised within this of the first go out together */
  digestMs: number
  /** what early warnings of SLAs that do not say go by */
  earlyWarning: EarlyWarning
}

/** Names that DAG files may give as `webhook`. */
export function webhookNames({ connections }: Pick<Config, 'connections'>): string[] {
  return Object.keys(connections).filter((name) => connections[name]?.type === 'webhook')
}

/** Who is told of what belongs to no DAG, and of failures of DAGs that do not say themselves; null for nobody. */
export function projectRecipients({ alerts }: Pick<Config, 'alerts'>): Recipients | null {
  const email = alerts.email?.to ?? []
  return email.length === 0 && alerts.webhook === null ? null : { email, webhook: alerts.webhook }
}

/** `sluice.yaml` with every default filled in (docs/guides/operations.md); paths are absolute. `loadConfig` is in `load-config.ts`. */
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
  alerts: AlertsConfig
}
