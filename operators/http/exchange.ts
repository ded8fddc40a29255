import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { codeOf, isSluiceError, messageOf, SluiceError } from '../../errors.js'
import { assertPublicHost, publicLookup } from './addresses.js'

export interface HttpRequest {
  url: URL
  method: string
  headers: Record<string, string>
  body: Buffer | null
  /**
   * Where it may go: to public addresses only; to the origin of its URL wherever that is, because a connection of the
   * project names it; or to any address, because a connection says so.
   */
  reach: 'public' | 'own_origin' | 'any'
  maxBytes: number
}

export interface HttpAnswer {
  status: number
  statusText: string
  headers: IncomingMessage['headers']
  body: Buffer
}

/**
 * One request and its complete answer; follows no redirect and keeps no connection.
 * @param signal ends the exchange at any point; its reason is thrown
 * @throws SluiceError ADDRESS_REFUSED, OPERATOR_FAILED (not reachable, broken off, answer over `maxBytes`)
 */
export async function exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  if (request.reach === 'public') assertPublicHost(request.url)
  try {
    const message = await send(request, signal)
    const body = await readBody(request.method === 'HEAD' ? message : decoded(message), request)
    return { status: message.statusCode ?? 0, statusText: message.statusMessage ?? '', headers: message.headers, body }
  } catch (error) {
    signal.throwIfAborted()
    if (isSluiceError(error)) throw error
    throw new SluiceError('OPERATOR_FAILED', `${request.url.host}: ${networkSentence(error)}.`, { cause: error })
  }
}

function send(request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const start = request.url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const outgoing = start(request.url, {
      method: request.method,
      headers: headersOf(request),
      signal,
      // A socket of its own: a shared one could have been opened under another rule.
      agent: false,
      ...(request.reach === 'public' ? { lookup: publicLookup } : {}),
    })
    outgoing.once('error', reject)
    outgoing.once('response', resolve)
    outgoing.end(request.body ?? undefined)
  })
}

function headersOf(request: HttpRequest): Record<string, string> {
  const headers: Record<string, string> = { 'accept-encoding': 'gzip, br', 'user-agent': 'Sluice', ...request.headers }
  // The length belongs to the body that is really sent.
  delete headers['transfer-encoding']
  delete headers['content-length']
  if (request.body !== null) headers['content-length'] = String(request.body.length)
  return headers
}

function decoded(message: IncomingMessage): Readable {
  const encoding = message.headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === '' || hasNoBody(message)) return message
  const decoder = decoderFor(encoding)
  message.once('error', (error) => decoder.destroy(error))
  decoder.once('close', () => message.destroy())
  return message.pipe(decoder)
}

/** An answer without a body may still name the encoding that its body would have. */
function hasNoBody(message: IncomingMessage): boolean {
  const { statusCode, headers } = message
  return statusCode === 204 || statusCode === 304 || headers['content-length'] === '0'
}

function decoderFor(encoding: string) {
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip()
  if (encoding === 'br') return createBrotliDecompress()
  if (encoding === 'deflate') return createInflate()
  throw new SluiceError('OPERATOR_FAILED', `The answer has the content encoding ${encoding}, which was not asked for.`)
}

/** Counts after decompression, so that a small bomb is a large answer. */
async function readBody(stream: Readable, request: HttpRequest): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > request.maxBytes) {
      stream.destroy()
      const limit = request.maxBytes.toLocaleString('en-US')
      throw new SluiceError('OPERATOR_FAILED', `The answer of ${request.url.host} has more than ${limit} bytes.`, {
        hint: 'Raise `max_bytes`, or ask for less.',
        retryable: false,
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const NETWORK_SENTENCES: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused; nothing listens there',
  ECONNRESET: 'the connection was broken off',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name could not be looked up just now',
  ETIMEDOUT: 'the host does not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
}

function networkSentence(error: unknown): string {
  const code = codeOf(error)
  const known = NETWORK_SENTENCES[code]
  return known === undefined ? `the request failed (${messageOf(error) || code})` : `${known} (${code})`
}
