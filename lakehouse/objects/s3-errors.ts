import { codeOf, SluiceError } from '../../errors.js'

/** Which bucket was spoken to, through which connection of `sluice.yaml`. */
export interface S3Place {
  bucket: string
  connection: string
  /** null for AWS itself */
  endpoint: string | null
}

const NETWORK = /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|TimeoutError)$/
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|^ERR_(TLS|SSL)/
const KEYS = /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired)$/
const REGION = /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301)$/

/** Says what the store or the way to it said, in the words of the person who wrote `sluice.yaml`; keys never occur. */
export function s3Error(error: unknown, place: S3Place, doing: string): unknown {
  if (error instanceof SluiceError || !(error instanceof Error)) return error
  const found = told(error, place, doing)
  return new SluiceError(found.code, found.message, {
    cause: error,
    ...(found.hint === undefined ? {} : { hint: found.hint }),
    ...(found.retryable === undefined ? {} : { retryable: found.retryable }),
  })
}

interface Told {
  code: 'UNREACHABLE' | 'OBJECT_STORE_DENIED' | 'BUCKET_UNKNOWN' | 'CONFIG_INVALID' | 'OBJECT_STORE_FAILED'
  message: string
  hint?: string
  retryable?: boolean
}

function told(error: Error, { bucket, connection, endpoint }: S3Place, doing: string): Told {
  const at = `connection ${connection}`
  const names = [error.name, codeOf(error), codeOf(error.cause)]
  const matches = (pattern: RegExp) => names.some((name) => pattern.test(name))
  const server = endpoint ?? 'AWS S3'
  if (matches(/^NoSuchBucket$/)) {
    return { code: 'BUCKET_UNKNOWN', message: `There is no bucket ${bucket} at ${server} (${at}).`, retryable: false }
  }
  if (matches(REGION)) {
    const message = `Bucket ${bucket} is not in the region that ${at} names.`
    return { code: 'CONFIG_INVALID', message, hint: "Set `region` to the bucket's own region.", retryable: false }
  }
  if (matches(/^CredentialsProviderError$/)) {
    const message = `There are no credentials for ${at}: it has no keys, and neither has the environment.`
    return { code: 'OBJECT_STORE_DENIED', message, hint: 'Give access_key and secret_key.', retryable: false }
  }
  if (matches(KEYS)) {
    const message = `${server} refuses the keys of ${at} (${error.name}).`
    return { code: 'OBJECT_STORE_DENIED', message, retryable: false }
  }
  if (matches(/^RequestTimeTooSkewed$/)) {
    return { code: 'OBJECT_STORE_DENIED', message: `The clock of this machine differs from that of ${server} (${at}).` }
  }
  if (statusOf(error) === 403) {
    const message = `${server} does not allow ${at} to ${doing}.`
    return { code: 'OBJECT_STORE_DENIED', message, retryable: false }
  }
  if (matches(CERTIFICATE)) {
    const message = `The certificate of ${server} (${at}) is not trusted: ${error.message}.`
    return { code: 'UNREACHABLE', message, hint: 'Name the file of its authority as `ca` of the connection.' }
  }
  if (statusOf(error) === undefined && matches(NETWORK)) {
    const reason = names.find((name) => NETWORK.test(name))
    return { code: 'UNREACHABLE', message: `${server} (${at}) cannot be reached: ${reason}.` }
  }
  const said = error.message.slice(0, 500)
  return { code: 'OBJECT_STORE_FAILED', message: `${server} (${at}) failed to ${doing}: ${error.name}: ${said}` }
}

/** The request may have been carried out although no clear answer came. */
export function isUnclear(error: unknown): boolean {
  const status = statusOf(error)
  return status === undefined || status >= 500
}

/**
 * The HTTP status of the server's answer, which the AWS SDK keeps in an error's `$metadata`; undefined when no answer
 * came.
 */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined
  const { $metadata: metadata } = error
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}
