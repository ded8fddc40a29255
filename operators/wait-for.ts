import { SluiceError } from '../errors.js'
import { isoInstant, type Json, type JsonObject } from '../json.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import { subject, tryOnce } from './wait-for/condition.js'
import { DEFAULT_TIMEOUT, durationOf, type WaitForConfig } from './wait-for/config.js'
import { WAIT_FOR_DOCS } from './wait-for/docs.js'
import { WAIT_FOR_SCHEMA } from './wait-for/schema.js'

/** When the wait began and when it ends; the same for all of its attempts. */
type Span = { since: number; deadline: number }

export const waitFor: Operator<WaitForConfig> = {
  type: 'wait_for',
  summary: 'Waits for a file, a table, a query, an answer, a time or another DAG',
  docs: WAIT_FOR_DOCS,
  weight: 'light',
  weightOf: ({ sql }) => (sql === undefined ? 'light' : 'heavy'),
  writesTable: false,
  schema: WAIT_FOR_SCHEMA,
  async run(config, ctx): Promise<OperatorResult> {
    const since = ctx.now()
    const span: Span = { since, deadline: since + durationOf('timeout', config.timeout ?? DEFAULT_TIMEOUT) }
    await ctx.saveHandle(span)
    return goOn(span, config, ctx)
  },
  reattach(handle: Json, config, ctx): Promise<OperatorResult> {
    return goOn(handle as Span, config, ctx)
  },
  async look(condition, seen, ctx) {
    const { lookFor } = await import('./wait-for/condition.js')
    return lookFor(condition as WaitForConfig, seen, ctx)
  },
}

async function goOn(span: Span, config: WaitForConfig, ctx: OperatorContext): Promise<OperatorResult> {
  ctx.signal.throwIfAborted()
  const what = subject(config, ctx)
  if (ctx.woken !== null) return over(ctx.woken as JsonObject, what, ctx)
  const tried = await tryOnce(config, ctx)
  if (tried.met !== null) return over(tried.met, what, ctx)
  const detail = tried.detail === '' ? '' : `: ${tried.detail}`
  if (ctx.now() >= span.deadline) {
    const reason = `waited in vain for ${what} since ${isoInstant(span.since)}${detail}`
    if (config.soft_fail === true) return { skipped: { reason } }
    throw new SluiceError('TIMED_OUT', reason, {
      hint: 'Raise `timeout` of the wait, or clear the task to wait anew.',
      retryable: false,
    })
  }
  const reason = `waits for ${what} since ${isoInstant(span.since)}, at most until ${isoInstant(span.deadline)}${detail}`
  ctx.log('info', reason)
  const until = Math.min(tried.until ?? span.deadline, span.deadline)
  return { deferred: { until, reason, ...(tried.waitsFor === undefined ? {} : { waitsFor: tried.waitsFor }) } }
}

/** What has been looked at outside may have failed for good; the look says so in place of what it found. */
function over(found: JsonObject, what: string, ctx: OperatorContext): OperatorResult {
  if (typeof found.failed === 'string') throw new SluiceError('OPERATOR_FAILED', found.failed, { retryable: false })
  const summary = `${what}: it is there`
  ctx.log('info', summary)
  return { outputs: found, summary }
}
