import { posix } from 'node:path'
import { parseDuration } from '../../duration.js'
import { isObject, type Json, type JsonObject } from '../../json.js'
import type { Trigger } from './model.js'
import { DEFAULT_STABLE_MS } from './trigger-schema.js'

export const TRIGGER_KEYS = ['tables', 'files', 'dags', 'webhooks'] as const

/** Names under `template`s of a DAG with such triggers: `{{ trigger.file }}`. */
const TEMPLATE_NAMES: Record<Trigger['kind'], readonly string[]> = {
  table: ['table', 'version', 'from_version', 'tables'],
  dag: ['dag', 'run', 'runs'],
  file: ['file', 'files'],
  webhook: ['webhook', 'delivery'],
}

/** What `trigger.` may be followed by in the templates of a DAG; `kind` is there for every run. */
export function triggerNames(schedule: Json | undefined): ReadonlySet<string> {
  const kinds = triggersOf(schedule, '').map(({ kind }) => kind)
  return new Set(['kind', ...kinds.flatMap((kind) => TEMPLATE_NAMES[kind])])
}

/** The written names of `tables` or `dags`, each with its place. */
export function writtenNames(
  schedule: Json | undefined,
  key: 'tables' | 'dags',
): { name: string; path: (string | number)[] }[] {
  const written = isObject(schedule) ? (schedule[key] as Json | undefined) : undefined
  if (!isObject(written)) return placed(written, ['schedule', key])
  return (['any', 'all'] as const).flatMap((mode) => placed(written[mode] as Json | undefined, ['schedule', key, mode]))
}

/** The written globs of `files`, each with its place. */
export function writtenGlobs(schedule: Json | undefined): { name: string; path: (string | number)[] }[] {
  const written = isObject(schedule) ? (schedule.files as Json | undefined) : undefined
  if (!isObject(written)) return placed(written, ['schedule', 'files'])
  return placed(written.path as Json | undefined, ['schedule', 'files', 'path'])
}

function placed(written: Json | undefined, path: (string | number)[]): { name: string; path: (string | number)[] }[] {
  if (typeof written === 'string') return [{ name: written, path }]
  if (!Array.isArray(written)) return []
  return written.flatMap((name, index) => (typeof name === 'string' ? [{ name, path: [...path, index] }] : []))
}

/**
 * What starts runs of a DAG besides time.
 * @param schedule the key of a document in which it is good
 * @param folder of the DAG file below the DAGs folder: globs are told from there on
 */
export function triggersOf(schedule: Json | undefined, folder: string): Trigger[] {
  if (!isObject(schedule)) return []
  const map = schedule as JsonObject
  const triggers: Trigger[] = []
  for (const [key, kind] of [
    ['tables', 'table'],
    ['dags', 'dag'],
  ] as const) {
    const sources = writtenNames(schedule, key).map(({ name }) => name)
    const written = map[key]
    const mode = isObject(written) && written.all !== undefined ? 'all' : 'any'
    if (sources.length > 0) triggers.push({ kind, sources, mode, batch: isObject(written) && written.batch === true })
  }
  const files = filesOf(map, folder)
  if (files !== null) triggers.push(files)
  if (!isObject(map.webhooks)) return triggers
  for (const [name, hook] of Object.entries(map.webhooks as Record<string, JsonObject>)) {
    const params = isObject(hook.params) ? (hook.params as Record<string, string>) : {}
    triggers.push({ kind: 'webhook', name, connection: String(hook.connection), params })
  }
  return triggers
}

function filesOf(schedule: JsonObject, folder: string): Trigger | null {
  const sources = writtenGlobs(schedule).map(({ name }) => globBelow(name, folder))
  if (sources.length === 0) return null
  const map = isObject(schedule.files) ? (schedule.files as JsonObject) : {}
  return {
    kind: 'file',
    sources: [...new Set(sources)],
    connection: typeof map.connection === 'string' ? map.connection : null,
    stableMs: typeof map.stable === 'string' ? (parseDuration(map.stable) ?? DEFAULT_STABLE_MS) : DEFAULT_STABLE_MS,
    marker: typeof map.marker === 'string' ? map.marker : null,
    batch: map.batch === true,
  }
}

/** Whether a glob looks into a bucket, for which its trigger must name a connection, and not into a folder. */
export function isRemote(glob: string): boolean {
  return glob.startsWith('s3://')
}

/** The glob as seen from the DAGs folder. */
export function globBelow(glob: string, folder: string): string {
  return isRemote(glob) || posix.isAbsolute(glob) ? glob : posix.join(folder, glob)
}
