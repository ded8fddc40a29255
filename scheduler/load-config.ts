import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseDuration } from '../duration.js'
import { codeOf, SluiceError } from '../errors.js'
import { isObject, type Json, type JsonObject } from '../json.js'
import type { CatalogConfig, ConnectionConfig } from '../lakehouse/config.js'
import type { AlertsConfig, Config } from './config.js'
import { CATALOG_FORMAT, CONFIG_DEFAULTS } from './config-defaults.js'
import { type ConfigProblem, configProblems } from './config-problems.js'
import { guardBytes, type TextProblem } from './dag/guard.js'
import type { EarlyWarning } from './dag/model.js'
import { parseYaml } from './dag/parse.js'

const FILE = 'sluice.yaml'
const PROBLEMS_SHOWN = 10

/**
 * Reads `sluice.yaml` of a project, with defaults for all that it does not say. Secrets in connections stay references
 * (`${env:NAME}`): they are resolved in the process that needs them.
 * @param projectDir the folder that holds `sluice.yaml`; the file may be missing
 * @throws SluiceError CONFIG_INVALID with every problem, each as `sluice.yaml:LINE:COLUMN: …`
 */
export function loadConfig(projectDir: string): Config {
  const project = resolve(projectDir)
  const written = readDocument(join(project, FILE))
  const document = merged(CONFIG_DEFAULTS, written.value)
  const problems = configProblems(document)
  if (problems.length > 0) {
    const placed = problems.map((problem) => ({ ...problem, ...written.position(problem) }))
    throw invalid(placed.sort((a, b) => a.line - b.line || a.column - b.column))
  }
  return configOf(project, document)
}

interface WrittenConfig {
  value: JsonObject
  position(problem: ConfigProblem): { line: number; column: number }
}

function readDocument(path: string): WrittenConfig {
  const nothing = { value: {}, position: () => ({ line: 1, column: 1 }) }
  const bytes = readBytes(path)
  if (bytes === null) return nothing
  const guarded = guardBytes(bytes)
  if ('problem' in guarded) throw invalid([guarded.problem])
  // nothing but comments: every key has its default
  if (/^(\s*(#.*)?(\r?\n|$))*$/.test(guarded.text)) return nothing
  const parsed = parseYaml(guarded.text)
  if ('problems' in parsed) throw invalid(parsed.problems)
  const { yaml } = parsed
  if (!isObject(yaml.value)) {
    const hint = 'for example `pools: { default: 8 }`'
    throw invalid([{ line: 1, column: 1, message: 'the file must hold a map of keys', hint }])
  }
  return { value: yaml.value as JsonObject, position: ({ path, at }) => yaml.position(path, at) }
}

function readBytes(path: string): Uint8Array | null {
  try {
    return readFileSync(path)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return null
    throw new SluiceError('CONFIG_INVALID', `${path} cannot be read (${code || 'unknown error'}).`, {
      cause: error,
      hint: 'Check that it is a file and that you may read it.',
    })
  }
}

/**
 * Maps merge key by key, at any depth; other values replace the default. A connection or catalog of another type or format
 * shares no key with the default of its name.
 */
function merged(base: JsonObject, written: JsonObject): JsonObject {
  const result: JsonObject = { ...base }
  for (const [key, value] of Object.entries(written)) {
    const before = Object.hasOwn(base, key) ? base[key] : undefined
    const both = isObject(before) && isObject(value)
    result[key] =
      both && isSameKind(before as JsonObject, value as JsonObject)
        ? merged(before as JsonObject, value as JsonObject)
        : value
  }
  return result
}

function isSameKind(before: JsonObject, value: JsonObject): boolean {
  return ['type', 'format'].every((key) => value[key] === undefined || value[key] === before[key])
}

function invalid(problems: readonly TextProblem[]): SluiceError {
  const lines = problems.slice(0, PROBLEMS_SHOWN).map(({ line, column, message, hint }) => {
    return `${FILE}:${line}:${column}: ${message}${hint === '' ? '' : ` (${hint})`}`
  })
  const more = problems.length - lines.length
  if (more > 0) lines.push(`and ${more} more`)
  return new SluiceError('CONFIG_INVALID', lines.join('\n'))
}

/** From here on the document is known to be good. */
function configOf(project: string, document: JsonObject): Config {
  const text = (key: string) => document[key] as string
  const map = <Value extends Json>(key: string) => document[key] as Record<string, Value>
  const { base_url: baseUrl } = map<string>('alerts')
  const cache = map<string>('cache')
  return {
    project,
    catalogs: Object.fromEntries(
      Object.entries(document.catalogs as unknown as Record<string, Partial<CatalogConfig>>).map(([name, catalog]) => [
        name,
        { format: CATALOG_FORMAT, location: '', ...catalog },
      ]),
    ),
    connections: document.connections as unknown as Record<string, ConnectionConfig>,
    store: isUrl(text('store')) ? text('store') : resolve(project, text('store')),
    queue: text('queue'),
    dags: resolve(project, text('dags')),
    logs: logsOf(project, document.logs),
    cache: { folder: resolve(project, cache.folder ?? ''), maxBytes: bytesOf(cache.size ?? '') },
    pools: map<number>('pools'),
    vars: Object.fromEntries(Object.entries(map('vars')).map(([name, value]) => [name, String(value)])),
    calendars: map<string[]>('calendars'),
    baseUrl: baseUrl === undefined ? null : baseUrl.replace(/\/+$/, ''),
    alerts: alertsOf(document.alerts),
  }
}

function alertsOf(alerts: Json | undefined): AlertsConfig {
  const { email, webhook, digest, early_warning } = alerts as unknown as {
    email?: { connection: string; from: string; to?: string[] }
    webhook?: string
    digest: string
    early_warning: EarlyWarning
  }
  return {
    email: email === undefined ? null : { to: [], ...email },
    webhook: webhook ?? null,
    digestMs: parseDuration(digest) ?? 0,
    earlyWarning: early_warning,
  }
}

/** `logs: ./folder`, or a map with `location` and, for a bucket, `connection`. */
function logsOf(project: string, logs: Json | undefined): Config['logs'] {
  const { location, connection } = (isObject(logs) ? logs : { location: logs }) as {
    location: string
    connection?: string
  }
  if (!isUrl(location)) return { location: resolve(project, location), connection: null }
  return { location, connection: connection ?? null }
}

/** `1.5GB` or `512 MiB` in bytes; the schema has seen to the form. */
function bytesOf(size: string): number {
  const [, number = '', unit = ''] = /^([\d.]+)\s*(.*)$/.exec(size) ?? []
  const power = 1 + 'KMGT'.indexOf(unit.charAt(0))
  return Math.floor(Number(number) * (unit.includes('i') ? 1024 : 1000) ** power)
}

function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
}
