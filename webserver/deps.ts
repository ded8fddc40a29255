import type { Instant } from '../json.js'
import type { Tables } from '../lakehouse/lakehouse.js'
import type { Commands } from '../scheduler/commands.js'
import type { Events } from '../scheduler/events.js'
import type { Database } from '../scheduler/store/database.js'
import type { Store } from '../scheduler/store/store.js'
import type { AttemptLogs } from '../scheduler/worker/log-reader.js'

/** Everything the web server is given; it opens nothing itself. */
export interface WebDeps {
  store: Store
  /** for the read models in `scheduler/store/reads` only: the web server writes through `store` and `commands` */
  database: Database
  commands: Commands
  events: Events
  logs: Pick<AttemptLogs, 'read' | 'tail' | 'follow'>
  tables: Tables
  /**
   * The secret of a connection of type incoming_webhook; null when there is no such connection.
   * @throws SluiceError SECRET_MISSING
   */
  webhookSecret?(connection: string): string | null
  config: {
    /** address under which people reach Sluice; null when nobody has said */
    baseUrl: string | null
    /** absolute path of the project, so that the login page can say where to look */
    project: string
    /** what a Prometheus on another machine sends to read `/metrics`, and nothing else; absent: only users' tokens count */
    metricsToken?: string
  }
  now(): Instant
}
