import { DURATION_PATTERN } from '../duration.js'
import type { JsonSchema } from '../json.js'
import { ADDRESS_SCHEMA } from './dag/alert-schema.js'
import { EARLY_WARNING_SCHEMA } from './dag/sla-schema.js'

/** Types of connections that belong to later versions of Sluice: said to be so, instead of being unknown. */
export const LATER_CONNECTIONS: ReadonlySet<string> = new Set(['airbyte'])

const NAME: JsonSchema = {
  pattern: '^[A-Za-z_][A-Za-z0-9_-]*$',
  maxLength: 100,
  'x-expects': 'a letter, then letters, digits, underscores and dashes',
}
/** What stands in `catalog.schema.table` needs no quotes there. */
const SQL_NAME: JsonSchema = {
  pattern: '^[a-z_][a-z0-9_]*$',
  maxLength: 100,
  'x-expects': 'a small letter, then small letters, digits and underscores',
}
/** Decimal and binary units, as DuckDB writes sizes. */
const SIZE_PATTERN = '^\\d+(\\.\\d+)?\\s*([KMGT]i?B)$'
const TEXT: JsonSchema = { type: 'string', minLength: 1 }
/** An address, or a name and an address in angle brackets. */
const SENDER_PATTERN = '^([^\\s@<>,;:"()]+@[^\\s@<>,;:"()]+|[^<>"\\r\\n]* <[^\\s@<>,;:"()]+@[^\\s@<>,;:"()]+>)$'

/** JSON Schema of `sluice.yaml`; each connection is checked against the schema of its type. */
export const CONFIG_SCHEMA: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    catalogs: {
      type: 'object',
      propertyNames: SQL_NAME,
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        required: ['location'],
        properties: {
          format: { enum: ['delta', 'iceberg'] },
          location: TEXT,
          connection: TEXT,
          jdbc: {
            type: 'object',
            additionalProperties: false,
            required: ['connection'],
            properties: { connection: TEXT, name: TEXT },
          },
          trino: TEXT,
        },
      },
    },
    connections: {
      type: 'object',
      propertyNames: NAME,
      additionalProperties: { type: 'object', required: ['type'], properties: { type: { type: 'string' } } },
    },
    store: TEXT,
    queue: {
      type: 'string',
      pattern: '^(local|rediss?://[^\\s/]+(/\\d*)?)$',
      'x-expects': '`local` or an address such as redis://host:6379/0',
    },
    dags: TEXT,
    logs: {
      type: ['string', 'object'],
      minLength: 1,
      additionalProperties: false,
      required: ['location'],
      properties: { location: TEXT, connection: TEXT },
    },
    pools: {
      type: 'object',
      propertyNames: NAME,
      additionalProperties: { type: 'integer', minimum: 0, maximum: 1_000_000 },
    },
    cache: {
      type: 'object',
      additionalProperties: false,
      properties: {
        folder: TEXT,
        size: { type: 'string', pattern: SIZE_PATTERN, 'x-expects': 'a size such as 500MB or 20GB' },
      },
    },
    vars: {
      type: 'object',
      propertyNames: { ...NAME, pattern: '^[A-Za-z_][A-Za-z0-9_]*$', 'x-expects': 'letters, digits and underscores' },
      additionalProperties: { type: ['string', 'integer', 'boolean'] },
    },
    calendars: {
      type: 'object',
      propertyNames: NAME,
      additionalProperties: {
        type: 'array',
        maxItems: 10_000,
        items: { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', 'x-expects': 'a date such as 2026-12-25' },
      },
    },
    alerts: {
      type: 'object',
      additionalProperties: false,
      properties: {
        base_url: { type: 'string', pattern: '^https?://[^/\\s]+', 'x-expects': 'an http(s) address' },
        email: {
          type: 'object',
          additionalProperties: false,
          required: ['connection', 'from'],
          properties: {
            connection: TEXT,
            from: {
              type: 'string',
              pattern: SENDER_PATTERN,
              maxLength: 300,
              'x-expects': 'an address such as sluice@example.com or "Sluice <sluice@example.com>"',
            },
            to: { type: 'array', maxItems: 50, uniqueItems: true, items: ADDRESS_SCHEMA },
          },
        },
        webhook: TEXT,
        digest: { type: 'string', pattern: DURATION_PATTERN, 'x-expects': 'a duration with a unit, such as 5s or 1m' },
        early_warning: EARLY_WARNING_SCHEMA,
      },
    },
  },
}

/** By the connection's `type`. */
export const CONNECTION_SCHEMAS: Record<string, JsonSchema> = {
  s3: {
    type: 'object',
    additionalProperties: false,
    // Without keys the AWS SDK looks for them where it always does.
    dependentRequired: { access_key: ['secret_key'], secret_key: ['access_key'], session_token: ['access_key'] },
    properties: {
      type: { const: 's3' },
      endpoint: {
        type: 'string',
        pattern: '^(https?://[^/\\s]+/?$|\\$\\{)',
        'x-expects': 'an http(s) address without a path',
      },
      region: TEXT,
      path_style: { type: 'boolean' },
      access_key: TEXT,
      secret_key: TEXT,
      session_token: TEXT,
      ca: TEXT,
    },
  },
  trino: {
    type: 'object',
    additionalProperties: false,
    required: ['url', 'user'],
    properties: {
      type: { const: 'trino' },
      url: {
        type: 'string',
        pattern: '^(https?://[^/\\s]+/?$|\\$\\{)',
        'x-expects': 'an http(s) address without a path',
      },
      user: TEXT,
      password: TEXT,
      ca: TEXT,
      session: { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } },
    },
  },
  spark: {
    type: 'object',
    additionalProperties: false,
    properties: {
      type: { const: 'spark' },
      master: {
        type: 'string',
        pattern: '^(local(\\[[0-9*]+(,[0-9]+)?\\])?|spark://\\S+|yarn|k8s://\\S+|\\$\\{.*)$',
        'x-expects': 'local[N], spark://host:port, yarn or k8s://https://host:port',
      },
      deploy_mode: { enum: ['client', 'cluster'] },
      spark_home: TEXT,
      submit: TEXT,
      submission_url: { type: 'string', pattern: '^(https?://|\\$\\{)', 'x-expects': 'an http(s) address' },
      web_url: { type: 'string', pattern: '^(https?://|\\$\\{)', 'x-expects': 'an http(s) address' },
      event_log: { type: 'string', pattern: '^(/|\\$\\{)', 'x-expects': 'the absolute path of a shared folder' },
      conf: { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } },
      env: { type: 'object', additionalProperties: { type: 'string' } },
    },
  },
  duckdb: {
    type: 'object',
    additionalProperties: false,
    properties: {
      type: { const: 'duckdb' },
      memory_limit: {
        type: 'string',
        pattern: SIZE_PATTERN,
        'x-expects': 'a size such as 512MB or 2GB',
      },
      threads: { type: 'integer', minimum: 1, maximum: 1024 },
    },
  },
  postgres: {
    type: 'object',
    additionalProperties: false,
    required: ['host', 'database'],
    properties: {
      type: { const: 'postgres' },
      host: TEXT,
      port: { type: 'integer', minimum: 1, maximum: 65_535 },
      database: TEXT,
      user: TEXT,
      password: TEXT,
      tls: { enum: ['off', 'required', 'verified'] },
      ca: TEXT,
    },
  },
  smtp: {
    type: 'object',
    additionalProperties: false,
    required: ['host'],
    dependentRequired: { user: ['password'], password: ['user'] },
    properties: {
      type: { const: 'smtp' },
      host: TEXT,
      port: { type: 'integer', minimum: 1, maximum: 65_535 },
      user: TEXT,
      password: TEXT,
      tls: { enum: ['required', 'opportunistic', 'none'] },
      ca: TEXT,
    },
  },
  webhook: {
    type: 'object',
    additionalProperties: false,
    required: ['url'],
    properties: {
      type: { const: 'webhook' },
      url: { type: 'string', pattern: '^(https?://|\\$\\{)', 'x-expects': 'an http(s) address' },
      secret: TEXT,
      headers: { type: 'object', additionalProperties: { type: 'string' } },
    },
  },
  incoming_webhook: {
    type: 'object',
    additionalProperties: false,
    required: ['secret'],
    properties: {
      type: { const: 'incoming_webhook' },
      // short secrets are guessed; one that is named is looked at when it is used
      secret: {
        type: 'string',
        pattern: '^(.{16,}|\\$\\{.*)$',
        'x-expects': 'a named secret, or a text of at least 16 characters',
      },
    },
  },
  http: {
    type: 'object',
    additionalProperties: false,
    // A connection for one service has its URL; one for whole URLs at any address says that it is.
    anyOf: [{ required: ['url'] }, { required: ['allow_private'] }],
    properties: {
      type: { const: 'http' },
      allow_private: { type: 'boolean' },
      url: { type: 'string', pattern: '^(https?://|\\$\\{)', 'x-expects': 'an http(s) address' },
      headers: { type: 'object', additionalProperties: { type: 'string' } },
    },
  },
}
