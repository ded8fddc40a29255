import http from 'node:http'
import https from 'node:https'
import { authoritiesWith } from '../../../authorities.js'
import { within } from '../../../deadline.js'
import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { TrinoServer } from './connection.js'

/** How long one answer may take. Trino itself answers a poll within about a second, whatever the query does. */
const ANSWER_WITHIN_MS = 60_000
/** A page of results is at most about 16 MB; what is beyond this is no answer of Trino. */
const MAX_ANSWER_BYTES = 256_000_000

/** What TLS says of a server that is not the one meant, or whose authority nobody knows: no patience mends that. */
const UNTRUSTED = /^(CERT_|ERR_TLS_CERT|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/

export interface Answer {
  status: number
  text: string
  /** by the clock of whoever answered, in whole seconds; null when it does not say */
  answeredAt: Instant | null
}

interface RequestOptions {
  body?: string
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  withinMs?: number
}

/** One answer of the server did not come, or not whole; whether it acted on the request is not known. */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'NoAnswer'
  }
}

/** HTTP with one Trino: connections kept alive, credentials, bounds. */
export class Exchange {
  readonly #agent: http.Agent
  readonly #headers: Record<string, string>

  constructor(
    readonly server: TrinoServer,
    headers: Record<string, string>,
  ) {
    const secure = server.url.startsWith('https://')
    const trust = server.ca === null ? {} : { ca: authoritiesWith(server.ca) }
    this.#agent = secure ? new https.Agent({ keepAlive: true, ...trust }) : new http.Agent({ keepAlive: true })
    this.#headers = { 'X-Trino-User': server.user, ...headers }
    if (server.password !== null) {
      const credentials = Buffer.from(`${server.user}:${server.password}`).toString('base64')
      this.#headers.Authorization = `Basic ${credentials}`
    }
  }

  /**
   * @param path below the server, or a whole address that the server gave
   * @param options `withinMs`: how long the answer may take, a minute unless told
   * @throws NoAnswer; SluiceError UNREACHABLE when the server is not to be trusted, or gave an address that is none of Trino
   */
  async request(method: 'GET' | 'POST' | 'DELETE', path: string, options: RequestOptions = {}): Promise<Answer> {
    const url = this.#address(path)
    const headers = { ...this.#headers, ...options.headers }
    return within(options.withinMs ?? ANSWER_WITHIN_MS, options.signal, (signal) =>
      this.#send(url, { method, headers, agent: this.#agent, signal }, options.body),
    )
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(url: URL, about: https.RequestOptions, body: string | undefined): Promise<Answer> {
    return new Promise((answered, failed) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, about)
      request.on('error', (error) => failed(this.#untrusted(error) ?? new NoAnswer(error)))
      request.on('response', (response) => {
        textOf(response).then(
          (text) => answered({ status: response.statusCode ?? 0, text, answeredAt: instantOf(response.headers.date) }),
          (error: unknown) => failed(new NoAnswer(error)),
        )
      })
      request.end(body)
    })
  }

  #untrusted(error: NodeJS.ErrnoException): SluiceError | null {
    if (!UNTRUSTED.test(error.code ?? '')) return null
    const { url, name } = this.server
    const message = `Trino at ${url} (connection ${name}) shows a certificate that is not trusted: ${error.message}.`
    const hint = 'Name the PEM file of its authority as `ca` of the connection.'
    return new SluiceError('UNREACHABLE', message, { cause: error, hint, retryable: false })
  }

  /** Behind a proxy Trino may name itself by an address that only it knows: the one of the connection counts. */
  #address(path: string): URL {
    const base = new URL(this.server.url)
    const url = new URL(path, base)
    const address = new URL(`${url.pathname}${url.search}`, base)
    if (!/^\/v1\//.test(address.pathname)) {
      const message = `connections.${this.server.name}.url: ${base.origin} answered with the address ${url.href}, which is none of Trino.`
      throw new SluiceError('UNREACHABLE', message)
    }
    return address
  }
}

function instantOf(date: string | undefined): Instant | null {
  const instant = Date.parse(date ?? '')
  return Number.isNaN(instant) ? null : instant
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
