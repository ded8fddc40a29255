import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openObjectStore } from '../../../lakehouse/objects/open.js'
import { S3Bucket } from '../../../lakehouse/objects/s3-bucket.js'
import { clientConfig } from '../../../lakehouse/objects/s3-connection.js'

let server: Server
let answer: { status: number; code: string }
let authorization: string
/** answered before all others, one request each */
let first: { status: number; code: string }[]
/** when each request was there, in milliseconds */
let asked: number[]
beforeEach(async () => {
  first = []
  asked = []
  // What AWS answers and a store at hand does not: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
  server = createServer((request, response) => {
    authorization = request.headers.authorization ?? ''
    asked.push(performance.now())
    const { status, code } = first.shift() ?? answer
    const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said the store</Message></Error>`
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/xml' }).end(status === 200 ? '' : body)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  server.closeAllConnections()
  server.close()
})

it.each([
  [400, 'AuthorizationHeaderMalformed', 'CONFIG_INVALID', 'not in the region that connection minio names'],
  [301, 'PermanentRedirect', 'CONFIG_INVALID', 'not in the region that connection minio names'],
  [400, 'ExpiredToken', 'OBJECT_STORE_DENIED', 'refuses the keys of connection minio'],
  [403, 'RequestTimeTooSkewed', 'OBJECT_STORE_DENIED', 'The clock of this machine differs'],
  [403, 'AccessDenied', 'OBJECT_STORE_DENIED', 'does not allow connection minio to list lake/ in bucket bucket'],
  [404, 'NoSuchBucket', 'BUCKET_UNKNOWN', 'There is no bucket bucket'],
  [
    501,
    'NotImplemented',
    'OBJECT_STORE_FAILED',
    'failed to list lake/ in bucket bucket: NotImplemented: said the store',
  ],
])('an answer of %i %s is told as %s', async (status, code, expected, said) => {
  answer = { status, code }
  const failure = await failureOf({ access_key: 'key', secret_key: 'very-secret' })
  expect(failure).toMatchObject({ code: expected, message: expect.stringContaining(said) })
  expect(inspect(failure, { depth: 20 })).not.toMatch(/very-secret|AWS4-HMAC-SHA256/)
})

const KEYS = { access_key: 'of-the-connection', secret_key: 'secret' }

it.each([
  ['the connection, before those of the environment', KEYS, 'of-the-environment', 'of-the-connection'],
  ['the environment', {}, 'of-the-environment', 'of-the-environment'],
])('takes its keys from %s', async (_, keys, inEnvironment, used) => {
  answer = { status: 404, code: 'NoSuchBucket' }
  vi.stubEnv('AWS_ACCESS_KEY_ID', inEnvironment)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  await failureOf({ ...keys, region: 'eu-west-3' })
  expect(authorization).toContain(`Credential=${used}/`)
  expect(authorization).toContain('/eu-west-3/s3/')
})

it('says so when neither has keys', async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined)
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nonexistent')
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  expect(await failureOf({})).toMatchObject({
    code: 'OBJECT_STORE_DENIED',
    message: 'There are no credentials for connection minio: it has no keys, and neither has the environment.',
  })
})

/** Pauses are drawn at random, up to a bound that grows: drawn here from its very end. */
function longestPauses(): void {
  vi.spyOn(Math, 'random').mockReturnValue(0.999)
}

/** At least, in milliseconds, between a request and the next. */
function pauses(): number[] {
  return asked.slice(1).map((at, index) => at - (asked[index] ?? 0))
}

it('asks again, after a longer pause each time, while the store is too busy to answer', async () => {
  longestPauses()
  first = Array.from({ length: 2 }, () => ({ status: 503, code: 'ServiceUnavailable' }))
  answer = { status: 200, code: '' }
  const bucket = openBucket()
  await bucket.put('a', Buffer.from('a'))
  bucket.close()
  expect(asked).toHaveLength(3)
  const [before = 0, after = 0] = pauses()
  expect(before).toBeGreaterThan(40)
  expect(after).toBeGreaterThan(80)
})

it('asks no more than five times of a store that stays too busy, and says so', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0)
  answer = { status: 503, code: 'ServiceUnavailable' }
  expect(await failureOf(KEYS)).toMatchObject({
    code: 'OBJECT_STORE_FAILED',
    message: expect.stringContaining('ServiceUnavailable: said the store'),
  })
  expect(asked).toHaveLength(5)
})

it('puts a key again, after a longer pause each time, while another conditional put of it is under way', async () => {
  longestPauses()
  first = Array.from({ length: 2 }, () => ({ status: 409, code: 'ConditionalRequestConflict' }))
  answer = { status: 200, code: '' }
  const bucket = openBucket()
  expect(await bucket.putIfAbsent('a', Buffer.from('a'))).toBe('created')
  bucket.close()
  expect(asked).toHaveLength(3)
  const [before = 0, after = 0] = pauses()
  expect(before).toBeGreaterThan(90)
  expect(after).toBeGreaterThan(180)
})

it.each([
  ['the bucket into the path for a store of one’s own', { endpoint: 'https://minio.internal' }, true],
  [
    'the bucket before the host where `path_style` says so',
    { endpoint: 'https://s3.internal', path_style: false },
    false,
  ],
  ['the bucket before the host of AWS', {}, false],
  ['the bucket into the path of AWS where `path_style` says so', { path_style: true }, true],
])('puts %s', (_, settings, inPath) => {
  const config = { type: 's3' as const, region: 'eu-west-3', ...settings }
  expect(clientConfig({ name: 'minio', config }, tmpdir()).forcePathStyle).toBe(inPath)
})

function connectionWith(settings: Record<string, string>) {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { name: 'minio', config: { type: 's3', endpoint, ...settings } }
}

/** A bucket without the test of conditional writes, which needs a store that holds something. */
function openBucket(): S3Bucket {
  return new S3Bucket('bucket', connectionWith(KEYS), tmpdir())
}

async function failureOf(settings: Record<string, string>): Promise<unknown> {
  const store = openObjectStore('s3://bucket/lake', connectionWith(settings), { project: tmpdir(), place: 'x' })
  try {
    return await store.list('').catch((error: unknown) => error)
  } finally {
    await store.close()
  }
}

it.each([
  ['gs://bucket/x', 'expected a folder or s3://bucket/prefix'],
  ['s3://Bucket/x', 'expected s3://bucket/prefix'],
  ['s3://bucket/a/../b', 'expected s3://bucket/prefix'],
  ['s3://bucket/*', 'expected s3://bucket/prefix'],
])('the location %s is refused', (location, said) => {
  const connection = { name: 'minio', config: { type: 's3' } }
  const open = () => openObjectStore(location, connection, { project: tmpdir(), place: 'catalogs.lake.location' })
  expect(open).toThrow(`catalogs.lake.location is ${location}; ${said}.`)
})
