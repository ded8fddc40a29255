import { SluiceError } from '../../errors.js'
import type { Instant, Json, JsonObject } from '../../json.js'
import type { Check, CheckResult } from '../lakehouse.js'
import { identifier, literal } from '../sql.js'
import { freshnessMaxAgeMs } from './spec.js'

/** Failing rows kept as a sample. */
const SAMPLE_ROWS = 10

/** What engines write differently. Columns come quoted. */
export interface CheckDialect {
  /** a condition: the text matches from end to end */
  matches(column: string, pattern: string): string
  /** milliseconds since the epoch of the greatest value of a date or timestamp */
  newestMs(column: string): string
  /** a date, timestamp or text that a column is compared with */
  bound(column: string, text: string): string
  /** the reference of another table */
  table(name: string): string
}

/** What the rows under audit are. */
export interface AuditSubject {
  /** how results and messages name the table */
  table: string
  /** names of the columns */
  columns: string[]
  now: Instant
  /** instant of the last commit, for a freshness check without a column; null for rows that are not committed yet */
  committedAt: Instant | null
}

/** A check as SQL over `checked`, the rows under audit. */
export interface CompiledCheck {
  check: Check
  /** aggregates; the first one counts failing rows, the others are what was measured */
  measures: Record<string, string>
  /** condition of a failing row, for samples and quarantine; null for checks about the whole */
  failing: string | null
  judge(measured: JsonObject): { failingRows: number; passed: boolean; message: string }
}

const ROWS = { rows: 'count(*)' }

/**
 * The SQL that measures a check on its rows, and how its figures are judged; nothing is run yet.
 * @throws SluiceError SCHEMA_MISMATCH when the check names a column that is not there
 */
export function compileCheck(check: Check, subject: AuditSubject, dialect: CheckDialect): CompiledCheck {
  const options = optionsOf(check)
  switch (check.kind) {
    case 'not_null':
      return perRow(
        check,
        columnsOf(check, subject)
          .map((name) => `${name} IS NULL`)
          .join(' OR '),
      )
    case 'unique':
      return unique(check, columnsOf(check, subject))
    case 'accepted_values':
      return perRow(check, notAccepted(column(options, check, subject), options.values ?? []))
    case 'range':
      return perRow(check, outOfRange(column(options, check, subject), options, dialect))
    case 'matches':
      return perRow(check, `NOT ${dialect.matches(column(options, check, subject), String(options.pattern))}`)
    case 'relationship': {
      const field = identifier(String(options.field))
      const known = `SELECT ${field} FROM ${dialect.table(String(options.to))} WHERE ${field} IS NOT NULL`
      return perRow(check, `${column(options, check, subject)} NOT IN (${known})`)
    }
    case 'expression':
      return perRow(check, `NOT coalesce((${String(options.sql)}), false)`)
    case 'row_count':
      return rowCount(check, options)
    case 'freshness':
      return freshness(check, options, subject, dialect)
    default:
      throw new Error(`there is no check ${check.kind}`)
  }
}

/** One query over `rows` that measures all checks; the column of a measure is its check's position and its name. */
export function measureQuery(compiled: CompiledCheck[], rows: string): string {
  const aggregates = compiled.flatMap((one, index) =>
    Object.entries(one.measures).map(([name, sql]) => `${sql} AS ${identifier(`${index} ${name}`)}`),
  )
  return `WITH checked AS (${rows}) SELECT ${aggregates.join(', ')} FROM checked`
}

/** The first failing rows. */
export function sampleQuery(failing: string, rows: string): string {
  return `WITH checked AS (${rows}) SELECT * FROM checked WHERE ${failing} LIMIT ${SAMPLE_ROWS}`
}

/**
 * What a check found.
 * @param row the answer to `measureQuery`
 * @param sample asked for failing rows when there are any
 */
export async function checkResult(
  one: CompiledCheck,
  position: number,
  row: JsonObject,
  subject: AuditSubject,
  sample: (failing: string) => Promise<JsonObject[]>,
): Promise<CheckResult> {
  const { check, failing } = one
  const measured: JsonObject = Object.fromEntries(
    Object.keys(one.measures).map((name) => [name, row[`${position} ${name}`] ?? null]),
  )
  const verdict = one.judge(measured)
  return {
    name: check.name,
    kind: check.kind,
    table: subject.table,
    severity: check.severity,
    passed: verdict.passed,
    failingRows: verdict.failingRows,
    measured,
    sample: verdict.passed || failing === null ? [] : await sample(failing),
    message: verdict.message,
  }
}

/** A SELECT of the rows that fail any of the checks, with a column that names them; null when no check is about rows. */
export function quarantineQuery(compiled: CompiledCheck[], failed: CheckResult[], rows: string): string | null {
  const conditions = compiled.flatMap(({ check, failing }) => {
    const hasFailed = failed.some((result) => result.name === check.name && !result.passed)
    return hasFailed && failing !== null ? [{ name: check.name, failing }] : []
  })
  if (conditions.length === 0) return null
  const names = conditions.map(({ name, failing }) => `CASE WHEN ${failing} THEN ${literal(name)} END`)
  return `WITH checked AS (${rows}) SELECT *, concat_ws('; ', ${names.join(', ')}) AS _failed_checks
    FROM checked WHERE ${conditions.map(({ failing }) => `(${failing})`).join(' OR ')}`
}

/** The options of a check as a map; those of `not_null` and `unique` are a list instead. */
export function optionsOf(check: Check): JsonObject {
  const { options } = check
  return typeof options === 'object' && options !== null && !Array.isArray(options) ? options : {}
}

function perRow(check: Check, failing: string): CompiledCheck {
  return {
    check,
    failing,
    measures: { failing: `count(*) FILTER (WHERE ${failing})`, ...ROWS },
    judge: (measured) => judged(Number(measured.failing), Number(measured.rows), 'fail'),
  }
}

function unique(check: Check, names: string[]): CompiledCheck {
  const list = names.join(', ')
  const whole = names.map((name) => `${name} IS NOT NULL`).join(' AND ')
  const repeated = `SELECT ${list} FROM checked WHERE ${whole} GROUP BY ${list} HAVING count(*) > 1`
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

function rowCount(check: Check, options: JsonObject): CompiledCheck {
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

function freshness(check: Check, options: JsonObject, subject: AuditSubject, dialect: CheckDialect): CompiledCheck {
  const maxAgeMs = freshnessMaxAgeMs(options)
  const newest =
    typeof options.column === 'string'
      ? dialect.newestMs(column(options, check, subject))
      : `${subject.committedAt ?? subject.now}`
  return {
    check,
    failing: null,
    measures: { newest, ...ROWS },
    judge(measured) {
      if (measured.newest === null) return { passed: false, failingRows: 0, message: 'there is no row to be fresh' }
      const ageMs = subject.now - Number(measured.newest)
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
  return `CAST(${name} AS VARCHAR) NOT IN (${list.map((value) => literal(String(value))).join(', ')})`
}

function outOfRange(name: string, options: JsonObject, dialect: CheckDialect): string {
  const bound = (value: Json): string =>
    typeof value === 'number' ? String(value) : dialect.bound(name, String(value))
  return [
    options.min === undefined ? null : `${name} < ${bound(options.min)}`,
    options.max === undefined ? null : `${name} > ${bound(options.max)}`,
  ]
    .filter((condition) => condition !== null)
    .join(' OR ')
}

function columnsOf(check: Check, subject: AuditSubject): string[] {
  return (Array.isArray(check.options) ? check.options : []).map((name) => known(String(name), check, subject))
}

function column(options: JsonObject, check: Check, subject: AuditSubject): string {
  return known(String(options.column), check, subject)
}

/** Column names come from the author of the check: only names of columns that are there become part of the SQL. */
function known(name: string, check: Check, subject: AuditSubject): string {
  const found = subject.columns.find((candidate) => candidate.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return identifier(found)
  const message = `Check ${check.name} names the column ${name}, which ${subject.table} lacks; it has ${subject.columns.join(', ')}.`
  throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false })
}
