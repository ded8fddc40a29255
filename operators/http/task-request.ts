import { STATUS_CODES } from 'node:http'
import { DeadlinePassed, within } from '../../deadline.js'
import { parseDuration } from '../../duration.js'
import { SluiceError } from '../../errors.js'
import type { OperatorContext, OperatorResult } from '../operator.js'
import { checkOutputs } from '../outputs.js'
import { excerpt, isExpectedStatus, outputsOf } from './answer.js'
import { DEFAULT_MAX_BYTES, DEFAULT_MAX_REDIRECTS, DEFAULT_TIMEOUT, type HttpConfig } from './config.js'
import { type HttpConnection, httpConnection, httpUrl } from './connection.js'
import type { HttpRequest } from './exchange.js'
import { follow } from './redirects.js'

/** Sends the request of a task and turns the answer into its result. */
export async function runRequest(config: HttpConfig, ctx: OperatorContext): Promise<OperatorResult> {
  const request = requestOf(config, httpConnection(config.connection, ctx))
  const timeout = config.timeout ?? DEFAULT_TIMEOUT
  const started = performance.now()
  const label = `${request.method} ${request.url.origin}${request.url.pathname}`
  ctx.log('info', label)
  try {
    const redirects = config.max_redirects ?? DEFAULT_MAX_REDIRECTS
    const { answer } = await within(parseDuration(timeout) ?? 60_000, ctx.signal, (signal) =>
      follow(request, redirects, signal, (line) => ctx.log('info', line)),
    )
    const status = `${answer.status} ${answer.statusText || (STATUS_CODES[answer.status] ?? '')}`.trim()
    const size = `${answer.body.length.toLocaleString('en-US')} bytes`
    ctx.log('info', `${status}, ${size} in ${Math.round(performance.now() - started)} ms`)
    if (!isExpectedStatus(answer.status, config.expected_status)) {
      const text = excerpt(answer)
      if (text !== '') ctx.log('error', text)
      const expected = [config.expected_status ?? []].flat().join(', ') || '200-299'
      throw new SluiceError('OPERATOR_FAILED', `${label} answered ${status}; expected was ${expected}.`)
    }
    const outputs = checkOutputs({ status: answer.status, ...outputsOf(answer, config.outputs ?? {}) })
    return { outputs, summary: `${status}, ${size}` }
  } catch (error) {
    if (ctx.signal.aborted || !(error instanceof DeadlinePassed)) throw error
    throw new SluiceError('TIMED_OUT', `${request.url.host} gave no complete answer within ${timeout}.`, {
      cause: error,
      hint: 'Raise `timeout` of the http operator, or ask for less.',
    })
  }
}

/** The request that a configuration asks for, to the place that its connection leads to. */
export function requestOf(config: HttpConfig, connection: HttpConnection): HttpRequest {
  const url = connection.base === null ? absoluteUrl(config.url) : urlBelow(connection.base, config.url)
  for (const [name, value] of Object.entries(config.query ?? {})) url.searchParams.append(name, value)
  const text = config.json !== undefined ? JSON.stringify(config.json) : config.body
  const body = text === undefined ? null : Buffer.from(text)
  const type = config.json !== undefined ? 'application/json' : 'text/plain; charset=utf-8'
  return {
    url,
    method: config.method ?? (body === null ? 'GET' : 'POST'),
    headers: {
      ...(body === null ? {} : { 'content-type': type }),
      ...lowerCaseNames(config.headers ?? {}),
      ...lowerCaseNames(connection.headers),
    },
    body,
    reach: connection.reach,
    maxBytes: config.max_bytes ?? DEFAULT_MAX_BYTES,
  }
}

function absoluteUrl(text: string): URL {
  const url = httpUrl(text)
  if (url === null) {
    const hint = 'Write https://host/path, or name a `connection` and write the path below its URL.'
    throw new SluiceError('OPERATOR_FAILED', `http: ${text} is not an http(s) URL.`, { hint, retryable: false })
  }
  if (url.username !== '' || url.password !== '') {
    const hint = 'Put them into `headers` of a connection of type http in sluice.yaml.'
    throw new SluiceError('OPERATOR_FAILED', 'http: the URL holds credentials.', { hint, retryable: false })
  }
  return url
}

function urlBelow(base: URL, path: string): URL {
  const folder = base.href.endsWith('/') ? base.href : `${base.href}/`
  const url = URL.canParse(path) ? absoluteUrl(path) : new URL(folder + path.replace(/^\/+/, ''))
  if (url.origin === base.origin && `${url.pathname}/`.startsWith(new URL(folder).pathname)) return url
  const message = `http: ${path} leads outside the connection's URL ${base.origin}${base.pathname}.`
  throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
}

function lowerCaseNames(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
