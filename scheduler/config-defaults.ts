import type { JsonObject } from '../json.js'
import { DUCKDB_MEMORY_LIMIT } from '../lakehouse/config.js'
import { EARLY_WARNING_DEFAULT } from './dag/sla-schema.js'

/** What an empty `sluice.yaml` means. What the file says is merged into it key by key; the schema shows it as `default`. */
export const CONFIG_DEFAULTS = {
  catalogs: { lake: { format: 'delta', location: './data/lake' } },
  connections: { lakehouse: { type: 'duckdb', memory_limit: DUCKDB_MEMORY_LIMIT } },
  store: './data/store',
  queue: 'local',
  dags: './dags',
  logs: './data/logs',
  cache: { folder: './data/cache', size: '10GB' },
  pools: { default: 128 },
  vars: {},
  calendars: {},
  alerts: { digest: '5s', early_warning: EARLY_WARNING_DEFAULT },
} satisfies JsonObject

/** The format of a catalog that does not say. */
export const CATALOG_FORMAT = 'delta'

/** What messages and login links begin with where nothing else says: the web view of a laptop. */
export const BASE_URL_WITHOUT = 'http://localhost:8080'

/** Connections of type smtp that do not say: the port where mail is handed in, and nothing sent in the clear. */
export const SMTP_DEFAULTS = { port: 587, tls: 'required' } as const
