import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'

const file = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url))
const { usual, other } = vi.hoisted(() => ({ usual: [] as string[], other: [] as string[] }))

/** The authority of the tests takes the place of those that Node brings along: nobody has a certificate of theirs here. */
vi.mock('node:tls', async (original) => {
  const tls = await original<typeof import('node:tls')>()
  other.push(tls.rootCertificates[0] ?? '')
  return { ...tls, rootCertificates: usual }
})

it('a Trino whose certificate is of a usual authority is trusted although the connection names one more', async () => {
  usual.push(readFileSync(file('ca.pem'), 'utf8'))
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ca-'))
  writeFileSync(join(folder, 'other.pem'), other.join(''))
  const server = createServer({ key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')) })
  server.on('request', (_, response) => response.end(JSON.stringify({ queryId: 'x', state: 'RUNNING' })))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const connections = { lakehouse: { type: 'trino', url, user: 'mira', ca: 'other.pem' } }
  const catalogs = { lake: { format: 'delta' as const, location: 's3://lake/delta' } }
  const session = new TrinoSession(trinoServer({ project: folder, catalogs, connections }, 'lakehouse'), 'delta')
  onTestFinished(() => {
    session.close()
    server.close()
    rmSync(folder, { recursive: true })
  })
  expect(await session.control.state('x')).toMatchObject({ state: 'RUNNING' })
})
