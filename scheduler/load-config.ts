import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SluiceError } from '../errors.js'
import type { JsonObject } from '../json.js'
import type { CatalogConfig, ConnectionConfig } from '../lakehouse/config.js'
import type { Config } from './config.js'
import { ConfigReport } from './config-report.js'
import { guardBytes } from './dag/guard.js'
import { parseYaml } from './dag/parse.js'

const FILE = 'sluice.yaml'
const DEFAULT_CATALOGS: Record<string, JsonObject> = { lake: { format: 'delta', location: './data/lake' } }
const DEFAULT_CONNECTIONS: Record<string, JsonObject> = { lakehouse: { type: 'duckdb', memory_limit: '1GB' } }
const DEFAULT_POOLS = { default: 128 }

/**
 * Reads `sluice.yaml`, fills in every default and checks all of it; a project without the file has the defaults. Secrets
 * stay unresolved: whoever opens a connection resolves its own.
 * @param project folder of the project
 * @throws SluiceError CONFIG_INVALID with every mistake, each at its line and column
 */
export function loadConfig(project: string): Config {
  const folder = resolve(project)
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SluiceError('CONFIG_INVALID', `There is no folder ${folder}.`, {
      hint: 'Name the folder that holds sluice.yaml with --project.',
    })
  }
  const report = new ConfigReport(readYaml(join(folder, FILE)))
  report.onlyKeys([], ['catalogs', 'connections', 'store', 'queue', 'dags', 'logs', 'pools', 'vars', 'alerts'])
  const store = report.text(['store'], './data/store')
  const config: Config = {
    project: folder,
    catalogs: catalogsOf(report),
    connections: connectionsOf(report),
    store: /^postgres(ql)?:\/\//.test(store) ? store : resolve(folder, store),
    queue: queueOf(report),
    dags: resolve(folder, report.text(['dags'], './dags')),
    logs: resolve(folder, report.text(['logs'], './data/logs')),
    pools: poolsOf(report),
    vars: varsOf(report),
    baseUrl: baseUrlOf(report),
  }
  report.throwProblems()
  return config
}

/** The parsed file; null when there is none or nothing in it. */
function readYaml(file: string): ConstructorParameters<typeof ConfigReport>[0] {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new SluiceError('CONFIG_INVALID', `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
      cause: error,
      hint: 'Check that it is a file, and its permissions.',
    })
  }
  const guarded = guardBytes(bytes)
  if ('problem' in guarded) throw ConfigReport.error([guarded.problem])
  if (/^(\s*(#.*)?\n)*\s*(#.*)?$/.test(guarded.text)) return null
  const parsed = parseYaml(guarded.text)
  if ('problems' in parsed) throw ConfigReport.error(parsed.problems)
  return parsed.yaml
}

function catalogsOf(report: ConfigReport): Config['catalogs'] {
  const merged = mergedByName(DEFAULT_CATALOGS, report.maps(['catalogs']), () => true)
  for (const [name, catalog] of Object.entries(merged)) {
    const path = ['catalogs', name]
    report.onlyKeys(path, ['format', 'location', 'connection', 'jdbc', 'trino'])
    if (catalog.format !== 'delta') report.add([...path, 'format'], 'the format must be `delta`', 'iceberg comes later')
    if (typeof catalog.location !== 'string' || catalog.location === '')
      report.add([...path, 'location'], `catalog \`${name}\` needs a location`, 'for example ./data/lake')
  }
  return merged as unknown as Record<string, CatalogConfig>
}

function connectionsOf(report: ConfigReport): Config['connections'] {
  // A connection of another type has nothing in common with the default but its name.
  const sameType = (standard: JsonObject, own: JsonObject) => own.type === undefined || own.type === standard.type
  const merged = mergedByName(DEFAULT_CONNECTIONS, report.maps(['connections']), sameType)
  for (const [name, connection] of Object.entries(merged)) {
    if (typeof connection.type !== 'string')
      report.add(['connections', name], `connection \`${name}\` needs a type`, 'for example type: http')
  }
  return merged as unknown as Record<string, ConnectionConfig>
}

/** Maps merge with the defaults key by key (DESIGN 7); the defaults come first, so `lake` stays the default catalog. */
function mergedByName(
  standard: Record<string, JsonObject>,
  own: Record<string, JsonObject>,
  extendsDefault: (standard: JsonObject, own: JsonObject) => boolean,
): Record<string, JsonObject> {
  const merged: Record<string, JsonObject> = { ...standard }
  for (const [name, map] of Object.entries(own)) {
    const base = Object.hasOwn(standard, name) ? standard[name] : undefined
    merged[name] = base !== undefined && extendsDefault(base, map) ? { ...base, ...map } : map
  }
  return merged
}

function queueOf(report: ConfigReport): string {
  const queue = report.text(['queue'], 'local')
  if (queue !== 'local') report.add(['queue'], `the queue must be \`local\`, not \`${queue}\``, 'redis comes later')
  return queue
}

function poolsOf(report: ConfigReport): Record<string, number> {
  const pools: Record<string, number> = { ...DEFAULT_POOLS }
  for (const [name, slots] of Object.entries(report.map(['pools']))) {
    if (typeof slots === 'number' && Number.isSafeInteger(slots) && slots >= 0) pools[name] = slots
    else
      report.add(['pools', name], `pool \`${name}\` must be a whole number of tasks`, 'for example 4; 0 stops the pool')
  }
  return pools
}

function varsOf(report: ConfigReport): Record<string, string> {
  const vars: Record<string, string> = {}
  for (const [name, value] of Object.entries(report.map(['vars']))) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') vars[name] = String(value)
    else report.add(['vars', name], `\`${name}\` must be text`, 'lists and maps have no place in a template')
  }
  return vars
}

function baseUrlOf(report: ConfigReport): string | null {
  report.onlyKeys(['alerts'], ['base_url'])
  const url = report.text(['alerts', 'base_url'], '')
  if (url === '') return null
  if (/^https?:\/\/[^\s/]+/.test(url)) return url.replace(/\/+$/, '')
  report.add(['alerts', 'base_url'], `\`${url}\` is not an address`, 'for example https://sluice.example.com')
  return null
}
