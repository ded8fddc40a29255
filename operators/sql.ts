import { SluiceError } from '../errors.js'
import { isObject, type Json, type JsonObject, type JsonSchema } from '../json.js'
import type { Lakehouse, WriteRequest } from '../lakehouse/lakehouse.js'
import type { EndContext, Operator, OperatorContext, OperatorResult } from './operator.js'
import { checkOutputs, MAX_ROWS_BYTES } from './outputs.js'
import {
  DESTINATION_PROPERTIES,
  DESTINATION_RULES,
  type Destination,
  destinationProblems,
  destinationTables,
  foreignReads,
  outsideWork,
  writeRequest,
  writeResult,
} from './tables/destination.js'

type SqlConfig = Partial<Destination> & {
  query?: string
  file?: string
  statement?: string
  rows?: number
  connection?: string
}

const query: JsonSchema = {
  title: 'Query',
  description: 'One SELECT over lakehouse tables. Templates become quoted literals; `{{ident x}}` a quoted identifier.',
  type: 'string',
  minLength: 1,
  'x-template': 'sql',
  examples: ['SELECT country, sum(amount) AS amount FROM silver.sales GROUP BY country'],
}

const plainStatement: JsonSchema = {
  title: 'Statement',
  description:
    'One statement that runs as it is, on connections of type trino: DDL, a procedure, a change of rows. It is not gated: no checks, no staging, and a retry runs it again, once what still runs of it is ended.',
  type: 'string',
  minLength: 1,
  'x-template': 'sql',
  examples: ["CALL iceberg.system.unregister_table('bronze', 'orders')"],
}

const rowsOption: JsonSchema = {
  title: 'Rows',
  description:
    'Without `to`: gives out the rows themselves, as the output `rows`, a list of maps, at most so many; more is an error. Good for `for_each`.',
  type: 'integer',
  minimum: 1,
  maximum: 10_000,
}

const docs = `
Runs one **SELECT** over lakehouse tables. With \`to\`, Sluice writes the result: it stages it, runs the task's \`checks\`
on the staged rows, and publishes all of it in one commit. When a check of severity \`error\` fails, the table stays as it
is and the task fails. A retry that finds its earlier commit does nothing.

\`\`\`yaml
tasks:
  silver_sales:
    sql: { file: sql/silver_sales.sql, to: silver.sales, mode: merge, keys: [order_id, product_id] }
    checks:
      - not_null: [order_id, product_id]
  big_day:
    needs: [silver_sales]
    sql: "SELECT count(*) > 1000 AS big FROM silver.sales WHERE sold_on = CAST({{ interval.start }} AS DATE)"
  campaign:
    needs: [big_day]
    when: tasks.big_day.outputs.big
    bash: [campaign, --start]
\`\`\`

Without \`to\` nothing is written: the columns of the first row become the **outputs** of the task, good for branching. With \`rows: 100\`
the output \`rows\` is the list of all rows, up to that number, each a map of its columns.
With \`to\` the outputs are \`table\`, \`version\`, \`rows_added\`, \`rows_updated\` and \`rows_removed\`.

A query reads lakehouse tables by two-part or three-part names. It cannot read files or the network. On a connection of type
\`trino\` it also reads tables of Trino's other catalogs, by the names Trino has for them.

\`statement\` runs one statement as it is, on connections of type \`trino\` only: DDL, procedures, maintenance. It is **not gated**:
nothing is staged or checked, no commit token protects it, and a retry runs it again, so write it such that twice does no harm
(\`CREATE TABLE IF NOT EXISTS\`). Never twice at a time: what a lost attempt has left running is ended first. Its outputs are \`gated\` (false), \`operation\`, \`rows\` and \`query\`, Trino's id of the query.

\`\`\`yaml
  compact:
    sql: { statement: "ALTER TABLE lake.silver.sales EXECUTE optimize" }
\`\`\`
`

/** Rows that are written to a table are not given out as well. */
const ROWS_ARE_NOT_WRITTEN: JsonSchema = {
  if: { required: ['rows'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { properties: { to: false, statement: false } },
}

/** A plain statement names its tables itself. */
const NOTHING_IS_WRITTEN_TO: JsonSchema = {
  if: { required: ['statement'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { properties: { to: false } },
}

export const sql: Operator<SqlConfig> = {
  type: 'sql',
  summary: 'Runs a SELECT and writes its result to a table, behind checks',
  docs,
  weight: 'heavy',
  writesTable: true,
  schema: {
    title: 'sql',
    description: 'Runs a SELECT and writes its result to a table, behind checks.',
    type: 'object',
    additionalProperties: false,
    properties: {
      query,
      file: {
        title: 'Query file',
        description: 'File with one SELECT, relative to the DAG file.',
        type: 'string',
        minLength: 1,
        'x-file': true,
        'x-file-template': 'sql',
        'x-template': 'none',
        examples: ['sql/silver_sales.sql'],
      },
      statement: plainStatement,
      rows: rowsOption,
      ...DESTINATION_PROPERTIES,
      connection: {
        title: 'Connection',
        description: 'Connection of the SQL engine.',
        type: 'string',
        default: 'lakehouse',
        'x-template': 'none',
      },
    },
    oneOf: [{ required: ['query'] }, { required: ['file'] }, { required: ['statement'] }],
    dependentRequired: { mode: ['to'], keys: ['to'], partition_by: ['to'], quarantine: ['to'] },
    allOf: [...DESTINATION_RULES, NOTHING_IS_WRITTEN_TO, ROWS_ARE_NOT_WRITTEN],
  },
  shortSchema: query,
  longForm(value: Json): JsonObject {
    return { query: value }
  },
  problems: destinationProblems,
  tables(config: SqlConfig) {
    return { writes: destinationTables(config) }
  },
  run(config: SqlConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return runSql(config, ctx, null)
  },
  /** The engine finds in the handle which of its queries to look for; what it does not find it does again. */
  reattach(handle: Json, config: SqlConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return runSql(config, ctx, handle)
  },
  /** The embedded engine ends with its slot. */
  leaves(handle: Json): boolean {
    return !isObject(handle) || handle.engine !== 'duckdb'
  },
  async end(handle: Json, config: SqlConfig, ctx: EndContext): Promise<void> {
    const lakehouse = await ctx.lakehouse(config.connection)
    const { token, signal } = ctx
    const log: WriteRequest['log'] = (level, message) => ctx.log(level, message)
    await lakehouse.endWork(handle, { to: config.to ?? null, token, now: ctx.now(), signal, log })
  },
}

async function runSql(config: SqlConfig, ctx: OperatorContext, earlier: Json): Promise<OperatorResult> {
  const lakehouse = await ctx.lakehouse(config.connection)
  if (config.statement !== undefined) return runStatement(config.statement, lakehouse, ctx, earlier)
  const text = selectText(config, ctx)
  if (config.to !== undefined) {
    const request = writeRequest({ kind: 'select', sql: text }, { ...config, to: config.to }, ctx, earlier)
    return writeResult(await lakehouse.write(request), ctx)
  }
  const log: WriteRequest['log'] = (level, message) => ctx.log(level, message)
  const live = { signal: ctx.signal, log, outside: outsideWork(ctx, earlier) }
  if (config.rows !== undefined) {
    const found = await lakehouse.query(text, { maxRows: config.rows, ...live })
    const summary = `${found.rows.length.toLocaleString('en-US')} rows`
    ctx.log('info', summary)
    const outputs = checkOutputs({ rows: found.rows }, MAX_ROWS_BYTES)
    return { outputs, reads: found.reads, summary, ...foreignReads(found) }
  }
  const result = await lakehouse.query(text, { maxRows: 1, truncate: true, ...live })
  const [row] = result.rows
  const summary = row === undefined ? 'no rows' : rowSummary(row)
  ctx.log('info', summary)
  return { outputs: checkOutputs(row ?? {}), reads: result.reads, summary, ...foreignReads(result) }
}

async function runStatement(
  text: string,
  lakehouse: Lakehouse,
  ctx: OperatorContext,
  earlier: Json,
): Promise<OperatorResult> {
  ctx.log('warn', 'This statement is not gated: nothing is staged or checked, and a retry runs it again.')
  const log: WriteRequest['log'] = (level, message) => ctx.log(level, message)
  const done = await lakehouse.execute(text, { signal: ctx.signal, log, outside: outsideWork(ctx, earlier) })
  const rows = done.rows === null ? '' : `, ${done.rows.toLocaleString('en-US')} rows`
  const summary = `${done.operation ?? 'done'}${rows} (not gated)`
  ctx.log('info', summary)
  const { operation, query } = done
  return { outputs: { gated: false, operation, rows: done.rows, query }, metrics: { gated: false }, summary }
}

function selectText(config: SqlConfig, ctx: OperatorContext): string {
  if (config.query !== undefined) return config.query
  if (config.file !== undefined) return ctx.file(config.file)
  throw new SluiceError('OPERATOR_FAILED', 'sql: none of `query`, `file` and `statement` is given.', {
    retryable: false,
  })
}

function rowSummary(row: JsonObject): string {
  const text = Object.entries(row)
    .map(([column, value]) => `${column} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}
