import type { Instant } from '../json.js'
import type { Tables } from '../lakehouse/lakehouse.js'
import type { Commands } from '../scheduler/commands.js'
import type { Events } from '../scheduler/events.js'
import type { LogLine } from '../scheduler/shapes.js'
import type { Database } from '../scheduler/store/database.js'
import type { Store } from '../scheduler/store/store.js'

export interface AttemptId {
  runId: string
  taskId: string
  attempt: number
}

/** Reads the logs of attempts, wherever the workers keep them. */
export interface LogReader {
  /** Lines in order from line `from` (1-based) on, as far as they are durable. An attempt without a log has none. */
  read(attempt: AttemptId, options: { from: number }): AsyncIterable<LogLine>
}

/** Everything the web server is given; it opens nothing itself. */
export interface WebDeps {
  store: Store
  /** for the read models in `scheduler/store/reads` only: the web server writes through `store` and `commands` */
  database: Database
  commands: Commands
  events: Events
  logs: LogReader
  tables: Tables
  config: {
    /** address under which people reach Sluice; null when nobody has said */
    baseUrl: string | null
    /** absolute path of the project, so that the login page can say where to look */
    project: string
  }
  now(): Instant
}
