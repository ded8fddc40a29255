import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ClientConfig } from 'pg'
import { authoritiesWith } from '../authorities.js'
import { codeOf, messageOf, SluiceError } from '../errors.js'
import { type NamedConnection, POSTGRES_DEFAULTS, type PostgresConnection } from './config.js'

const CONNECT_MS = 10_000
const NETWORK = /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH)$/
/** SQLSTATE of a server that shuts down, has crashed, starts up or ends idle sessions, and the class of broken connections. */
const AWAY = /^(57P0[1235]|08)/
/** SQLSTATE classes of what no retry mends: syntax and names, privileges, features. */
const LASTING = /^(42|0A|3D|3F|28)/

/**
 * The driver's settings for a connection of type postgres.
 * @param project absolute folder that a relative `ca` starts in
 * @throws SluiceError CONFIG_INVALID when it is of another type or its `ca` cannot be read
 */
export function postgresClientConfig({ name, config }: NamedConnection, project: string): ClientConfig {
  const { type, host, database, user, password, ca } = config as PostgresConnection
  const { port = POSTGRES_DEFAULTS.port, tls = POSTGRES_DEFAULTS.tls } = config as PostgresConnection
  if (type !== 'postgres') {
    throw new SluiceError('CONFIG_INVALID', `Connection ${name} is of type ${type}; expected one of type postgres.`)
  }
  const trusted = ca === undefined ? {} : { ca: authoritiesWith(certificate(resolve(project, ca), name)) }
  return {
    host,
    port,
    database,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ssl: tls === 'off' ? false : { rejectUnauthorized: tls === 'verified', ...trusted },
    application_name: 'sluice',
    connectionTimeoutMillis: CONNECT_MS,
  }
}

/** Says what the database or the way to it said, with the connection's name and never its password. */
export function postgresError(error: unknown, { name, config }: NamedConnection, doing: string): unknown {
  if (error instanceof SluiceError || !(error instanceof Error)) return error
  const { host, port = POSTGRES_DEFAULTS.port } = config as PostgresConnection
  const code = codeOf(error)
  const at = `${host}:${port} (connection ${name})`
  if (NETWORK.test(code) || AWAY.test(code) || /^(timeout expired|Connection terminated)/.test(error.message)) {
    return new SluiceError(
      'UNREACHABLE',
      `PostgreSQL at ${at} cannot be reached: ${AWAY.test(code) ? error.message : code || error.message}.`,
      {
        cause: error,
      },
    )
  }
  if (code.startsWith('28')) {
    const message = `PostgreSQL at ${at} refuses the user of the connection: ${error.message}.`
    return new SluiceError('CONNECTION_DENIED', message, { cause: error, retryable: false })
  }
  return new SluiceError('SQL_FAILED', `PostgreSQL at ${at} failed to ${doing}: ${error.message}.`, {
    cause: error,
    retryable: !LASTING.test(code),
    hint: 'Mend the query or the table, or what the user of the connection may do.',
  })
}

function certificate(path: string, connection: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const message = `Connection ${connection}: its ca file ${path} cannot be read: ${messageOf(error)}.`
    throw new SluiceError('CONFIG_INVALID', message, { cause: error, hint: 'Give the path of a PEM file.' })
  }
}
