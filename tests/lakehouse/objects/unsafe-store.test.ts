import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openObjectStore } from '../../../lakehouse/objects/open.js'
import { CatalogTest } from '../../../scheduler/worker/catalog-test.js'
import type { SlotConfig } from '../../../scheduler/worker/protocol.js'

const DELETED = '<?xml version="1.0"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></DeleteResult>'

let project: string
let server: Server
let asked: string[]
beforeEach(async () => {
  project = mkdtempSync(join(tmpdir(), 'sluice-unsafe-'))
  asked = []
  // A store that takes whatever comes, as some do: If-None-Match is nothing to it.
  server = createServer((request, response) => {
    asked.push(
      `${request.method} ${request.url?.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'ID')} ${request.headers['if-none-match'] ?? ''}`,
    )
    request.resume().on('end', () => response.end(request.method === 'POST' ? DELETED : ''))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(project, { recursive: true })
})

it('a store that ignores If-None-Match is refused before anything is written to it', async () => {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = { type: 's3', endpoint, access_key: 'key', secret_key: 'secret' }
  const around = { project, place: 'catalogs.lake.location' }
  const store = openObjectStore('s3://bucket/lake', { name: 'minio', config }, around)
  for (let again = 0; again < 2; again++) {
    await expect(store.put('orders', Buffer.from('row'))).rejects.toMatchObject({
      code: 'OBJECT_STORE_UNSAFE',
      message: `Bucket bucket at ${endpoint} ignores If-None-Match: a second writer replaced what the first had written.`,
      retryable: false,
    })
  }
  expect(asked.slice(0, 3)).toEqual([
    'PUT /bucket/lake/_sluice/conditional-write-test-ID?x-id=PutObject *',
    'PUT /bucket/lake/_sluice/conditional-write-test-ID?x-id=PutObject *',
    'POST /bucket/?delete= ',
  ])
  expect(asked.join()).not.toContain('orders')
  await store.close()
})

it('a worker says at its start that a catalog cannot be written to', async () => {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const said: string[] = []
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (_: object, message: string) => void said.push(message),
  }
  const config: SlotConfig = {
    ...{ project, dags: project, work: project, vars: {} },
    logs: { location: project, connection: null },
    catalogs: {
      lake: { format: 'delta', location: 's3://other/lake', connection: 'minio' },
      local: { format: 'delta', location: './lake' },
    },
    connections: { minio: { type: 's3', endpoint, access_key: 'key', secret_key: 'secret' } },
    cache: { folder: join(project, 'cache'), maxBytes: 1e6 },
  }
  const test = new CatalogTest(config, log)
  test.start()
  while (said.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await test.close()
  expect(said).toEqual([
    expect.stringMatching(/^catalog lake cannot be written to: Bucket other at .* ignores If-None-Match/),
  ])
})
