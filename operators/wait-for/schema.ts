import { DURATION_PATTERN } from '../../duration.js'
import type { JsonSchema } from '../../json.js'
import { TABLE_SCHEMA } from '../tables/destination.js'
import { DEFAULT_EVERY, DEFAULT_TIMEOUT } from './config.js'

function duration(title: string, description: string, examples: string[]): JsonSchema {
  return {
    title,
    description,
    type: 'string',
    pattern: DURATION_PATTERN,
    'x-template': 'none',
    'x-expects': 'a duration with a unit, such as 30s, 20m or 1h30m',
    examples,
  }
}

function text(title: string, description: string, examples: string[], template = 'text'): JsonSchema {
  return { title, description, type: 'string', minLength: 1, 'x-template': template, examples }
}

const http: JsonSchema = {
  title: 'HTTP',
  description: 'A GET request that is answered as expected.',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: text('URL', 'As in the operator `http`.', ['https://api.example.com/v1/status']),
    connection: text('Connection', 'Connection of type `http`: URL, headers and secrets.', ['crm'], 'none'),
    headers: {
      title: 'Headers',
      description: 'Header fields of the request.',
      type: 'object',
      additionalProperties: { type: 'string', 'x-template': 'text' },
    },
    query: {
      title: 'Query parameters',
      description: 'Added to the URL, encoded.',
      type: 'object',
      additionalProperties: { type: 'string', 'x-template': 'text' },
    },
    expected_status: {
      title: 'Expected status',
      description: 'A status, or a list of them; by default 200-299.',
      anyOf: [
        { type: 'integer', minimum: 100, maximum: 599 },
        { type: 'array', minItems: 1, items: { type: 'integer', minimum: 100, maximum: 599 } },
      ],
      examples: [200, [200, 204]],
    },
    equals: {
      title: 'Values',
      description: 'JSON pointer (RFC 6901) into the answer: the value that must be there.',
      type: 'object',
      propertyNames: { pattern: '^(/.*)?$' },
      additionalProperties: { type: ['string', 'number', 'boolean', 'null'], 'x-template': 'text' },
      examples: [{ '/status': 'ready' }],
    },
    timeout: duration('Timeout', 'For one look.', ['10s']),
  },
}

const CONDITIONS = ['file', 'table', 'sql', 'http', 'until', 'after', 'dag']

/** Keys that say more of one condition belong to no other. */
const BELONGS_TO = {
  stable: ['file'],
  version: ['table'],
  changed_since: ['table'],
  max_age: ['table'],
  interval: ['dag'],
  state: ['dag'],
}

export const WAIT_FOR_SCHEMA: JsonSchema = {
  title: 'wait_for',
  description: 'Waits for something outside, without a slot.',
  type: 'object',
  additionalProperties: false,
  properties: {
    file: text(
      'File',
      'A path or glob relative to the DAG file, or `s3://bucket/glob` with a `connection`; a success marker is a file, too.',
      ['../landing/{{ date interval.start }}/_SUCCESS', 's3://landing/orders/*.csv'],
    ),
    stable: duration('Stable', 'The files must have kept their names and sizes for so long.', ['30s']),
    table: { ...TABLE_SCHEMA, description: `The table must have a version. ${TABLE_SCHEMA.description}` },
    version: { title: 'Version', description: 'At least this version.', type: 'integer', minimum: 0 },
    changed_since: text('Changed since', 'Its newest version was committed at this instant or later.', [
      '{{ interval.end }}',
    ]),
    max_age: duration('Greatest age', 'Its newest version is no older.', ['24h']),
    sql: text(
      'Query',
      'A SELECT whose first value is true, or a number other than 0.',
      ['SELECT count(*) > 0 FROM bronze.orders WHERE day = {{ date interval.start }}'],
      'sql',
    ),
    http,
    until: text('Until', 'An instant (or a date, its first instant in UTC).', ['{{ interval.end }}']),
    after: duration('After', 'So long after the end of the interval.', ['2h']),
    dag: text('DAG', 'Another DAG, of which a run must have ended.', ['bronze_orders'], 'none'),
    interval: {
      title: 'Interval',
      description: '`same`: its run of the same data interval. `last`: its run that was due last.',
      enum: ['same', 'last'],
      default: 'same',
    },
    state: {
      title: 'State',
      description: '`success`: it has succeeded; one that failed may yet be cleared. `ended`: however it ended.',
      enum: ['success', 'ended'],
      default: 'success',
    },
    connection: text(
      'Connection',
      'Of an S3 `file`, or the SQL engine of `sql` (by default `lakehouse`).',
      ['minio'],
      'none',
    ),
    every: {
      ...duration('Every', 'Between two looks; less than 1s counts as 1s. Time and runs of DAGs need none.', [
        '30s',
        '5m',
      ]),
      default: DEFAULT_EVERY,
    },
    timeout: {
      ...duration('Timeout', 'The whole wait, however many looks it takes; then the task fails.', ['6h']),
      default: DEFAULT_TIMEOUT,
    },
    soft_fail: {
      title: 'Soft fail',
      description: 'After the timeout the task is skipped instead.',
      type: 'boolean',
      default: false,
    },
  },
  oneOf: CONDITIONS.map((key) => ({ required: [key] })),
  dependentRequired: BELONGS_TO,
}
