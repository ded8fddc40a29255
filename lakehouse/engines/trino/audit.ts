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
import type { Check, CheckResult } from '../../lakehouse.js'
import { literal } from '../../sql.js'
import { qualified, type TrinoNames } from './names.js'
import type { Remember } from './reading.js'
import { currentVersions, readSelect, type TableRead } from './select.js'
import type { TrinoSession } from './session.js'

export interface AuditRequest extends AuditSubject {
  session: TrinoSession
  names: TrinoNames
  /** a SELECT that gives the rows to check */
  rows: string
  /** Trino's type of each column, by its name as the audit gets it */
  types: Map<string, string>
  checks: Check[]
  signal?: AbortSignal | undefined
  /** saves the queries of the checks */
  remember?: Remember | undefined
}

/** Runs all checks on the rows in one query; samples of failing rows are fetched only for checks that failed. */
export async function runChecks(request: AuditRequest): Promise<{ results: CheckResult[]; reads: TableRead[] }> {
  if (request.checks.length === 0) return { results: [], reads: [] }
  const compiled = compiledChecks(request)
  const measures = measureQuery(compiled, request.rows)
  const [rows, reads] = await Promise.all([checkRows(request, measures), referenceVersions(request, measures)])
  const results: CheckResult[] = []
  for (const [position, one] of compiled.entries()) {
    const sample = (failing: string) => checkRows(request, sampleQuery(failing, request.rows))
    results.push(await checkResult(one, position, rows[0] ?? {}, request, sample))
  }
  return { results, reads }
}

/** see `quarantineQuery` */
export function quarantineSelect(request: AuditRequest, failed: CheckResult[]): string | null {
  return quarantineQuery(compiledChecks(request), failed, request.rows)
}

function compiledChecks(request: AuditRequest): CompiledCheck[] {
  const { names } = request
  const checks = request.checks.map((check) => {
    if (check.kind !== 'expression') return check
    return { ...check, options: { sql: names.rewrite(String(optionsOf(check).sql)).sql } }
  })
  return checks.map((check, position) => {
    const compiled = compileCheck(check, request, dialect(request))
    return { ...compiled, check: request.checks[position] ?? check }
  })
}

function dialect({ names, types }: AuditRequest): CheckDialect {
  return {
    matches: (column, pattern) => `regexp_like(CAST(${column} AS varchar), ${literal(`\\A(?:${pattern})\\z`)})`,
    newestMs: (column) => `CAST(to_unixtime(CAST(max(${column}) AS timestamp(6) with time zone)) * 1000 AS bigint)`,
    bound: (column, text) => {
      const type = types.get(column) ?? 'varchar'
      return type === 'varchar' ? literal(text) : `CAST(${literal(text)} AS ${type})`
    },
    table: (name) => qualified(names.table(name)),
  }
}

/** Other tables that checks look into, with their versions at the time. */
async function referenceVersions(request: AuditRequest, measures: string): Promise<TableRead[]> {
  const { session, names, checks, signal } = request
  const looks = checks.some(({ kind, options }) => {
    return kind === 'relationship' || (kind === 'expression' && /\bselect\b/i.test(JSON.stringify(options)))
  })
  if (!looks) return []
  const { tables } = await readSelect(session, names, measures, { signal, subject: 'A check' })
  const others = tables.filter((table) => table.label !== request.table)
  return currentVersions(session, others, signal)
}

function checkRows({ session, signal, remember }: AuditRequest, sql: string): Promise<JsonObject[]> {
  return session.rows(sql, { subject: 'A check', signal, remember })
}
