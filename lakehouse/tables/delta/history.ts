import { isObject, type Json, type JsonObject } from '../../../json.js'
import type { TableVersion } from '../../lakehouse.js'
import type { DeltaLog, LogEntry } from './log.js'

const CONCURRENT_READS = 16

/** The history of a table, newest first. It ends where another engine has cleaned the log away. */
export async function history(
  log: DeltaLog,
  newest: number,
  options: { limit: number; before?: number },
): Promise<TableVersion[]> {
  const versions: TableVersion[] = []
  const from = Math.min(newest, (options.before ?? newest + 1) - 1)
  const wanted = Array.from({ length: Math.max(0, Math.min(options.limit, from + 1)) }, (_, index) => from - index)
  for (let start = 0; start < wanted.length; start += CONCURRENT_READS) {
    const batch = wanted.slice(start, start + CONCURRENT_READS)
    for (const entry of await Promise.all(batch.map((version) => log.entry(version)))) {
      if (entry === null) return versions
      versions.push(describeEntry(entry))
    }
  }
  return versions
}

function describeEntry(entry: LogEntry): TableVersion {
  const action = entry.actions.find((candidate) => 'commitInfo' in candidate)
  const info: JsonObject = action !== undefined && 'commitInfo' in action ? action.commitInfo : {}
  const ours = originOf(info)
  const metrics: JsonObject = isObject(info.operationMetrics) ? info.operationMetrics : {}
  const text = (key: string): string | null => (typeof ours[key] === 'string' ? ours[key] : null)
  const number = (key: string): number | null => (typeof ours[key] === 'number' ? ours[key] : null)
  const parameters: JsonObject = isObject(info.operationParameters) ? info.operationParameters : {}
  return {
    version: entry.version,
    committedAt: typeof info.timestamp === 'number' ? info.timestamp : entry.writtenAt,
    operation: text('operation') ?? (typeof info.operation === 'string' ? info.operation.toLowerCase() : 'unknown'),
    rowsAdded: number('rowsAdded') ?? measured(metrics.numOutputRows),
    rowsUpdated: number('rowsUpdated'),
    rowsRemoved: number('rowsRemoved'),
    ...(measured(metrics.numOutputBytes) === null ? {} : { bytes: measured(metrics.numOutputBytes) ?? 0 }),
    ...(typeof parameters.queryId === 'string' ? { query: parameters.queryId } : {}),
    run: text('run'),
    task: text('task'),
    attempt: number('attempt'),
    user: text('user'),
    reason: text('reason') ?? '',
    token: text('token'),
  }
}

/** Who made a commit: our own commits say it in a key of theirs, those of a Spark job of ours in the user metadata. */
function originOf(info: JsonObject): JsonObject {
  if (isObject(info.sluice)) return info.sluice
  if (typeof info.userMetadata !== 'string' || !info.userMetadata.startsWith('{"sluice":')) return {}
  try {
    const metadata: unknown = JSON.parse(info.userMetadata)
    const origin = typeof metadata === 'object' && metadata !== null && 'sluice' in metadata ? metadata.sluice : null
    return isObject(origin as Json) ? (origin as JsonObject) : {}
  } catch {
    // Anybody may write anything there; it is then no mark of ours.
    return {}
  }
}

/** Spark writes its figures as texts. */
function measured(value: Json | undefined): number | null {
  const found = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof found === 'number' && Number.isSafeInteger(found) ? found : null
}
