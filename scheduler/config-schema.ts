import { DURATION_PATTERN } from '../duration.js'
import type { JsonSchema } from '../json.js'
import { BASE_URL_WITHOUT, CATALOG_FORMAT, CONFIG_DEFAULTS } from './config-defaults.js'
import { SIZE_PATTERN } from './connection-schemas.js'
import { ADDRESS_SCHEMA } from './dag/alert-schema.js'
import { EARLY_WARNING_SCHEMA } from './dag/sla-schema.js'

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
const TEXT: JsonSchema = { type: 'string', minLength: 1 }
/** An address, or a name and an address in angle brackets. */
const SENDER_PATTERN = '^([^\\s@<>,;:"()]+@[^\\s@<>,;:"()]+|[^<>"\\r\\n]* <[^\\s@<>,;:"()]+@[^\\s@<>,;:"()]+>)$'

const CATALOG: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['location'],
  properties: {
    format: {
      enum: ['delta', 'iceberg'],
      description: 'What its tables are: [Delta](../guides/object-storage.md) or [Iceberg](../guides/iceberg.md).',
      default: CATALOG_FORMAT,
    },
    location: { ...TEXT, description: 'Where its tables lie: a folder, or `s3://bucket/prefix`.' },
    connection: { ...TEXT, description: 'Connection of type `s3`; needed for a location in a bucket.' },
    jdbc: {
      type: 'object',
      additionalProperties: false,
      required: ['connection'],
      properties: {
        connection: {
          ...TEXT,
          description: "Connection of type `postgres` to the database with the catalog's tables.",
        },
        name: { ...TEXT, description: "The catalog's name in them.", 'x-default': 'the same as here' },
      },
      description: "Iceberg's JDBC catalog; needed for `format: iceberg`.",
    },
    trino: { ...TEXT, description: "The catalog's name in Trino.", 'x-default': 'the same as here' },
  },
}

const ALERTS: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'How people are told of what happens. Guide: [alerts](../guides/alerts.md).',
  properties: {
    base_url: {
      type: 'string',
      pattern: '^https?://[^/\\s]+',
      'x-expects': 'an http(s) address',
      description:
        'The web view as people reach it: links in messages and to log in begin with it, and on loopback it answers to that name too.',
      'x-default': `\`${BASE_URL_WITHOUT}\`; the login link of \`sluice up\` has the address that it listens on`,
    },
    email: {
      type: 'object',
      additionalProperties: false,
      required: ['connection', 'from'],
      properties: {
        connection: { ...TEXT, description: 'Connection of type `smtp`.' },
        from: {
          type: 'string',
          pattern: SENDER_PATTERN,
          maxLength: 300,
          'x-expects': 'an address such as sluice@example.com or "Sluice <sluice@example.com>"',
          description: 'Whom mails come from.',
        },
        to: {
          type: 'array',
          maxItems: 50,
          uniqueItems: true,
          items: ADDRESS_SCHEMA,
          description:
            'Who is told of what belongs to no DAG (broken DAG files, silent workers), and of failures and missed deadlines whose DAG does not say.',
          default: [],
        },
      },
      description: 'Mail; without it none are sent.',
    },
    webhook: { ...TEXT, description: 'Connection of type `webhook` that is told of the same as `email.to`.' },
    digest: {
      type: 'string',
      pattern: DURATION_PATTERN,
      'x-expects': 'a duration with a unit, such as 5s or 1m',
      description: 'Alerts raised within this of the first go out in one message.',
      default: CONFIG_DEFAULTS.alerts.digest,
    },
    early_warning: {
      ...EARLY_WARNING_SCHEMA,
      description:
        'The quantile of earlier runs by which deadlines are warned of before they pass, where the SLA does not say. Guide: [SLA](../guides/sla.md).',
      default: CONFIG_DEFAULTS.alerts.early_warning,
    },
  },
}

/** JSON Schema of `sluice.yaml`; each connection is checked against the schema of its type (`connection-schemas.ts`). */
export const CONFIG_SCHEMA: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    catalogs: {
      type: 'object',
      propertyNames: SQL_NAME,
      additionalProperties: CATALOG,
      description:
        'Where tables lie. Names of tables without a catalog are those of the first one, which is `lake`: it stays the first, whatever stands beside it.',
      default: CONFIG_DEFAULTS.catalogs,
    },
    connections: {
      type: 'object',
      propertyNames: NAME,
      additionalProperties: {
        type: 'object',
        required: ['type'],
        properties: {
          type: { type: 'string', description: 'What it leads to; its other keys [depend on it](#connections).' },
        },
      },
      description: 'What lies outside, by the names that DAGs and other keys give. Only here secrets are resolved.',
      default: CONFIG_DEFAULTS.connections,
    },
    store: {
      ...TEXT,
      description:
        'The metadata: a folder for the embedded store, or `postgres://user@host/database` with the password there or in `PGPASSWORD`.',
      default: CONFIG_DEFAULTS.store,
    },
    queue: {
      type: 'string',
      pattern: '^(local|rediss?://[^\\s/]+(/\\d*)?)$',
      'x-expects': '`local` or an address such as redis://host:6379/0',
      description:
        'How the parts of a [cluster](../guides/cluster.md) tell each other of work: Redis (`rediss://` with TLS), its password there or in `REDIS_PASSWORD`. `sluice up` needs none.',
      default: CONFIG_DEFAULTS.queue,
    },
    dags: { ...TEXT, description: 'Folder with the [DAG files](dag.md).', default: CONFIG_DEFAULTS.dags },
    logs: {
      type: ['string', 'object'],
      minLength: 1,
      additionalProperties: false,
      required: ['location'],
      properties: {
        location: { ...TEXT, description: 'A folder, or `s3://bucket/prefix`.' },
        connection: { ...TEXT, description: 'Connection of type `s3`; needed for a location in a bucket.' },
      },
      description: 'Where logs of tasks are kept: a folder, or a map.',
      default: CONFIG_DEFAULTS.logs,
    },
    pools: {
      type: 'object',
      propertyNames: NAME,
      additionalProperties: {
        type: 'integer',
        minimum: 0,
        maximum: 1_000_000,
        description: 'Places of a pool: so many tasks of it run at once, all DAGs together; 0 lets none begin.',
      },
      description: 'How many tasks run at once, by the names that `pool` of a task gives.',
      default: CONFIG_DEFAULTS.pools,
    },
    cache: {
      type: 'object',
      additionalProperties: false,
      description:
        'Files of object stores, kept on the machine. Guide: [object storage](../guides/object-storage.md#local-disk).',
      properties: {
        folder: { ...TEXT, description: 'Where.', default: CONFIG_DEFAULTS.cache.folder },
        size: {
          type: 'string',
          pattern: SIZE_PATTERN,
          'x-expects': 'a size such as 500MB or 20GB',
          description: 'What they may take together; above it the least recently used go.',
          default: CONFIG_DEFAULTS.cache.size,
        },
      },
    },
    vars: {
      type: 'object',
      propertyNames: { ...NAME, pattern: '^[A-Za-z_][A-Za-z0-9_]*$', 'x-expects': 'letters, digits and underscores' },
      additionalProperties: {
        type: ['string', 'integer', 'boolean'],
        description: 'A value for `{{ vars.NAME }}` in templates, always as text. No secrets: it is shown.',
      },
      description: 'Values of this project for all its DAGs.',
      default: CONFIG_DEFAULTS.vars,
    },
    calendars: {
      type: 'object',
      propertyNames: NAME,
      additionalProperties: {
        type: 'array',
        maxItems: 10_000,
        items: { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', 'x-expects': 'a date such as 2026-12-25' },
        description: 'Days that a `schedule` with this name in `skip` leaves out.',
      },
      description: 'Days without runs, by name. Guide: [time](../guides/time.md).',
      default: CONFIG_DEFAULTS.calendars,
    },
    alerts: ALERTS,
  },
}
