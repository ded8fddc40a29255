import { SluiceError } from '../../errors.js'
import type { LookContext } from '../operator.js'
import { DEFAULT_ALLOW_PRIVATE } from './config.js'
import type { HttpRequest } from './exchange.js'

/** What a connection of type `http` in sluice.yaml says; with no connection, what holds for a URL of a DAG file. */
export interface HttpConnection {
  /** requests go below it; null when they name their whole URL */
  base: URL | null
  headers: Record<string, string>
  reach: HttpRequest['reach']
}

/**
 * Reads a connection: `url` and `headers` for one service, or `allow_private: true` alone for requests to any address.
 * @param name null or undefined for none
 * @throws SluiceError CONNECTION_UNKNOWN, CONFIG_INVALID
 */
export function httpConnection(name: string | undefined, ctx: Pick<LookContext, 'connection'>): HttpConnection {
  if (name === undefined) return { base: null, headers: {}, reach: 'public' }
  const { type, url, headers = {}, allow_private: allowPrivate = DEFAULT_ALLOW_PRIVATE } = ctx.connection(name)
  if (type !== 'http') {
    const message = `The connection ${name} is of type ${type}, not http.`
    throw new SluiceError('CONNECTION_UNKNOWN', message, { retryable: false })
  }
  if (typeof allowPrivate !== 'boolean') throw invalid(name, 'allow_private must be true or false')
  if (headers === null || typeof headers !== 'object') throw invalid(name, 'headers must be a map')
  const fields = Object.fromEntries(Object.entries(headers).map(([field, value]) => [field, String(value)]))
  if (url === undefined && allowPrivate) {
    // Whoever writes a DAG chooses where such a request goes, so it must not carry credentials along.
    if (Object.keys(fields).length > 0) throw invalid(name, 'headers need a url, the one place they are sent to')
    return { base: null, headers: {}, reach: 'any' }
  }
  const base = typeof url === 'string' ? httpUrl(url) : null
  if (base === null) throw invalid(name, 'url must be an http(s) URL')
  return { base, headers: fields, reach: allowPrivate ? 'any' : 'own_origin' }
}

/** null unless the text is a whole URL of http or https. */
export function httpUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') ? url : null
}

function invalid(name: string, what: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', `sluice.yaml: connections.${name}: ${what}.`, { retryable: false })
}
