import { SluiceError } from '../errors.js'
import type { JsonSchema } from '../json.js'
import type { WriteSource } from '../lakehouse/lakehouse.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import {
  DESTINATION_PROPERTIES,
  DESTINATION_RULES,
  type Destination,
  destinationTables,
  writeRequest,
  writeResult,
} from './tables/destination.js'
import { type FileFormat, formatOf } from './tables/file-format.js'

type IngestConfig = Destination & {
  from: {
    files: string | string[]
    format?: FileFormat
    columns?: Record<string, string>
    delimiter?: string
    header?: boolean
    null_value?: string
  }
}

const glob: JsonSchema = { type: 'string', minLength: 1, 'x-template': 'text' }

const from: JsonSchema = {
  title: 'Source',
  description: 'What is read.',
  type: 'object',
  additionalProperties: false,
  required: ['files'],
  properties: {
    files: {
      title: 'Files',
      description:
        'A path or glob (`*`, `**`, `?`, `[a-z]`, `{a,b}`) relative to the DAG file and inside the project, or a list of them. All matches are read, sorted by path.',
      anyOf: [glob, { type: 'array', minItems: 1, items: glob }],
      examples: ['data/airports.csv', 'landing/*.ndjson', '{{ trigger.file }}'],
    },
    format: {
      title: 'Format',
      description: 'By default the one the extension names: .csv, .tsv, .ndjson, .jsonl, .json, .parquet.',
      enum: ['csv', 'ndjson', 'json', 'parquet'],
    },
    columns: {
      title: 'Columns',
      description: 'CSV: the type of each column, in the order of the file. Without it types are sniffed.',
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
      description: 'CSV: what separates two fields; sniffed by default.',
      type: 'string',
      minLength: 1,
      maxLength: 4,
      'x-template': 'none',
      examples: [';', '\t'],
    },
    header: {
      title: 'Header',
      description: 'CSV: the first line names the columns; sniffed by default.',
      type: 'boolean',
    },
    null_value: {
      title: 'Null value',
      description: 'CSV: the text that stands for NULL; an empty field always does.',
      type: 'string',
      'x-template': 'none',
      examples: ['NA', '\\N'],
    },
  },
}

const docs = `
Reads files of the project into a table, behind the task's \`checks\`, in one commit.

\`\`\`yaml
tasks:
  bronze_airports:
    ingest: { from: { files: data/airports.csv }, to: bronze.airports }
  bronze_orders:
    ingest:
      from:
        files: "landing/orders-*.csv"
        delimiter: ";"
        columns: { order_id: BIGINT, customer: VARCHAR, amount: "DECIMAL(12,2)", sold_on: DATE }
      to: bronze.orders
      mode: append
      partition_by: [sold_on]
    checks:
      - not_null: [order_id]
\`\`\`

Formats are CSV, NDJSON, JSON (a list of objects, or one object) and Parquet; text may be compressed (\`.gz\`, \`.zst\`).
Each row gets three columns: \`_ingested_at\` (instant of the write), \`_source\` (path of its file relative to the project) and \`_run_id\`.

\`mode\` is \`overwrite\` unless told otherwise: the table then holds what the files hold. With \`append\` each run adds
all rows of all files that match, so give it the files of its interval, or the one that started the run
(\`{{ trigger.file }}\`). A retry never adds rows twice.

A glob that matches nothing fails the task. Files outside the project are refused, also by a symbolic link.

**Outputs**: \`table\`, \`version\`, \`rows_added\`, \`rows_updated\`, \`rows_removed\` and \`files\` (how many were read).
`

export const ingest: Operator<IngestConfig> = {
  type: 'ingest',
  summary: 'Reads files into a table, behind checks',
  docs,
  weight: 'heavy',
  writesTable: true,
  schema: {
    title: 'ingest',
    description: 'Reads files into a table, behind checks.',
    type: 'object',
    additionalProperties: false,
    required: ['from', 'to'],
    properties: { from, ...DESTINATION_PROPERTIES },
    allOf: DESTINATION_RULES,
  },
  tables(config: IngestConfig) {
    return { writes: destinationTables(config) }
  },
  async run(config: IngestConfig, ctx: OperatorContext): Promise<OperatorResult> {
    const { matchFiles } = await import('./tables/match-files.js')
    const globs = typeof config.from.files === 'string' ? [config.from.files] : config.from.files
    const files = await matchFiles(globs, { folder: ctx.dag.folder, project: ctx.project, signal: ctx.signal })
    ctx.log('info', files.length === 1 ? `Reading ${files[0]}` : `Reading ${files.length} files, first ${files[0]}`)
    const lakehouse = await ctx.lakehouse()
    const result = writeResult(await lakehouse.write(writeRequest(source(config.from, files, ctx), config, ctx)), ctx)
    return {
      ...result,
      outputs: { ...result.outputs, files: files.length },
      summary: `${result.summary} from ${files.length === 1 ? '1 file' : `${files.length} files`}`,
    }
  },
}

function source(from: IngestConfig['from'], paths: string[], ctx: OperatorContext): WriteSource {
  const found = from.format === undefined ? formatOf(paths) : { format: from.format }
  const options: Extract<WriteSource, { kind: 'files' }>['options'] = {}
  const delimiter = from.delimiter ?? ('delimiter' in found ? found.delimiter : undefined)
  if (delimiter !== undefined) options.delimiter = delimiter
  if (from.header !== undefined) options.header = from.header
  if (from.null_value !== undefined) options.nullValue = from.null_value
  if (found.format !== 'csv' && (from.columns !== undefined || Object.keys(options).length > 0)) {
    const message = `ingest: columns, delimiter, header and null_value belong to CSV, but the format is ${found.format}.`
    throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
  }
  return {
    kind: 'files',
    paths,
    format: found.format,
    columns: from.columns ?? null,
    options,
    ingestedAt: ctx.now(),
    runId: ctx.run.id,
    base: ctx.project,
  }
}
