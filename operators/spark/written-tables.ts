import { isSluiceError, SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { CheckResult, Commit, Lakehouse, TableVersion } from '../../lakehouse/lakehouse.js'
import { type OperatorContext, OperatorFailure } from '../operator.js'
import { checkFailure, logChecks } from '../tables/destination.js'

const PAGE = 100
/** A job that commits more often than this to one table links its newest commits only. */
const MAX_VERSIONS = 1_000

/** Versions of tables by name; null for a table that is not there. */
export type TableVersions = Record<string, number | null>

/** The versions before the job. */
export async function versionsNow(tables: readonly string[], ctx: OperatorContext): Promise<TableVersions> {
  const versions: TableVersions = {}
  for (const table of tables) versions[table] = await currentVersion(await ctx.lakehouse(), table)
  return versions
}

async function currentVersion(lakehouse: Lakehouse, table: string): Promise<number | null> {
  try {
    return (await lakehouse.summary(table)).version
  } catch (error) {
    if (isSluiceError(error, 'TABLE_UNKNOWN')) return null
    throw error
  }
}

/**
 * The job's commits, found in the histories of its tables: those that carry this task's token, which an earlier attempt may
 * have made, and the new ones that carry nobody's. Commits of other tasks are left out.
 */
export async function commitsSince(before: TableVersions, startedAt: Instant, ctx: OperatorContext): Promise<Commit[]> {
  const commits: Commit[] = []
  for (const [table, version] of Object.entries(before)) {
    const lakehouse = await ctx.lakehouse()
    if ((await currentVersion(lakehouse, table)) === null) {
      ctx.log('warn', `The job says it writes ${table}, but there is no such table after it.`)
      continue
    }
    const own = await ownVersions(lakehouse, table, version, startedAt, ctx)
    if (own.length === 0) ctx.log('info', `${table} has no new version.`)
    commits.push(...own.map((one) => commitOf(table, one)))
  }
  return commits
}

/** Oldest first. */
async function ownVersions(
  lakehouse: Lakehouse,
  table: string,
  before: number | null,
  startedAt: Instant,
  ctx: OperatorContext,
): Promise<{ made: TableVersion; previous: number | null }[]> {
  const found: TableVersion[] = []
  let page = await lakehouse.versions(table, { limit: PAGE })
  while (page.length > 0) {
    found.push(...page)
    const oldest = page.at(-1)
    if (oldest === undefined || oldest.version <= (before ?? -1) || found.length >= MAX_VERSIONS) break
    page = await lakehouse.versions(table, { limit: PAGE, before: oldest.version })
  }
  const own = found.filter((one) => {
    if (one.token !== null || one.run !== null) return one.token === ctx.token
    return one.version > (before ?? -1) && one.committedAt >= startedAt - CLOCK_SKEW_MS
  })
  for (const { version, token } of own) {
    if (token === null) {
      ctx.log('warn', `Version ${version} of ${table} names no task; it was committed while this one ran.`)
    }
  }
  return own
    .map((made) => ({
      made,
      previous: found[found.indexOf(made) + 1]?.version ?? (made.version === 0 ? null : before),
    }))
    .reverse()
}

/** Clocks of a cluster differ by less. */
const CLOCK_SKEW_MS = 60_000

function commitOf(table: string, { made, previous }: { made: TableVersion; previous: number | null }): Commit {
  return {
    table,
    versionBefore: previous,
    version: made.version,
    operation: made.operation,
    rowsAdded: made.rowsAdded ?? 0,
    rowsUpdated: made.rowsUpdated ?? 0,
    rowsRemoved: made.rowsRemoved ?? 0,
    rowsTotal: null,
    bytes: made.bytes ?? 0,
    committedAt: made.committedAt,
  }
}

/** @throws SluiceError OPERATOR_FAILED when the task declares checks and it is not clear of which table */
export function checkedTable(writes: readonly string[], ctx: OperatorContext): string | null {
  if (ctx.checks.length === 0) return null
  const [table] = writes
  if (table !== undefined && writes.length === 1) return table
  throw new SluiceError('OPERATOR_FAILED', '`checks` on a spark_submit task need exactly one table in `writes`.', {
    hint: 'Check further tables with a quality_check task after it.',
    retryable: false,
  })
}

/**
 * Runs the task's checks on the table as the job has left it. The rows are published already: this tells, and stops what
 * needs the task, but keeps nothing out of the table.
 * @throws OperatorFailure CHECK_FAILED
 */
export async function auditAfterwards(
  table: string,
  facts: ConstructorParameters<typeof OperatorFailure>[1],
  ctx: OperatorContext,
): Promise<CheckResult[]> {
  const lakehouse = await ctx.lakehouse()
  const { version, checks } = await lakehouse.check(table, ctx.checks, { signal: ctx.signal, now: ctx.now() })
  logChecks(checks, ctx)
  if (!ctx.noChecks && checks.some((check) => !check.passed && check.severity === 'error')) {
    const consequence = `The rows are in ${table} already (version ${version}): checks of spark_submit run after the write`
    throw new OperatorFailure(checkFailure(checks, consequence), { ...facts, checks })
  }
  return checks
}
