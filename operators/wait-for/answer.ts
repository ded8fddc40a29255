import { DeadlinePassed, within } from '../../deadline.js'
import { SluiceError } from '../../errors.js'
import type { Json } from '../../json.js'
import { isExpectedStatus, resolvePointer } from '../http/answer.js'
import { httpConnection } from '../http/connection.js'
import type { HttpAnswer } from '../http/exchange.js'
import { follow } from '../http/redirects.js'
import { requestOf } from '../http/task-request.js'
import { parseJson } from '../json-text.js'
import type { LookContext } from '../operator.js'
import type { Look } from '../wait.js'
import { durationOf, type HttpCondition, type WaitForConfig } from './config.js'

const TIMEOUT = '10s'
const MAX_REDIRECTS = 5

/** An answer of a certain status, and of certain values where `equals` names some. */
export async function lookAtAnswer({ http }: WaitForConfig, ctx: LookContext): Promise<Look> {
  if (http === undefined) throw new Error('wait_for without http')
  const { equals = {}, timeout = TIMEOUT, ...asked } = http
  const request = requestOf({ ...asked, method: 'GET' }, httpConnection(http.connection, ctx))
  const { answer } = await within(durationOf('timeout', timeout), ctx.signal, (signal) =>
    follow(request, MAX_REDIRECTS, signal, () => undefined),
  ).catch((error: unknown) => {
    if (ctx.signal.aborted || !(error instanceof DeadlinePassed)) throw error
    throw new SluiceError('TIMED_OUT', `no complete answer within ${timeout}`, { cause: error })
  })
  const lacks = lacking(answer, http.expected_status, equals)
  if (lacks !== null) return { met: null, seen: {}, detail: `${request.url.host} ${lacks}` }
  return { met: { status: answer.status } }
}

function lacking(
  answer: HttpAnswer,
  expected: HttpCondition['expected_status'],
  equals: Readonly<Record<string, Json>>,
): string | null {
  if (!isExpectedStatus(answer.status, expected)) return `answers ${answer.status}`
  if (Object.keys(equals).length === 0) return null
  const document = documentOf(answer)
  if (document === undefined) return 'answers no JSON'
  for (const [pointer, wanted] of Object.entries(equals)) {
    const value = resolvePointer(document, pointer)
    if (value === undefined) return `answers nothing at ${pointer}`
    // templates give texts, whatever the answer has
    const isSame = JSON.stringify(value) === JSON.stringify(wanted) || String(value) === wanted
    if (!isSame) return `answers ${JSON.stringify(value).slice(0, 100)} at ${pointer}`
  }
  return null
}

function documentOf({ body }: HttpAnswer): Json | undefined {
  try {
    return parseJson(body.toString('utf8'))
  } catch {
    return undefined // it is no JSON yet
  }
}
