import { DURATION_PATTERN } from '../../duration.js'
import type { JsonSchema } from '../../json.js'
import { TABLE_NAME_PATTERN } from '../../lakehouse/names.js'

/** How long a file must stay the same when its DAG does not say. */
export const DEFAULT_STABLE_MS = 2_000

const DAG_PATTERN = '^[A-Za-z_][A-Za-z0-9_]*$'

const batch: JsonSchema = {
  title: 'Batch',
  description: 'One run takes all that waits; without it each version, file or run starts a run of its own.',
  type: 'boolean',
  default: false,
}

/** Names alone, or a map of `any` or `all` and `batch`. */
function names(title: string, description: string, pattern: string, expects: string, examples: string[]): JsonSchema {
  const one = { type: 'string', pattern, 'x-template': 'none', 'x-expects': expects } as const
  const list: JsonSchema = {
    ...one,
    type: ['string', 'array'],
    minItems: 1,
    maxItems: 100,
    uniqueItems: true,
    items: one,
    'x-expects': `${expects}, or a list of them`,
  }
  return {
    title,
    description,
    'x-expects': `${expects}, a list of them, or { any: [...] } or { all: [...] }`,
    anyOf: [
      list,
      {
        type: 'object',
        additionalProperties: false,
        properties: {
          any: { ...list, title: 'Any', description: 'Each of them starts a run.' },
          all: {
            ...list,
            title: 'All',
            description: 'A run starts once there is something new from every one of them.',
          },
          batch,
        },
      },
    ],
    examples: [examples, { all: examples }],
  }
}

const glob: JsonSchema = {
  title: 'Path',
  description: 'A glob relative to the DAG file, or an s3:// URL.',
  type: ['string', 'array'],
  minLength: 1,
  minItems: 1,
  maxItems: 20,
  uniqueItems: true,
  items: {
    type: 'string',
    minLength: 1,
    maxLength: 1_000,
    'x-template': 'none',
    'x-expects': 'a glob such as landing/*.csv',
  },
  'x-template': 'none',
  'x-expects': 'a glob such as landing/*.csv, or a list of them',
}

const files: JsonSchema = {
  title: 'Files',
  description:
    'Each new file of a folder or bucket starts a run, once it is complete. A file written anew is a new one.',
  'x-expects': 'a glob such as landing/*.csv, a list of them, or a map of path, connection, stable, marker and batch',
  anyOf: [
    glob,
    {
      type: 'object',
      additionalProperties: false,
      required: ['path'],
      properties: {
        path: glob,
        connection: {
          title: 'Connection',
          description: 'Of type s3, for paths that are s3:// URLs.',
          type: 'string',
          minLength: 1,
          'x-template': 'none',
        },
        stable: {
          title: 'Stable',
          description: 'A file is complete when size and modification time have been the same for so long.',
          type: 'string',
          pattern: DURATION_PATTERN,
          default: '2s',
          'x-template': 'none',
          'x-expects': 'a duration such as 10s',
        },
        marker: {
          title: 'Marker',
          description:
            'A folder is complete once it holds a file of this name; one run then takes all files of the folder that match.',
          type: 'string',
          pattern: '^[^/*?]+$',
          maxLength: 200,
          'x-template': 'none',
          'x-expects': 'the name of a file such as _SUCCESS',
          examples: ['_SUCCESS'],
        },
        batch,
      },
    },
  ],
  examples: ['landing/*.csv', { path: 's3://shop/orders/*/*.parquet', connection: 'minio', marker: '_SUCCESS' }],
}

const webhooks: JsonSchema = {
  title: 'Webhooks',
  description: 'Signed deliveries to /hooks/<dag>/<name> start runs, each delivery one.',
  type: 'object',
  minProperties: 1,
  maxProperties: 20,
  propertyNames: {
    pattern: '^[a-z][a-z0-9_-]*$',
    maxLength: 100,
    'x-expects': 'a small letter, then small letters, digits, underscores and dashes',
  },
  additionalProperties: {
    type: 'object',
    additionalProperties: false,
    required: ['connection'],
    properties: {
      connection: {
        title: 'Connection',
        description: 'Of type incoming_webhook: it holds the secret that deliveries are signed with.',
        type: 'string',
        minLength: 1,
        'x-template': 'none',
      },
      params: {
        title: 'Parameters',
        description: 'Parameter -> place in the JSON body of the delivery.',
        type: 'object',
        additionalProperties: {
          type: 'string',
          pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$',
          maxLength: 500,
          'x-template': 'none',
          'x-expects': 'names with dots between them such as order.id',
        },
      },
    },
  },
  examples: [{ orders: { connection: 'shop_hook', params: { order: 'order.id' } } }],
}

/** What may start runs besides time, below the key `schedule` of a DAG file. */
export const TRIGGER_PROPERTIES: Record<string, JsonSchema> = {
  tables: names(
    'Tables',
    'Each new version of a table starts a run, whoever wrote it: a task, a Spark job, Trino.',
    TABLE_NAME_PATTERN,
    'a table such as silver.sales',
    ['silver.sales', 'silver.stock'],
  ),
  files,
  dags: names('DAGs', 'Each run of another DAG that is a success starts a run.', DAG_PATTERN, 'the id of a DAG', [
    'bronze',
    'rates',
  ]),
  webhooks,
}
