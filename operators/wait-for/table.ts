import { formatDuration } from '../../duration.js'
import { isSluiceError } from '../../errors.js'
import { isoInstant } from '../../json.js'
import type { TableSummary } from '../../lakehouse/lakehouse.js'
import type { LookContext } from '../operator.js'
import type { Look } from '../wait.js'
import { durationOf, instantOf, type WaitForConfig } from './config.js'

/** A version of a table: any, one of at least a number, or one committed lately enough, by whomever. */
export async function lookAtTable(config: WaitForConfig, ctx: LookContext): Promise<Look> {
  const name = config.table ?? ''
  const table = await summaryOrNull(name, ctx)
  if (table === null) return { met: null, seen: {}, detail: `there is no table ${name} yet` }
  const lacks = lacking(config, table, ctx)
  if (lacks !== null) return { met: null, seen: { version: table.version }, detail: lacks }
  return { met: { table: name, version: table.version, changed_at: isoInstant(table.changedAt) } }
}

function lacking(config: WaitForConfig, { version, changedAt }: TableSummary, ctx: LookContext): string | null {
  const is = `${config.table} is at version ${version} of ${isoInstant(changedAt)}`
  if (config.version !== undefined && version < config.version) return `${is}, before version ${config.version}`
  const { changed_since: since, max_age: maxAge } = config
  if (since !== undefined && changedAt < instantOf('changed_since', since)) return `${is}, unchanged since ${since}`
  if (maxAge === undefined || ctx.now() - changedAt <= durationOf('max_age', maxAge)) return null
  return `${is}, ${formatDuration(ctx.now() - changedAt)} old`
}

async function summaryOrNull(name: string, ctx: LookContext): Promise<TableSummary | null> {
  try {
    return await (await ctx.tables()).summary(name)
  } catch (error) {
    if (isSluiceError(error, 'TABLE_UNKNOWN')) return null
    throw error
  }
}
