import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { authoritiesWith } from '../../authorities.js'
import { SluiceError } from '../../errors.js'
import type { NamedConnection, S3Connection } from '../config.js'

const CONNECT_MS = 5_000
/** A connection on which nothing moves for so long is given up. */
const IDLE_MS = 60_000
/** Tries of one request, with growing pauses between them. */
const MAX_ATTEMPTS = 5
const MAX_SOCKETS = 64

/** `s3://bucket/prefix`, the prefix without slashes at its ends. */
export interface S3Location {
  bucket: string
  prefix: string
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/**
 * Bucket and prefix of an `s3://` address; the prefix has no slash at either end and may be ''.
 * @param place how messages call the location, e.g. `catalogs.lake.location`
 * @throws SluiceError CONFIG_INVALID
 */
export function parseS3Location(url: string, place: string): S3Location {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(url)
  const [, bucket = '', path = ''] = match ?? []
  const prefix = path.replace(/^\/+|\/+$/g, '')
  if (
    !BUCKET.test(bucket) ||
    prefix.split('/').some((part) => part === '.' || part === '..' || /[*?[\]{}]/.test(part))
  ) {
    throw new SluiceError('CONFIG_INVALID', `${place} is ${url}; expected s3://bucket/prefix.`)
  }
  return { bucket, prefix }
}

/**
 * The SDK's settings for a connection. Without keys the SDK looks where it always does: environment, shared files,
 * container and instance roles.
 * @param project absolute folder that a relative `ca` starts in
 * @throws SluiceError CONFIG_INVALID when the connection is of another type or its `ca` cannot be read
 */
export function clientConfig({ name, config }: NamedConnection, project: string): S3ClientConfig {
  const { type, endpoint, region, path_style, access_key, secret_key, session_token, ca } = config as S3Connection
  if (type !== 's3') {
    throw new SluiceError('CONFIG_INVALID', `Connection ${name} is of type ${type}; expected one of type s3.`)
  }
  const tls = ca === undefined ? {} : { ca: authoritiesWith(certificate(resolve(project, ca), name)) }
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...regionOf(region, endpoint),
    // A store of one's own rarely has a DNS name for each bucket.
    forcePathStyle: path_style ?? endpoint !== undefined,
    maxAttempts: MAX_ATTEMPTS,
    ...(access_key === undefined || secret_key === undefined
      ? {}
      : { credentials: { accessKeyId: access_key, secretAccessKey: secret_key, ...token(session_token) } }),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS, ...tls },
    },
  }
}

/** A store of one's own mostly does not care, but the SDK wants a region to sign with. */
function regionOf(region: string | undefined, endpoint: string | undefined): { region?: string } {
  if (region !== undefined) return { region }
  const fromEnvironment = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION
  return endpoint === undefined || fromEnvironment !== undefined ? {} : { region: 'us-east-1' }
}

function token(sessionToken: string | undefined): { sessionToken?: string } {
  return sessionToken === undefined ? {} : { sessionToken }
}

function certificate(path: string, connection: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const message = `Connection ${connection}: its ca file ${path} cannot be read.`
    throw new SluiceError('CONFIG_INVALID', message, { cause: error, hint: 'Give the path of a PEM file.' })
  }
}
