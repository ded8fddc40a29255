import type { Json } from '../json.js'
import type { WriteOutcome } from '../lakehouse/lakehouse.js'
import type { FilesSource, Prepared } from './ingest/files.js'
import { type IngestSource, SOURCE_SCHEMA } from './ingest/source-schema.js'
import type { ConfigProblem, Operator, OperatorContext, OperatorResult } from './operator.js'
import {
  DESTINATION_PROPERTIES,
  DESTINATION_RULES,
  type Destination,
  destinationProblems,
  destinationTables,
  writeRequest,
  writeResult,
} from './tables/destination.js'

type IngestConfig = Destination & { from: IngestSource }

const docs = `
Reads files, objects of a bucket, or a table of a PostgreSQL database into a table, behind the task's \`checks\`, in one commit.

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
  bronze_events:
    ingest: { from: { connection: minio, files: "s3://landing/events/*.ndjson.gz" }, to: bronze.events }
  bronze_customers:
    ingest: { from: { connection: northwind, table: customers }, to: bronze.customers }
\`\`\`

## Files

Nothing is guessed about how a CSV file is written: UTF-8, fields separated by \`delimiter\`, quoted by \`"\`. A row with too many or too few
fields fails the task with its line; no row is left out. Of several files each may lack columns that others have: they are NULL.
Files of 0 bytes are passed over, and when there are no others the task fails and the table stays.

Formats are CSV, NDJSON, JSON (a list of objects, or one object) and Parquet; text may be compressed (\`.gz\`, \`.zst\`).

A glob that matches nothing fails the task. Files outside the project are refused, also by a symbolic link.

With a \`connection\` of type s3 each of \`files\` is \`s3://bucket/key\`, in which the key may be a glob with the same grammar; the listing begins where the
first special character stands, so say as much of the prefix as you know. The objects are downloaded to the worker's disk first.

## PostgreSQL

With a \`connection\` of type postgres, \`table\` reads a table or view whole and \`query\` the result of one SELECT, all of it as of one instant. Rows are
streamed, so a table may be larger than memory. The types:

| PostgreSQL | table |
|---|---|
| boolean, smallint, integer, bigint, real, double precision, date | the same |
| numeric(p,s) with p up to 38 | decimal(p,s) |
| numeric without a precision | decimal(38,10); a value that does not fit fails the task |
| timestamp, timestamptz | wall time, instant |
| bytea | binary |
| text and its kin, uuid, enums, json, jsonb, time, interval, inet, money and other types with one text form | text, as the database prints it |
| arrays, composites, ranges | refused; make text of them in a query, e.g. \`to_json(tags)::text\` |

## Names of columns

A name in a table may hold no space and none of \`,;{}()=\`, since Parquet readers of other engines take these for syntax. Headers are written for people, so say
what the columns are to be called: \`names: snake_case\` for all of them, \`rename\` for some; \`rename\` goes first.

\`\`\`yaml
  bronze_invoices:
    ingest:
      from:
        files: "landing/invoices-*.csv"      # Order ID,Amount (EUR),Crédit,2024,Discount %
        columns: { "Amount (EUR)": "DECIMAL(12,2)" }
        names: snake_case                    # order_id, amount, credit, _2024, discount
        rename: { "Amount (EUR)": amount }
      to: bronze.invoices
      partition_by: [credit]
\`\`\`

\`snake_case\` makes words in small letters without accents, joined by \`_\`; \`OrderID\` is \`order_id\` too, a name that begins with a digit gets a \`_\` before it, and letters of
other scripts stay. \`keys\`, \`partition_by\` and checks use the names of the table. Two columns that get the same name fail the task. Names inside of structs stay as they are.

## What is written

Each row gets three columns: \`_ingested_at\` (instant of the write), \`_source\` (path of its file relative to the project, its s3:// URL, or
\`connection/table\`) and \`_run_id\`.

\`mode\` is \`overwrite\` unless told otherwise: the table then holds what the files hold. With \`append\` each run adds
all rows of all files that match, so give it the files of its interval, or the one that started the run
(\`{{ trigger.file }}\`). A retry never adds rows twice.

**Outputs**: \`table\`, \`version\`, \`rows_added\`, \`rows_updated\`, \`rows_removed\`, and \`files\` (how many were read) or \`rows_read\`.
`

export const ingest: Operator<IngestConfig> = {
  type: 'ingest',
  summary: 'Reads files, objects or a database table into a table, behind checks',
  docs,
  weight: 'heavy',
  writesTable: true,
  reusable: false,
  schema: {
    title: 'ingest',
    description: 'Reads files, objects or a database table into a table, behind checks.',
    type: 'object',
    additionalProperties: false,
    required: ['from', 'to'],
    properties: { from: SOURCE_SCHEMA, ...DESTINATION_PROPERTIES },
    allOf: DESTINATION_RULES,
  },
  problems: (config) => [...destinationProblems(config), ...renameProblems(config.from)],
  tables(config: IngestConfig) {
    return { writes: destinationTables(config) }
  },
  run(config: IngestConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return runIngest(config, ctx, null)
  },
  /** The handle tells at which version of the table an earlier attempt was about to commit; the files are read anew. */
  reattach(handle: Json, config: IngestConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return runIngest(config, ctx, handle)
  },
}

async function runIngest(config: IngestConfig, ctx: OperatorContext, earlier: Json): Promise<OperatorResult> {
  const prepared = await read(config.from, ctx)
  const result = writeResult(await write(prepared.source, config, ctx, earlier), ctx)
  return {
    ...result,
    outputs: { ...result.outputs, ...prepared.outputs },
    summary: `${result.summary} from ${prepared.read}`,
  }
}

/** Columns that would get one name, as far as the file tells. */
function renameProblems({ rename = {} }: IngestSource): ConfigProblem[] {
  const seen = new Set<string>()
  return Object.entries(rename).flatMap(([name, to]) => {
    const key = to.toLowerCase()
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    const message = `another column is called ${to} already`
    return [{ path: ['from', 'rename', name], message, hint: 'give each column a name of its own' }]
  })
}

/** Brings the rows to local files; each kind of source is loaded only where it is used. */
async function read(from: IngestSource, ctx: OperatorContext): Promise<Prepared> {
  const { connection, files } = from
  if (files === undefined) {
    const { postgresRows } = await import('./ingest/postgres.js')
    return postgresRows(from, ctx)
  }
  const globs = typeof files === 'string' ? [files] : files
  if (connection !== undefined) {
    const { s3Files } = await import('./ingest/s3-files.js')
    return s3Files(globs, connection, from, ctx)
  }
  const { localFiles } = await import('./ingest/local-files.js')
  return localFiles(globs, from, ctx)
}

async function write(
  source: FilesSource,
  config: IngestConfig,
  ctx: OperatorContext,
  earlier: Json,
): Promise<WriteOutcome> {
  const lakehouse = await ctx.lakehouse()
  try {
    return await lakehouse.write(writeRequest(source, config, ctx, earlier))
  } catch (error) {
    const { fileFailure } = await import('./tables/file-failure.js')
    const { paths, origins, options } = source
    const delimiter = options.delimiter ?? ','
    throw await fileFailure(error, { paths, origins, delimiter, signal: ctx.signal })
  }
}
