import { createHash } from 'node:crypto'
import { relative } from 'node:path'
import { isSluiceError } from '../../errors.js'
import { type Instant, isoInstant, type JsonObject } from '../../json.js'
import type { LookContext, OperatorContext } from '../operator.js'
import type { Look, Wait } from '../wait.js'
import { durationOf, everyMs, instantOf, type WaitForConfig } from './config.js'

/** What one try has come to: the outputs of a wait that is over, or what to wait for. */
export type Tried = { met: JsonObject } | { met: null; detail: string; until: Instant | null; waitsFor?: Wait }

/** Tells what is waited for, after `waits for`. */
export function subject(config: WaitForConfig, ctx: OperatorContext): string {
  const { file, sql, http, dag } = config
  if (file !== undefined) return `the file ${file}`
  if (config.table !== undefined) return tableSubject(config)
  if (sql !== undefined) return `a query to hold: ${sql.replaceAll(/\s+/g, ' ').trim().slice(0, 120)}`
  if (http !== undefined) return `an answer of ${http.url}`
  if (dag !== undefined) return `${config.interval === 'last' ? 'the last run' : 'the run of this interval'} of ${dag}`
  return isoInstant(timeOf(config, ctx))
}

function tableSubject({ table, version, changed_since: since, max_age: maxAge }: WaitForConfig): string {
  const demands = [
    version === undefined ? '' : `version ${version} or later`,
    since === undefined ? '' : `changed since ${since}`,
    maxAge === undefined ? '' : `no older than ${maxAge}`,
  ].filter((demand) => demand !== '')
  return demands.length === 0 ? `the table ${table}` : `the table ${table} (${demands.join(', ')})`
}

/**
 * How it stands with a condition as the attempt begins: met, or what is to be waited for without holding a slot.
 * @throws SluiceError for what no later look could mend; a look that may succeed the next time counts as not met
 */
export function tryOnce(config: WaitForConfig, ctx: OperatorContext): Promise<Tried> {
  if (config.dag !== undefined)
    return Promise.resolve({ met: null, detail: '', until: null, waitsFor: runWait(config, ctx) })
  if (config.until !== undefined || config.after !== undefined) return Promise.resolve(tryTime(config, ctx))
  return tryLook(config, ctx)
}

/** One look for all who wait for the same; what fails for once is looked past. */
export async function lookFor(config: WaitForConfig, seen: JsonObject, ctx: LookContext): Promise<Look> {
  if (config.file !== undefined) {
    const { lookForFiles } = await import('./files.js')
    return lookForFiles(config, seen, ctx)
  }
  if (config.table !== undefined) {
    const { lookAtTable } = await import('./table.js')
    return lookAtTable(config, ctx)
  }
  if (config.sql !== undefined) {
    const { lookAtQuery } = await import('./query.js')
    return lookAtQuery(config.sql, config.connection, ctx)
  }
  const { lookAtAnswer } = await import('./answer.js')
  return lookAtAnswer(config, ctx)
}

/** An attempt looks for itself first, but for what needs an engine: of such looks a worker makes one after the other. */
async function tryLook(config: WaitForConfig, ctx: OperatorContext): Promise<Tried> {
  const look: Look =
    config.sql === undefined ? await firstLook(config, ctx) : { met: null, seen: {}, detail: foundInVain(ctx) ?? '' }
  if (look.met !== null) return { met: look.met }
  // who waits how long does not change what is looked at
  const { every: _every, timeout: _timeout, soft_fail: _softFail, ...condition } = config
  const looked = {
    operator: 'wait_for',
    condition: condition as JsonObject,
    folder: relative(ctx.project, ctx.dag.folder),
    everyMs: everyMs(config),
    ...(config.sql === undefined ? {} : { firstMs: 0, weight: 'heavy' as const }),
  }
  const key = createHash('sha256')
    .update(JSON.stringify([ctx.task.queue, looked]))
    .digest('hex')
    .slice(0, 32)
  const on = `look:${key}`
  const waitsFor: Wait = { on, kind: 'look', key, ...looked, table: config.table ?? '', seen: look.seen }
  return { met: null, detail: look.detail, until: null, waitsFor }
}

/** What the last look of a worker found, when the time was over before it found what was waited for; null for nothing. */
export function foundInVain({ woken }: Pick<OperatorContext, 'woken'>): string | null {
  const isFound = woken !== null && typeof woken === 'object' && !Array.isArray(woken)
  return isFound && typeof woken.in_vain === 'string' ? woken.in_vain : null
}

/** What fails for once is looked past, as by the looks that follow. */
async function firstLook(config: WaitForConfig, ctx: OperatorContext): Promise<Look> {
  try {
    return await lookFor(config, {}, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    if (!isSluiceError(error) || !error.retryable) throw error
    return { met: null, seen: {}, detail: `the look failed: ${error.message}` }
  }
}

function runWait({ dag = '', interval = 'same', state = 'success' }: WaitForConfig, { run }: OperatorContext): Wait {
  return {
    on: `dag:${dag}`,
    kind: 'run',
    dag,
    interval: interval === 'last' ? null : { start: isoInstant(run.intervalStart), end: isoInstant(run.intervalEnd) },
    states: state === 'success' ? ['success'] : ['success', 'failed', 'cancelled'],
  }
}

function timeOf({ until, after = '0s' }: WaitForConfig, { run }: OperatorContext): Instant {
  return until === undefined ? run.intervalEnd + durationOf('after', after) : instantOf('until', until)
}

function tryTime(config: WaitForConfig, ctx: OperatorContext): Tried {
  const at = timeOf(config, ctx)
  return ctx.now() >= at ? { met: {} } : { met: null, detail: '', until: at }
}
