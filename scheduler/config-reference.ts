import { isObject, type Json, type JsonObject, type JsonSchema } from '../json.js'
import { CONFIG_DEFAULTS } from './config-defaults.js'
import { CONFIG_SCHEMA } from './config-schema.js'
import { CONNECTION_SCHEMAS } from './connection-schemas.js'

const HEAD = `# sluice.yaml

One file in the project folder says where everything lies; DAG files name only what it defines. Every key has a default, so it may be empty or missing. Here is
one with all keys, of a machine that keeps its tables in a bucket:

\`\`\`yaml
# yaml-language-server: $schema=docs/reference/config.schema.json
catalogs:
  lake: { location: s3://lake/delta, connection: minio }
  scratch: { location: ./data/scratch }              # beside it: scratch.schema.table
connections:
  lakehouse: { memory_limit: 2GB }                   # the SQL engine; its type stays duckdb
  minio: { type: s3, endpoint: "http://minio:9000", access_key: "\${env:S3_KEY}", secret_key: "\${env:S3_SECRET}" }
  crm: { type: postgres, host: crm.internal, database: crm, user: reader, password: "\${file:/run/secrets/crm}", tls: verified }
  mail: { type: smtp, host: mail.example.com, user: sluice, password: "\${env:SMTP_PASSWORD}" }
store: ./data/store
queue: local
dags: ./dags
logs: { location: s3://lake/logs, connection: minio }
pools: { default: 128, crm: 2 }
cache: { folder: ./data/cache, size: 20GB }
vars: { region: eu }
calendars: { france: [2026-05-01, 2026-12-25] }
alerts:
  base_url: https://sluice.example.com
  email: { connection: mail, from: "Sluice <sluice@example.com>", to: [data-platform@example.com] }
  digest: 5s
  early_warning: p90
\`\`\`

- What it says is merged into the defaults key by key: \`pools: { crm: 2 }\` leaves \`default\` at ${CONFIG_DEFAULTS.pools.default}, and \`lakehouse: { memory_limit: 2GB }\` its type. A connection of
  another \`type\`, or a catalog of another \`format\`, replaces the default of its name whole.
- Paths are relative to the project folder.
- Secrets are written \`\${env:NAME}\` or \`\${file:path}\` (a file of at most 64 kB), anywhere in the texts of a connection, and read by the process that uses it. Elsewhere in this file they are
  refused, since they would be shown.
- It is strict, as DAG files are: unknown and doubled keys, connections that do not exist or are of the wrong type are errors, each with line and column (\`CONFIG_INVALID\`).
- It is read when a Sluice starts. In a cluster each part reads its own; \`pools\` are those of the scheduler that registers the DAGs.
- \`sluice schema config\` prints its JSON Schema, which is also [config.schema.json](config.schema.json), for editors.`

const CONNECTIONS = `## Connections

\`type\` says what a connection leads to and which other keys it has. A text may be a secret: whether that has the form which its key asks for shows when it is used.`

const NOTE = '<!-- Made from the schema itself: npx vitest run tests/scheduler/config/reference.test.ts -u -->'

/** The reference page of `sluice.yaml` in Markdown, made from its schema. */
export function configPage(): string {
  const types = Object.entries(CONNECTION_SCHEMAS).flatMap(([type, schema]) => [
    `### \`${type}\``,
    String(schema.description),
    table(rowsOf(schema, '').filter((row) => !row.startsWith('| `type`'))),
  ])
  return `${[HEAD, '## Keys', table(rowsOf(CONFIG_SCHEMA, '')), CONNECTIONS, ...types, NOTE].join('\n\n')}\n`
}

/** The JSON Schema of `sluice.yaml` for editors, in the draft that they know best. It knows the keys of each type of connection. */
export function configEditorSchema(): JsonObject {
  const properties = schemaAt(CONFIG_SCHEMA.properties)
  const connections = {
    ...schemaAt(properties.connections),
    additionalProperties: connectionSchema(null),
    // what is merged into a default needs to say only what differs
    properties: Object.fromEntries(
      Object.entries(CONFIG_DEFAULTS.connections).map(([name, { type }]) => [name, connectionSchema(type)]),
    ),
  }
  const catalogs = schemaAt(properties.catalogs)
  const { required: _, ...mergedCatalog } = schemaAt(catalogs.additionalProperties)
  const lakes = Object.fromEntries(Object.keys(CONFIG_DEFAULTS.catalogs).map((name) => [name, mergedCatalog]))
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'sluice.yaml',
    ...(forEditors({
      ...CONFIG_SCHEMA,
      properties: { ...properties, connections, catalogs: { ...catalogs, properties: lakes } },
      definitions: CONNECTION_SCHEMAS,
    }) as JsonObject),
  }
}

/** @param otherwise the type of one that does not say; null when it has to */
function connectionSchema(otherwise: string | null): JsonSchema {
  const types = Object.keys(CONNECTION_SCHEMAS)
  const branches = types.map((type) => {
    const named = type === otherwise ? {} : { required: ['type'] }
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    return { if: { ...named, properties: { type: { const: type } } }, then: { $ref: `#/definitions/${type}` } }
  })
  const required = otherwise === null ? ['type'] : []
  return { type: 'object', required, properties: { type: { enum: types } }, allOf: branches }
}

/** Draft 7 has another word for one keyword, and links of the page lead nowhere in an editor. */
function forEditors(value: Json): Json {
  if (typeof value === 'string') return value.replace(/\[([^\]]+)\]\([^)\s]+\)/g, '$1')
  if (Array.isArray(value)) return value.map(forEditors)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, inner]) => [
      key === 'dependentRequired' ? 'dependencies' : key,
      key === 'pattern' ? inner : forEditors(inner),
    ]),
  )
}

function rowsOf(schema: JsonSchema, prefix: string): string[] {
  const required = Array.isArray(schema.required) ? schema.required : []
  const needs = schemaAt(schema.dependentRequired)
  const own = Object.entries(schemaAt(schema.properties)).flatMap(([name, value]) => {
    const property = schemaAt(value)
    const key = `${prefix}${name}`
    const row = `| \`${key}\`${required.includes(name) ? ', **required**' : ''} | ${typeOf(property)} | ${defaultOf(property)} | ${meaningOf(property, needs[name])} |`
    return [row, ...rowsOf(property, `${key}.`)]
  })
  const entry = schemaAt(schema.additionalProperties)
  if (schema.propertyNames === undefined) return own
  const named = `${prefix}NAME`
  const row = `| \`${named}\` | ${typeOf(entry)} | | ${meaningOf(entry, undefined)} |`
  return [...own, ...(entry.description === undefined ? [] : [row]), ...rowsOf(entry, `${named}.`)]
}

function meaningOf(schema: JsonSchema, needs: Json | undefined): string {
  const with_ = Array.isArray(needs) ? ` Needs ${needs.map((key) => `\`${key}\``).join(' and ')}.` : ''
  return cell(`${schema.description ?? ''}${with_}`)
}

function typeOf(schema: JsonSchema): string {
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (Array.isArray(schema.type))
    return schema.type.map((type) => TYPE_WORDS[String(type)] ?? String(type)).join(' or ')
  if (typeof schema['x-expects'] === 'string') return cell(schema['x-expects'])
  if (schema.type === 'integer' && schema.maximum !== undefined) {
    return `whole number, ${figure(schema.minimum)} to ${figure(schema.maximum)}`
  }
  if (schema.type === 'array') {
    return `list, at most ${figure(schema.maxItems)}, each ${typeOf(schemaAt(schema.items))}`
  }
  const names = schemaAt(schema.propertyNames)
  if (names['x-expects'] !== undefined) return `map by name (${names['x-expects']}; at most ${names.maxLength})`
  if (schema.type === 'object' && schema.properties === undefined) {
    return `map of ${typeOf(schemaAt(schema.additionalProperties))}`
  }
  return TYPE_WORDS[String(schema.type)] ?? String(schema.type)
}

const TYPE_WORDS: Record<string, string> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: '`true` or `false`',
  object: 'map',
}

const figure = (value: Json | undefined): string => Number(value).toLocaleString('en-US')

/** A fixed value as it would be written, or in words where it depends on something. */
function defaultOf(schema: JsonSchema): string {
  if (typeof schema['x-default'] === 'string') return cell(schema['x-default'])
  return schema.default === undefined ? '' : `\`${cell(flow(schema.default))}\``
}

/** A value in YAML's flow style. */
function flow(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (!isObject(value)) return String(value)
  const entries = Object.entries(value as JsonObject).map(([key, inner]) => `${key}: ${flow(inner)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}

function table(rows: readonly string[]): string {
  return ['| key | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function schemaAt(value: Json | undefined): JsonSchema {
  return isObject(value) ? (value as JsonSchema) : {}
}
