import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { rootCertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { authoritiesWith } from '../authorities.js'

const file = (name: string) => fileURLToPath(new URL(`lakehouse/tls/${name}`, import.meta.url))
const [OTHER = ''] = rootCertificates

/** What comes of a request to a server whose certificate is of the tests' own authority. */
async function asked(ca: string[]): Promise<string> {
  const server = createServer({ key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')) })
  server.on('request', (_, response) => response.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return new Promise((resolve) => {
    get(url, { ca, agent: false }, (response) => resolve(String(response.resume().statusCode))).on('error', (error) =>
      resolve(error.message),
    )
  })
}

it('a named authority counts besides those of Node and those of NODE_EXTRA_CA_CERTS', async () => {
  expect(authoritiesWith(OTHER, {})).toEqual([...rootCertificates, OTHER])
  expect(await asked(authoritiesWith(OTHER, { NODE_EXTRA_CA_CERTS: file('ca.pem') }))).toBe('200')
  expect(await asked(authoritiesWith(readFileSync(file('ca.pem'), 'utf8'), {}))).toBe('200')
})

it('nobody else counts, also where the extra file is not there', async () => {
  for (const env of [{}, { NODE_EXTRA_CA_CERTS: file('nowhere.pem') }]) {
    expect(await asked(authoritiesWith(OTHER, env))).toContain('unable to verify')
  }
})
