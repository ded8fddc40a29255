import { SluiceError } from '../../errors.js'
import { exchange, type HttpAnswer, type HttpRequest } from './exchange.js'

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/**
 * Sends a request and follows at most `maxRedirects` redirects; each hop obeys the rules of the first.
 * @param log takes one line for each hop
 * @throws SluiceError as `exchange`, and OPERATOR_FAILED for too many redirects or one that may not be followed
 */
export async function follow(
  first: HttpRequest,
  maxRedirects: number,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<{ answer: HttpAnswer; url: URL }> {
  let request = first
  for (let hops = 0; ; hops++) {
    const answer = await exchange(request, signal)
    const location = answer.headers.location
    if (maxRedirects === 0 || location === undefined || !REDIRECTS.has(answer.status)) {
      return { answer, url: request.url }
    }
    if (hops === maxRedirects) {
      throw new SluiceError('OPERATOR_FAILED', `${first.url.host}: more than ${maxRedirects} redirects.`)
    }
    request = redirected(request, answer.status, location)
    log(`${answer.status} redirects to ${request.url.origin}${request.url.pathname}`)
  }
}

/** The request that a redirect asks for. */
export function redirected(request: HttpRequest, status: number, location: string): HttpRequest {
  const url = targetOf(request, location)
  const toGet = status === 303 || ((status === 301 || status === 302) && request.method === 'POST')
  const next: HttpRequest =
    toGet && request.method !== 'HEAD' ? { ...request, url, method: 'GET', body: null } : { ...request, url }
  if (toGet) next.headers = withoutContent(request.headers)
  if (url.origin === request.url.origin) return next
  if (next.body !== null) {
    const message = `${request.url.host} redirects a request with a body to another host, ${url.host}; it was not sent there.`
    throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
  }
  // Headers may carry credentials, and what is said of the connection's origin does not hold for another.
  return { ...next, headers: {}, reach: request.reach === 'any' ? 'any' : 'public' }
}

function targetOf(request: HttpRequest, location: string): URL {
  const url = URL.canParse(location, request.url.href) ? new URL(location, request.url) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new SluiceError('OPERATOR_FAILED', `${request.url.host} redirects to ${location}, which is no http(s) URL.`)
  }
  return url
}

function withoutContent(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')))
}
