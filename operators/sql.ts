import { SluiceError } from '../errors.js'
import type { Json, JsonObject, JsonSchema } from '../json.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import { checkOutputs } from './outputs.js'
import {
  DESTINATION_PROPERTIES,
  DESTINATION_RULES,
  type Destination,
  destinationTables,
  writeRequest,
  writeResult,
} from './tables/destination.js'

type SqlConfig = Partial<Destination> & {
  query?: string
  file?: string
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
    when: "{{ tasks.big_day.outputs.big }}"
    bash: [campaign, --start]
\`\`\`

Without \`to\` nothing is written: the columns of the first row become the **outputs** of the task, good for branching.
With \`to\` the outputs are \`table\`, \`version\`, \`rows_added\`, \`rows_updated\` and \`rows_removed\`.

A query reads lakehouse tables only, by two-part or three-part names. It cannot read files or the network.
`

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
      ...DESTINATION_PROPERTIES,
      connection: {
        title: 'Connection',
        description: 'Connection of the SQL engine.',
        type: 'string',
        default: 'lakehouse',
        'x-template': 'none',
      },
    },
    oneOf: [{ required: ['query'] }, { required: ['file'] }],
    dependentRequired: { mode: ['to'], keys: ['to'], partition_by: ['to'], quarantine: ['to'] },
    allOf: DESTINATION_RULES,
  },
  shortSchema: query,
  longForm(value: Json): JsonObject {
    return { query: value }
  },
  tables(config: SqlConfig) {
    return { writes: destinationTables(config) }
  },
  async run(config: SqlConfig, ctx: OperatorContext): Promise<OperatorResult> {
    const text = statement(config, ctx)
    const lakehouse = await ctx.lakehouse(config.connection)
    if (config.to === undefined) {
      const result = await lakehouse.query(text, { maxRows: 1, truncate: true, signal: ctx.signal })
      const [row] = result.rows
      const summary = row === undefined ? 'no rows' : rowSummary(row)
      ctx.log('info', summary)
      return { outputs: checkOutputs(row ?? {}), reads: result.reads, summary }
    }
    const request = writeRequest({ kind: 'select', sql: text }, { ...config, to: config.to }, ctx)
    return writeResult(await lakehouse.write(request), ctx)
  },
}

function statement(config: SqlConfig, ctx: OperatorContext): string {
  if (config.query !== undefined) return config.query
  if (config.file !== undefined) return ctx.file(config.file)
  throw new SluiceError('OPERATOR_FAILED', 'sql: neither `query` nor `file` is given.', { retryable: false })
}

function rowSummary(row: JsonObject): string {
  const text = Object.entries(row)
    .map(([column, value]) => `${column} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}
