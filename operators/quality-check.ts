import type { Json, JsonSchema } from '../json.js'
import { CHECKS_SCHEMA, parseChecks } from '../lakehouse/checks/spec.js'
import type { WriteRequest } from '../lakehouse/lakehouse.js'
import {
  type EndContext,
  type Operator,
  type OperatorContext,
  OperatorFailure,
  type OperatorResult,
} from './operator.js'
import { checkFailure, logChecks, outsideWork, TABLE_SCHEMA } from './tables/destination.js'

type QualityCheckConfig = {
  table: string
  checks: Json
  connection?: string
}

const checks: JsonSchema = { ...CHECKS_SCHEMA, description: 'Conditions on the rows of the table.', minItems: 1 }

const docs = `
Runs checks on the current version of a table, whoever wrote it. A failed check of severity \`error\` fails the task, a
\`warn\` is recorded. To keep bad rows out of a table that Sluice itself writes, put \`checks\` on the task that writes it:
those run before anything is published.

\`\`\`yaml
tasks:
  audit:
    quality_check:
      table: gold.rfm
      checks:
        - row_count: { min: 1 }
        - freshness: 24h
        - { range: { column: score, min: 0, max: 100 }, severity: warn }
\`\`\`

**Outputs**: \`table\`, \`version\`, \`passed\` and \`failed\` (numbers of checks; a failed one can only be a warning).
`

export const qualityCheck: Operator<QualityCheckConfig> = {
  type: 'quality_check',
  summary: 'Checks the current version of a table',
  docs,
  weight: 'heavy',
  writesTable: false,
  schema: {
    title: 'quality_check',
    description: 'Checks the current version of a table.',
    type: 'object',
    additionalProperties: false,
    required: ['table', 'checks'],
    properties: {
      table: TABLE_SCHEMA,
      checks,
      connection: {
        title: 'Connection',
        description: 'Connection of the SQL engine.',
        type: 'string',
        default: 'lakehouse',
        'x-template': 'none',
      },
    },
  },
  run(config: QualityCheckConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return check(config, ctx, null)
  },
  /** The engine finds in the handle which of its queries are still asked, and ends them before it begins. */
  reattach(handle: Json, config: QualityCheckConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return check(config, ctx, handle)
  },
  async end(handle: Json, config: QualityCheckConfig, ctx: EndContext): Promise<void> {
    const lakehouse = await ctx.lakehouse(config.connection)
    const { token, signal } = ctx
    const log: WriteRequest['log'] = (level, message) => ctx.log(level, message)
    await lakehouse.endWork(handle, { to: null, token, now: ctx.now(), signal, log })
  },
}

async function check(config: QualityCheckConfig, ctx: OperatorContext, earlier: Json): Promise<OperatorResult> {
  const lakehouse = await ctx.lakehouse(config.connection)
  const log: WriteRequest['log'] = (level, message) => ctx.log(level, message)
  const options = { signal: ctx.signal, now: ctx.now(), log, outside: outsideWork(ctx, earlier) }
  const { version, checks } = await lakehouse.check(config.table, parseChecks(config.checks), options)
  logChecks(checks, ctx)
  const reads = [{ table: config.table, version, rows: null }]
  const failed = checks.filter((check) => !check.passed)
  if (failed.some((check) => check.severity === 'error') && !ctx.noChecks) {
    throw new OperatorFailure(checkFailure(checks, `Checked was version ${version} of ${config.table}`), {
      reads,
      checks,
    })
  }
  const passed = checks.length - failed.length
  const summary = `${config.table} v${version}, ${passed} of ${checks.length} checks passed`
  ctx.log('info', summary)
  return {
    outputs: { table: config.table, version, passed, failed: failed.length },
    reads,
    checks,
    summary,
  }
}
