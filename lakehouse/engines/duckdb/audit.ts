import type { DuckDBValue } from '@duckdb/node-api'
import { SluiceError } from '../../../errors.js'
import type { Instant, Json, JsonObject } from '../../../json.js'
import { freshnessMaxAgeMs } from '../../checks/spec.js'
import type { Check, CheckResult, QueryResult } from '../../lakehouse.js'
import { identifier, literal } from '../../sql.js'
import { jsonValue } from './json-values.js'
import { readSelect } from './select.js'
import type { DuckdbSession } from './session.js'
import type { TableViews } from './views.js'

/** Failing rows kept as a sample. */
const SAMPLE_ROWS = 10

export interface AuditRequest {
  session: DuckdbSession
  views: TableViews
  /** how results and messages name the table */
  table: string
  /** a SELECT that gives the rows to check */
  rows: string
  /** names of the columns of `rows` */
  columns: string[]
  checks: Check[]
  now: Instant
  /** instant of the last commit, for a freshness check without a column; null for rows that are not committed yet */
  committedAt: Instant | null
  signal?: AbortSignal
}

/** A check as SQL over `checked`, the rows under audit. */
interface Compiled {
  check: Check
  /** aggregates; the first one counts failing rows, the others are what was measured */
  measures: Record<string, string>
  /** condition of a failing row, for samples and quarantine; null for checks about the whole */
  failing: string | null
  judge(measured: JsonObject): { failingRows: number; passed: boolean; message: string }
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
  const compiled = request.checks.map((check) => compile(check, request))
  const aggregates = compiled.flatMap((one, index) =>
    Object.entries(one.measures).map(([name, sql]) => `${sql} AS ${identifier(`${index} ${name}`)}`),
  )
  const options = { subject: 'A check', ...(request.signal === undefined ? {} : { signal: request.signal }) }
  const [row = {}] = await request.session.rows(
    `WITH checked AS (${request.rows}) SELECT ${aggregates.join(', ')} FROM checked`,
    options,
  )
  const results: CheckResult[] = []
  for (const [index, one] of compiled.entries()) results.push(await resultOf(request, one, measuredBy(one, index, row)))
  return { results, reads }
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

const ROWS = { rows: 'count(*)' }

function compile(check: Check, request: AuditRequest): Compiled {
  const options = optionsOf(check)
  switch (check.kind) {
    case 'not_null':
      return perRow(
        check,
        columnsOf(check, request)
          .map((name) => `${name} IS NULL`)
          .join(' OR '),
      )
    case 'unique':
      return unique(check, columnsOf(check, request))
    case 'accepted_values':
      return perRow(check, notAccepted(column(options, check, request), options.values ?? []))
    case 'range':
      return perRow(check, outOfRange(column(options, check, request), options))
    case 'matches': {
      const name = column(options, check, request)
      return perRow(check, `NOT regexp_full_match(${name}::VARCHAR, ${literal(String(options.pattern))})`)
    }
    case 'relationship': {
      const target = String(options.to).split('.').map(identifier).join('.')
      const field = identifier(String(options.field))
      const known = `SELECT ${field} FROM ${target} WHERE ${field} IS NOT NULL`
      return perRow(check, `${column(options, check, request)} NOT IN (${known})`)
    }
    case 'expression':
      return perRow(check, `(${String(options.sql)}) IS NOT TRUE`)
    case 'row_count':
      return rowCount(check, options)
    case 'freshness':
      return freshness(check, options, request)
    default:
      throw new Error(`there is no check ${check.kind}`)
  }
}

function perRow(check: Check, failing: string): Compiled {
  return {
    check,
    failing,
    measures: { failing: `count(*) FILTER (WHERE ${failing})`, ...ROWS },
    judge: (measured) => judged(Number(measured.failing), Number(measured.rows), 'fail'),
  }
}

function unique(check: Check, names: string[]): Compiled {
  const list = names.join(', ')
  const whole = names.map((name) => `${name} IS NOT NULL`).join(' AND ')
  const repeated = `SELECT ${list} FROM checked WHERE ${whole} GROUP BY ALL HAVING count(*) > 1`
  return {
    check,
    failing: `(${list}) IN (${repeated})`,
    measures: {
      failing: `(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM checked WHERE ${whole} GROUP BY ${list} HAVING count(*) > 1))`,
      ...ROWS,
    },
    judge: (measured) =>
      judged(Number(measured.failing), Number(measured.rows), `share their ${list.replaceAll('"', '')}`),
  }
}

function rowCount(check: Check, options: JsonObject): Compiled {
  return {
    check,
    failing: null,
    measures: ROWS,
    judge(measured) {
      const rows = Number(measured.rows)
      const wrong = [
        typeof options.min === 'number' && rows < options.min ? `at least ${options.min}` : null,
        typeof options.max === 'number' && rows > options.max ? `at most ${options.max}` : null,
        typeof options.equals === 'number' && rows !== options.equals ? `exactly ${options.equals}` : null,
      ].filter((bound) => bound !== null)
      const passed = wrong.length === 0
      return { passed, failingRows: 0, message: passed ? '' : `${rows} rows, expected ${wrong.join(' and ')}` }
    },
  }
}

function freshness(check: Check, options: JsonObject, request: AuditRequest): Compiled {
  const maxAgeMs = freshnessMaxAgeMs(options)
  const newest =
    typeof options.column === 'string'
      ? `epoch_ms(max(${column(options, check, request)}::TIMESTAMPTZ))`
      : `${request.committedAt ?? request.now}`
  return {
    check,
    failing: null,
    measures: { newest, ...ROWS },
    judge(measured) {
      if (measured.newest === null) return { passed: false, failingRows: 0, message: 'there is no row to be fresh' }
      const ageMs = request.now - Number(measured.newest)
      measured.newest = new Date(Number(measured.newest)).toISOString()
      measured.age_s = Math.round(ageMs / 1000)
      measured.max_age_s = maxAgeMs / 1000
      const passed = ageMs <= maxAgeMs
      return {
        passed,
        failingRows: 0,
        message: passed ? '' : `the newest row is of ${measured.newest}, older than ${String(options.max_age)}`,
      }
    },
  }
}

function judged(failingRows: number, rows: number, verb: string) {
  const passed = failingRows === 0
  return { passed, failingRows, message: passed ? '' : `${failingRows} of ${rows} rows ${verb}` }
}

function notAccepted(name: string, values: Json): string {
  const list = Array.isArray(values) ? values : []
  if (list.every((value) => typeof value === 'number' || typeof value === 'boolean')) {
    return `${name} NOT IN (${list.map(String).join(', ')})`
  }
  return `${name}::VARCHAR NOT IN (${list.map((value) => literal(String(value))).join(', ')})`
}

function outOfRange(name: string, options: JsonObject): string {
  const bound = (value: Json): string => (typeof value === 'number' ? String(value) : literal(String(value)))
  return [
    options.min === undefined ? null : `${name} < ${bound(options.min)}`,
    options.max === undefined ? null : `${name} > ${bound(options.max)}`,
  ]
    .filter((condition) => condition !== null)
    .join(' OR ')
}

function columnsOf(check: Check, request: AuditRequest): string[] {
  return (Array.isArray(check.options) ? check.options : []).map((name) => known(String(name), check, request))
}

function column(options: JsonObject, check: Check, request: AuditRequest): string {
  return known(String(options.column), check, request)
}

/** Column names come from the author of the check: only names of columns that are there become part of the SQL. */
function known(name: string, check: Check, request: AuditRequest): string {
  const found = request.columns.find((candidate) => candidate.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return identifier(found)
  const message = `Check ${check.name} names the column ${name}, which ${request.table} lacks; it has ${request.columns.join(', ')}.`
  throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false })
}

function optionsOf(check: Check): JsonObject {
  const { options } = check
  return typeof options === 'object' && options !== null && !Array.isArray(options) ? options : {}
}

function measuredBy(one: Compiled, index: number, row: Record<string, DuckDBValue>): JsonObject {
  return Object.fromEntries(Object.keys(one.measures).map((name) => [name, jsonValue(row[`${index} ${name}`] ?? null)]))
}

async function resultOf(request: AuditRequest, one: Compiled, measured: JsonObject): Promise<CheckResult> {
  const { check, failing } = one
  const verdict = one.judge(measured)
  const sample = verdict.passed || failing === null ? [] : await failingRows(request, failing)
  return {
    name: check.name,
    kind: check.kind,
    table: request.table,
    severity: check.severity,
    passed: verdict.passed,
    failingRows: verdict.failingRows,
    measured,
    sample,
    message: verdict.message,
  }
}

async function failingRows({ session, rows, signal }: AuditRequest, failing: string): Promise<JsonObject[]> {
  const found = await session.rows(
    `WITH checked AS (${rows}) SELECT * FROM checked WHERE ${failing} LIMIT ${SAMPLE_ROWS}`,
    {
      subject: 'A check',
      ...(signal === undefined ? {} : { signal }),
    },
  )
  return found.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonValue(value)])))
}

/** A SELECT of the rows that fail any of the checks, with a column that names them; null when no check is about rows. */
export function quarantineSelect(request: AuditRequest, failed: CheckResult[]): string | null {
  const conditions = request.checks
    .filter((check) => failed.some((result) => result.name === check.name && !result.passed))
    .map((check) => ({ name: check.name, failing: compile(check, request).failing }))
    .filter((one): one is { name: string; failing: string } => one.failing !== null)
  if (conditions.length === 0) return null
  const names = conditions.map(({ name, failing }) => `CASE WHEN ${failing} THEN ${literal(name)} END`)
  return `WITH checked AS (${request.rows}) SELECT *, concat_ws('; ', ${names.join(', ')}) AS _failed_checks
    FROM checked WHERE ${conditions.map(({ failing }) => `(${failing})`).join(' OR ')}`
}
