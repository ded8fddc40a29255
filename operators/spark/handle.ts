import type { Instant, Json, JsonObject } from '../../json.js'
import type { ClusterManager } from './submission.js'

/** What a later attempt has to know of an application, saved before Sluice waits for it. */
export interface SparkHandle {
  /** in the environment of spark-submit, so that a driver left behind can be found */
  marker: string
  manager: ClusterManager
  deployMode: 'client' | 'cluster'
  master: string
  applicationId: string | null
  /** the driver's id inside a cluster (deploy mode `cluster`) */
  submissionId: string | null
  /** machine that spark-submit was started on; null in what an older Sluice has saved */
  host: string | null
  /** the application's main class; null when its jar names it, and for Python */
  mainClass: string | null
  /** folder of the application's event log, when it is ours to read */
  eventLog: string | null
  /** first port of the driver's pages; null when it has none we may ask */
  uiPort: number | null
  submittedAt: Instant
  /** versions of the tables before the job, null for a table that was not there */
  tables: Record<string, number | null>
}

/** Environment variable that carries `SparkHandle.marker`. */
export const SUBMISSION_MARKER = 'SLUICE_SPARK_SUBMISSION'
/** Property of Spark that carries it too, so that an application is told from all others wherever it shows itself. */
export const SUBMISSION_PROPERTY = 'spark.sluice.submission'

/** What an attempt saves of its application; readHandle() of a later attempt gives it back. */
export function handleJson(handle: SparkHandle): JsonObject {
  return { ...handle, tables: { ...handle.tables } }
}

/** null for what an attempt of an older Sluice may have left, which is then started anew. */
export function readHandle(value: Json): SparkHandle | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const { marker, manager, deployMode, master, applicationId = null, submissionId = null, tables, ...rest } = value
  if (typeof marker !== 'string' || typeof master !== 'string') return null
  if (manager !== 'local' && manager !== 'standalone' && manager !== 'yarn' && manager !== 'kubernetes') return null
  if (deployMode !== 'client' && deployMode !== 'cluster') return null
  const text = (one: Json) => (typeof one === 'string' ? one : null)
  return {
    marker,
    manager,
    deployMode,
    master,
    applicationId: text(applicationId),
    submissionId: text(submissionId),
    host: text(rest.host ?? null),
    mainClass: text(rest.mainClass ?? null),
    eventLog: text(rest.eventLog ?? null),
    uiPort: typeof rest.uiPort === 'number' ? rest.uiPort : null,
    submittedAt: typeof rest.submittedAt === 'number' ? rest.submittedAt : 0,
    tables: readTables(tables),
  }
}

function readTables(value: Json | undefined): SparkHandle['tables'] {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) return {}
  return Object.fromEntries(
    Object.entries(value).map(([table, version]) => [table, typeof version === 'number' ? version : null]),
  )
}
