import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openObjectStore } from '../../../lakehouse/objects/open.js'

let server: Server
let answer: { status: number; code: string }
let authorization: string
beforeEach(async () => {
  // What AWS answers and a store at hand does not: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
  server = createServer((request, response) => {
    authorization = request.headers.authorization ?? ''
    const body = `<?xml version="1.0"?><Error><Code>${answer.code}</Code><Message>said the store</Message></Error>`
    request.resume().on('end', () => response.writeHead(answer.status, { 'content-type': 'application/xml' }).end(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  vi.unstubAllEnvs()
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

async function failureOf(settings: Record<string, string>): Promise<unknown> {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const connection = { name: 'minio', config: { type: 's3', endpoint, ...settings } }
  const store = openObjectStore('s3://bucket/lake', connection, { project: tmpdir(), place: 'x' })
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
