import type { JsonObject } from '../../../json.js'
import {
  type AuditSubject,
  type CheckDialect,
  type CompiledCheck,
  checkResult,
  compileCheck,
  measureQuery,
  optionsOf,
  quarantineQuery,
  sampleQuery,
} from '../../checks/compile.js'
import type { Check, CheckResult, QueryResult } from '../../lakehouse.js'
import { identifier, literal } from '../../sql.js'
import { jsonValue } from './json-values.js'
import { readSelect } from './select.js'
import type { DuckdbSession } from './session.js'
import type { TableViews } from './views.js'

export interface AuditRequest extends AuditSubject {
  session: DuckdbSession
  views: TableViews
  /** a SELECT that gives the rows to check */
  rows: string
  checks: Check[]
  signal?: AbortSignal
}

const DIALECT: CheckDialect = {
  matches: (column, pattern) => `regexp_full_match(CAST(${column} AS VARCHAR), ${literal(pattern)})`,
  newestMs: (column) => `epoch_ms(max(CAST(${column} AS TIMESTAMPTZ)))`,
  bound: (_, text) => literal(text),
  table: (name) => name.split('.').map(identifier).join('.'),
}

/**
 * Runs all checks on the rows in one query; samples of failing rows are fetched only for checks that failed.
 * Call it inside `session.exclusive`.
 */
export async function runChecks(
  request: AuditRequest,
): Promise<{ results: CheckResult[]; reads: QueryResult['reads'] }> {
  if (request.checks.length === 0) return { results: [], reads: [] }
  const reads = await pinReferences(request)
  const compiled = compiledChecks(request)
  const [row = {}] = await jsonRows(request, measureQuery(compiled, request.rows))
  const results: CheckResult[] = []
  for (const [position, one] of compiled.entries()) {
    const sample = (failing: string) => jsonRows(request, sampleQuery(failing, request.rows))
    results.push(await checkResult(one, position, row, request, sample))
  }
  return { results, reads }
}

/** see `quarantineQuery` */
export function quarantineSelect(request: AuditRequest, failed: CheckResult[]): string | null {
  return quarantineQuery(compiledChecks(request), failed, request.rows)
}

function compiledChecks(request: AuditRequest): CompiledCheck[] {
  return request.checks.map((check) => compileCheck(check, request, DIALECT))
}

async function jsonRows({ session, signal }: AuditRequest, sql: string): Promise<JsonObject[]> {
  const options = { subject: 'A check', ...(signal === undefined ? {} : { signal }) }
  const rows = await session.rows(sql, options)
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonValue(value)])))
}

/** Other tables that checks look into, pinned so that the result says which version it was. */
async function pinReferences({ session, views, checks, signal }: AuditRequest): Promise<QueryResult['reads']> {
  const names = new Set<string>()
  for (const check of checks) {
    const options = optionsOf(check)
    if (check.kind === 'relationship') names.add(String(options.to))
    if (check.kind !== 'expression') continue
    const { tables } = await readSelect(session, `SELECT (${String(options.sql)})`, `Check ${check.name}`)
    for (const table of tables) names.add(table)
  }
  return views.pin([...names], signal)
}
