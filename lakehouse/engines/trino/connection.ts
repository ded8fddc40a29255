import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { SluiceError } from '../../../errors.js'
import type { LakehouseConfig, TrinoConnection } from '../../config.js'

/** A Trino to talk to, as a connection of type trino describes it. */
export interface TrinoServer {
  /** how messages call it */
  name: string
  /** origin of the coordinator, without a slash at the end */
  url: string
  user: string
  password: string | null
  /** certificate authority to trust besides the usual ones, PEM */
  ca: string | null
  /** session properties sent with every statement, `catalog.name` or `name` */
  session: Record<string, string>
}

/**
 * A connection of type trino as requests need it. A password over plain http is refused here, as Trino would only
 * later.
 * @param name a connection whose secrets are resolved
 * @throws SluiceError CONNECTION_UNKNOWN when there is no such connection of type trino, CONFIG_INVALID
 */
export function trinoServer(config: LakehouseConfig, name: string): TrinoServer {
  const connection = config.connections[name]
  if (!isTrino(connection)) {
    const problem = connection === undefined ? 'does not exist' : `is of type ${connection.type}, not trino`
    throw new SluiceError('CONNECTION_UNKNOWN', `Connection ${name} ${problem}.`, { retryable: false })
  }
  const url = connection.url.replace(/\/+$/, '')
  if (!/^https?:\/\/[^/\s]+$/.test(url)) {
    const message = `connections.${name}.url: "${url}" is not an http(s) address without a path.`
    throw new SluiceError('CONFIG_INVALID', message, { retryable: false })
  }
  const password = connection.password ?? null
  if (password !== null && !url.startsWith('https://')) {
    const message = `connections.${name}: a password needs an https:// url; Trino refuses it over http.`
    throw new SluiceError('CONFIG_INVALID', message, { retryable: false })
  }
  return {
    name,
    url,
    user: connection.user,
    password,
    ca: connection.ca === undefined ? null : certificate(resolve(config.project, connection.ca), name),
    session: Object.fromEntries(Object.entries(connection.session ?? {}).map(([key, value]) => [key, String(value)])),
  }
}

function isTrino(connection: LakehouseConfig['connections'][string] | undefined): connection is TrinoConnection {
  return connection?.type === 'trino' && typeof connection.url === 'string' && typeof connection.user === 'string'
}

function certificate(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const message = `connections.${name}.ca: ${path} cannot be read.`
    throw new SluiceError('CONFIG_INVALID', message, { cause: error, retryable: false })
  }
}
