import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isObject, type Json, type JsonObject, type JsonSchema } from '../../../json.js'
import { clientConfig } from '../../../lakehouse/objects/s3-connection.js'
import { postgresClientConfig } from '../../../lakehouse/postgres-connection.js'
import { httpConnection } from '../../../operators/http/connection.js'
import { MasterPages } from '../../../operators/spark/master-pages.js'
import { SubmissionServer } from '../../../operators/spark/submission-server.js'
import { PACKAGE_ROOT } from '../../../package-root.js'
import type { Config } from '../../../scheduler/config.js'
import { CONFIG_DEFAULTS } from '../../../scheduler/config-defaults.js'
import { configEditorSchema, configPage } from '../../../scheduler/config-reference.js'
import { CONFIG_SCHEMA } from '../../../scheduler/config-schema.js'
import { CONNECTION_SCHEMAS } from '../../../scheduler/connection-schemas.js'
import { parseYaml } from '../../../scheduler/dag/parse.js'
import { loadConfig } from '../../../scheduler/load-config.js'
import { filesBelow } from '../../source-files.js'

const SCHEMA_FILE = '../../../docs/reference/config.schema.json'

/** A stale page fails here; `npx vitest run tests/scheduler/config/reference.test.ts -u` writes both anew. */
describe('the reference of sluice.yaml', () => {
  it('is up to date', async () => {
    await expect(configPage()).toMatchFileSnapshot('../../../docs/reference/config.md')
    await expect(`${JSON.stringify(configEditorSchema(), null, 2)}\n`).toMatchFileSnapshot(SCHEMA_FILE)
  })

  it('says of each key what it does', () => {
    const silent = [CONFIG_SCHEMA, ...Object.values(CONNECTION_SCHEMAS)].flatMap((schema) => undescribed(schema, ''))
    expect(silent).toEqual([])
    expect(Object.entries(CONNECTION_SCHEMAS).filter(([, { description }]) => description === undefined)).toEqual([])
    expect(undescribed({ properties: { a: { properties: { b: {} }, description: 'A.' } } }, '')).toEqual(['a.b'])
  })

  it('begins with an example that has every key and that Sluice takes', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(configPage())?.[1] ?? ''
    expect(loaded(example)).toMatchObject({ pools: { default: 128, crm: 2 }, baseUrl: 'https://sluice.example.com' })
    expect(Object.keys(documentOf(example))).toEqual(Object.keys(CONFIG_SCHEMA.properties as JsonSchema))
  })
})

describe('defaults that the reference shows', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('are those of an empty file, key by key', () => {
    const shown = defaultsOf(CONFIG_SCHEMA)
    const { cache, alerts, ...others } = CONFIG_DEFAULTS
    expect(shown).toMatchObject({ ...others, cache, alerts })
  })

  it('in words are those of the code that applies them', () => {
    const s3 = (settings: object) => clientConfig({ name: 'a', config: { type: 's3', ...settings } }, '/')
    expect(s3({}).forcePathStyle).toBe(false)
    expect(s3({ endpoint: 'http://a' }).forcePathStyle).toBe(true)
    expect(wordsOf('s3', 'path_style')).toBe('`true` with an `endpoint`, else `false`')
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) vi.stubEnv(name, undefined)
    expect(wordsOf('s3', 'region')).toContain(`else \`${s3({ endpoint: 'http://a' }).region}\` with an`)
    const [server] = SubmissionServer.besides('spark://m:7077').urls
    expect(wordsOf('spark', 'submission_url')).toBe(`port ${portOf(server)} beside the master`)
    const [pages] = MasterPages.besides('spark://m:7077').urls
    expect(wordsOf('spark', 'web_url')).toBe(`port ${portOf(pages)} beside the master`)
  })

  it('of keys below those that need not be there are what they get', () => {
    const mail = 'alerts: { email: { connection: a, from: b@c } }\nconnections: { a: { type: smtp, host: h } }'
    const { properties } = (CONFIG_SCHEMA.properties as JsonSchema).alerts as { properties: { email: JsonSchema } }
    const { to } = properties.email.properties as { to: JsonSchema }
    expect(loaded(mail).alerts.email?.to).toEqual(to.default)
  })

  it('of connections are what they get', () => {
    const database = { name: 'a', config: { type: 'postgres', host: 'h', database: 'd' } }
    expect(postgresClientConfig(database, '/')).toMatchObject({ port: defaultOf('postgres', 'port'), ssl: false })
    expect(defaultOf('postgres', 'tls')).toBe('off')
    const http = httpConnection('a', { connection: () => ({ type: 'http', url: 'http://h' }) })
    expect(http.reach).toBe(defaultOf('http', 'allow_private') === false ? 'own_origin' : 'any')
  })
})

describe('the schema for editors', () => {
  const validate = new Ajv({ strict: false }).compile(configEditorSchema())
  const projects = ['sluice.yaml', ...filesBelow('dags', ['sluice.yaml'])]

  it.each(projects)('takes %s', (file) => {
    expect(validate(documentOf(readFileSync(join(PACKAGE_ROOT, file), 'utf8'))), JSON.stringify(validate.errors)).toBe(
      true,
    )
  })

  it.each([
    ['a key of the default engine alone', 'connections: { lakehouse: { memory_limit: 2GB } }', true],
    ['an unknown key of the default engine', 'connections: { lakehouse: { memory: 2GB } }', false],
    ['the default catalog in another place', 'catalogs: { lake: { format: delta } }', true],
    ['an unknown key', 'pool: { a: 1 }', false],
    ['a key of another type of connection', 'connections: { a: { type: s3, url: "http://a" } }', false],
    ['an unknown type', 'connections: { a: { type: ftp } }', false],
    ['a connection without its type', 'connections: { a: { host: b } }', false],
    ['half a login', 'connections: { a: { type: smtp, host: b, user: c } }', false],
    ['a catalog without its place', 'catalogs: { a: { format: delta } }', false],
  ])('judges %s', (_what, text, good) => {
    expect(validate(documentOf(text))).toBe(good)
  })
})

function loaded(text: string): Config {
  const project = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  try {
    writeFileSync(join(project, 'sluice.yaml'), text)
    return loadConfig(project)
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

function documentOf(text: string): JsonObject {
  const parsed = parseYaml(text)
  if ('problems' in parsed || !isObject(parsed.yaml.value)) throw new Error(`no map: ${text}`)
  return parsed.yaml.value as JsonObject
}

function undescribed(schema: Json | undefined, prefix: string): string[] {
  if (!isObject(schema)) return []
  const properties = Object.entries(isObject(schema.properties) ? (schema.properties as JsonObject) : {})
  return [
    ...properties.flatMap(([name, value]) => [
      ...(name === 'type' && prefix === '' ? [] : isObject(value) && value.description ? [] : [`${prefix}${name}`]),
      ...undescribed(value, `${prefix}${name}.`),
    ]),
    ...undescribed(schema.additionalProperties as Json, `${prefix}NAME.`),
  ]
}

/** What the schema says of keys that have a fixed default, as one document. */
function defaultsOf(schema: JsonSchema): JsonObject {
  return Object.fromEntries(
    Object.entries(schema.properties as JsonSchema).flatMap(([key, value]) => {
      const property = value as JsonSchema
      if (property.default !== undefined) return [[key, property.default]]
      return property.properties === undefined ? [] : [[key, defaultsOf(property)]]
    }),
  )
}

function property(type: string, key: string): JsonSchema {
  const properties = CONNECTION_SCHEMAS[type]?.properties as JsonSchema | undefined
  return (properties?.[key] ?? {}) as JsonSchema
}

const defaultOf = (type: string, key: string): Json | undefined => property(type, key).default
const wordsOf = (type: string, key: string): Json | undefined => property(type, key)['x-default']
const portOf = (url: string | undefined): string => new URL(url ?? '').port
