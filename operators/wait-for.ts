import { formatDuration } from '../duration.js'
import { SluiceError } from '../errors.js'
import { isoInstant, type Json, type JsonObject } from '../json.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import { foundInVain, subject, tryOnce } from './wait-for/condition.js'
import { DEFAULT_TIMEOUT, durationOf, type WaitForConfig } from './wait-for/config.js'
import { WAIT_FOR_DOCS } from './wait-for/docs.js'
import { waitProblems } from './wait-for/problems.js'
import { WAIT_FOR_SCHEMA } from './wait-for/schema.js'

/** When the wait began and when it ends; the same for all of its attempts. */
type Span = { since: number; deadline: number }

export const waitFor: Operator<WaitForConfig> = {
  type: 'wait_for',
  summary: 'Waits for a file, a table, a query, an answer, a time or another DAG',
  docs: WAIT_FOR_DOCS,
  weight: 'light',
  writesTable: false,
  reusable: false,
  schema: WAIT_FOR_SCHEMA,
  problems: waitProblems,
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
  if (ctx.woken !== null && foundInVain(ctx) === null) return over(ctx.woken as JsonObject, what, span, ctx)
  const tried = await tryOnce(config, ctx)
  if (tried.met !== null) return over(tried.met, what, span, ctx)
  const detail = tried.detail === '' ? '' : `: ${tried.detail}`
  if (ctx.now() >= span.deadline) {
    const reason = `waited in vain for ${what} since ${minute(span.since)}${detail}`
    if (config.soft_fail === true) return { skipped: { reason } }
    throw new SluiceError('TIMED_OUT', reason, {
      hint: 'Raise `timeout` of the wait, or clear the task to wait anew.',
      retryable: false,
    })
  }
  // what this look has found is soon out of date, so it stands in the log; the page tells what the last one found
  const reason = `waits for ${what} since ${minute(span.since)}`
  ctx.log('info', `${reason}${detail}; at most until ${isoInstant(span.deadline)}`)
  const until = Math.min(tried.until ?? span.deadline, span.deadline)
  return { deferred: { until, reason, ...(tried.waitsFor === undefined ? {} : { waitsFor: tried.waitsFor }) } }
}

/** `2026-11-20 06:00Z` */
function minute(instant: number): string {
  return `${isoInstant(instant).slice(0, 16).replace('T', ' ')}Z`
}

/** What has been looked at outside may have failed for good; the look says so in place of what it found. */
function over(found: JsonObject, what: string, { since }: Span, ctx: OperatorContext): OperatorResult {
  if (typeof found.failed === 'string') throw new SluiceError('OPERATOR_FAILED', found.failed, { retryable: false })
  const seconds = Math.round((ctx.now() - since) / 1_000) * 1_000
  const summary = `${what}: there ${seconds === 0 ? 'at once' : `after ${formatDuration(seconds)}`}`
  ctx.log('info', summary)
  return { outputs: found, summary }
}
