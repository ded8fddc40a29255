import type { JsonSchema } from '../../json.js'
import type { FileFormat } from '../tables/file-format.js'

/** `from` of the operator `ingest`; the schema lets one of the forms through. */
export type IngestSource = {
  files?: string | string[]
  connection?: string
  table?: string
  query?: string
  format?: FileFormat
  columns?: Record<string, string>
  delimiter?: string
  header?: boolean
  null_value?: string
  names?: 'as_is' | 'snake_case'
  rename?: Record<string, string>
}

const glob: JsonSchema = { type: 'string', minLength: 1, 'x-template': 'text' }
const name: JsonSchema = { type: 'string', minLength: 1, 'x-template': 'none' }

export const SOURCE_SCHEMA: JsonSchema = {
  title: 'Source',
  description: 'What is read: files of the project, objects of a bucket, or a table or query of a PostgreSQL database.',
  type: 'object',
  additionalProperties: false,
  oneOf: [{ required: ['files'] }, { required: ['table', 'connection'] }, { required: ['query', 'connection'] }],
  'x-expects': 'a map with `files`, or with `connection` and one of `files`, `table` and `query`',
  dependentRequired: Object.fromEntries(
    ['format', 'columns', 'delimiter', 'header', 'null_value'].map((key) => [key, ['files']]),
  ),
  properties: {
    files: {
      title: 'Files',
      description:
        'A path or glob (`*`, `**`, `?`, `[a-z]`, `{a,b}`) relative to the DAG file and inside the project, or a list of them. With a `connection` of type s3 an `s3://bucket/key` in which the key may be a glob. All matches are read, sorted by path.',
      anyOf: [glob, { type: 'array', minItems: 1, items: glob }],
      examples: ['data/airports.csv', 'landing/*.ndjson', 's3://landing/orders/*.parquet', '{{ trigger.file }}'],
    },
    connection: {
      ...name,
      title: 'Connection',
      description: 'Connection of type s3 for `files` in a bucket, of type postgres for `table` and `query`.',
      examples: ['minio', 'northwind'],
    },
    table: {
      ...name,
      title: 'Table',
      description: 'A table or view of the database, `table` or `schema.table`, in the very spelling the database has.',
      examples: ['orders', 'sales.orders'],
    },
    query: {
      title: 'Query',
      description: 'One SELECT in the SQL of the database. Templates become quoted literals.',
      type: 'string',
      minLength: 1,
      'x-template': 'sql',
      examples: ['SELECT * FROM orders WHERE ordered_at >= {{ interval.start }} AND ordered_at < {{ interval.end }}'],
    },
    format: {
      title: 'Format',
      description: 'By default the one the extension names: .csv, .tsv, .ndjson, .jsonl, .json, .parquet.',
      enum: ['csv', 'ndjson', 'json', 'parquet'],
    },
    columns: {
      title: 'Columns',
      description: 'CSV: types by column, named as in the file. Those of the others are sniffed from all rows.',
      type: 'object',
      minProperties: 1,
      additionalProperties: {
        type: 'string',
        pattern: '^[A-Za-z][A-Za-z0-9_ ]*(\\([0-9]+(, ?[0-9]+)?\\))?$',
        'x-template': 'none',
        'x-expects': 'a SQL type such as BIGINT or DECIMAL(12,2)',
        examples: ['VARCHAR', 'BIGINT', 'DECIMAL(12,2)', 'DATE', 'TIMESTAMP'],
      },
      examples: [{ iata: 'VARCHAR', latitude: 'DOUBLE' }],
    },
    delimiter: {
      title: 'Delimiter',
      description: 'CSV: what separates two fields. In .tsv files a tab.',
      default: ',',
      type: 'string',
      minLength: 1,
      maxLength: 4,
      'x-template': 'none',
      examples: [';', '\t'],
    },
    header: {
      title: 'Header',
      description: 'CSV: the first line names the columns. Without one, `columns` does.',
      type: 'boolean',
      default: true,
    },
    null_value: {
      title: 'Null value',
      description: 'CSV: the text that stands for NULL; an empty field always does.',
      type: 'string',
      'x-template': 'none',
      examples: ['NA', '\\N'],
    },
    names: {
      title: 'Names',
      description:
        'What columns are called in the table: `as_is`, or in `snake_case` (`Order ID` becomes `order_id`, `Amount (EUR)` `amount_eur`). A name in a table may hold no space and none of `,;{}()=`.',
      enum: ['as_is', 'snake_case'],
      default: 'as_is',
    },
    rename: {
      title: 'Rename',
      description: 'Names in the table by the names in the source; goes before `names`.',
      type: 'object',
      minProperties: 1,
      additionalProperties: {
        type: 'string',
        pattern: '^[^ ,;{}()\\n\\t=]+$',
        'x-template': 'none',
        'x-expects': 'a name without spaces and without any of ,;{}()=',
      },
      examples: [{ 'Order ID': 'order_id', 'Amount (EUR)': 'amount' }],
    },
  },
}
