import { stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { SluiceError } from '../errors.js'
import type { JsonSchema } from '../json.js'
import type { WriteOutcome, WriteSource } from '../lakehouse/lakehouse.js'
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

type FilesSource = Extract<WriteSource, { kind: 'files' }>

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
      description: 'CSV: types by column. Those of the others are sniffed from all rows.',
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

Nothing is guessed about how a CSV file is written: UTF-8, fields separated by \`delimiter\`, quoted by \`"\`. A row with too many or too few
fields fails the task with its line; no row is left out. Of several files each may lack columns that others have: they are NULL.
Files of 0 bytes are passed over, and when there are no others the task fails and the table stays.

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
    const matches = await matchFiles(globs, { folder: ctx.dag.folder, project: ctx.project, signal: ctx.signal })
    const files = await withContent(matches, ctx)
    ctx.log('info', files.length === 1 ? `Reading ${files[0]}` : `Reading ${files.length} files, first ${files[0]}`)
    const outcome = await write(source(config.from, files, ctx), config, ctx)
    const result = writeResult(outcome, ctx)
    return {
      ...result,
      outputs: { ...result.outputs, files: files.length },
      summary: `${result.summary} from ${files.length === 1 ? '1 file' : `${files.length} files`}`,
    }
  },
}

/** An empty file would be a table without columns, and `overwrite` would leave just that. */
async function withContent(paths: string[], ctx: OperatorContext): Promise<string[]> {
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size))
  const files = paths.filter((_, index) => sizes[index] !== 0)
  const empty = paths.filter((_, index) => sizes[index] === 0).map((path) => relative(ctx.project, path))
  if (files.length === 0) {
    const what = empty.length === 1 ? `${empty[0]} is` : `All ${empty.length} files are`
    throw new SluiceError('OPERATOR_FAILED', `${what} empty (0 bytes), without so much as the names of columns.`)
  }
  if (empty.length > 0) ctx.log('warn', `Passed over because they are empty: ${empty.slice(0, 10).join(', ')}`)
  return files
}

async function write(source: FilesSource, config: IngestConfig, ctx: OperatorContext): Promise<WriteOutcome> {
  const lakehouse = await ctx.lakehouse()
  try {
    return await lakehouse.write(writeRequest(source, config, ctx))
  } catch (error) {
    const { fileFailure } = await import('./tables/file-failure.js')
    const { paths, options } = source
    const delimiter = options.delimiter ?? ','
    throw await fileFailure(error, { paths, project: ctx.project, delimiter, signal: ctx.signal })
  }
}

function source(from: IngestConfig['from'], paths: string[], ctx: OperatorContext): FilesSource {
  const found = from.format === undefined ? formatOf(paths) : { format: from.format }
  const options: FilesSource['options'] = {}
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
