import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Client, findRunning, requireRunning } from '../../cli/client.js'
import { instancePath, removeInstance, writeInstance } from '../../cli/instance.js'

let server: Server
let answer: (request: IncomingMessage, response: ServerResponse) => void
let url: string
let project: string

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  project = await mkdtemp(join(tmpdir(), 'sluice-client-'))
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(project, { recursive: true, force: true })
})

describe('the client', () => {
  it('sends its token, its body and its idempotency key', async () => {
    let seen: unknown
    answer = (request, response) => {
      const { authorization, 'idempotency-key': key, 'content-type': type } = request.headers
      request.on('data', (body) => {
        seen = { method: request.method, path: request.url, authorization, key, type, body: String(body) }
      })
      request.on('end', () => response.end('{"run":"r1"}'))
    }
    const client = new Client({ url: `${url}/`, token: 'secret' })
    expect(await client.post('/dags/sales/runs', { params: {} }, 'k1')).toEqual({ run: 'r1' })
    expect(seen).toEqual({
      method: 'POST',
      path: '/api/v1/dags/sales/runs',
      authorization: 'Bearer secret',
      key: 'k1',
      type: 'application/json',
      body: '{"params":{}}',
    })
  })

  it('turns a problem document into the error it stands for', async () => {
    answer = (_, response) => {
      response.writeHead(404, { 'content-type': 'application/problem+json' })
      response.end('{"code":"DAG_UNKNOWN","detail":"There is no DAG sale.","hint":"did you mean sales?"}')
    }
    await expect(new Client({ url, token: '' }).get('/dags/sale')).rejects.toMatchObject({
      code: 'DAG_UNKNOWN',
      message: 'There is no DAG sale.',
      hint: 'did you mean sales?',
      exitCode: 1,
    })
  })

  it('does not take a code it has never heard of for its own', async () => {
    answer = (_, response) => response.writeHead(500).end('{"code":"constructor","title":"odd"}')
    await expect(new Client({ url, token: '' }).get('/runs')).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'odd',
    })
  })

  it('tells another server from a Sluice', async () => {
    answer = (_, response) => response.writeHead(502).end('<html>bad gateway</html>')
    await expect(new Client({ url, token: '' }).get('/runs')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      exitCode: 3,
    })
  })

  it('says that nobody answers', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    await once(closed, 'close')
    const client = new Client({ url: `http://127.0.0.1:${port}`, token: '' })
    await expect(client.get('/runs')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('yields whole lines, however the answer is cut', async () => {
    const text = '{"message":"é1"}\n{"message":"2"}\nlast without an end'
    answer = async (_, response) => {
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
      response.end()
    }
    const lines: string[] = []
    for await (const line of new Client({ url, token: '' }).lines('/log')) lines.push(line)
    expect(lines).toEqual(['{"message":"é1"}', '{"message":"2"}', 'last without an end'])
  })
})

describe('the running Sluice', () => {
  const instance = async (text: string) => {
    await mkdir(join(project, '.sluice'), { recursive: true })
    await writeFile(join(project, '.sluice', 'instance.json'), text)
  }

  it('is the one that left its file', async () => {
    await instance(JSON.stringify({ url: 'http://127.0.0.1:8080/', token: 't', pid: process.pid }))
    expect((await findRunning(project, {}))?.url).toBe('http://127.0.0.1:8080')
  })

  it('is not the one that was killed and left its file behind', async () => {
    const highestPid = 2 ** 22
    await instance(JSON.stringify({ url: 'http://127.0.0.1:8080', token: 't', pid: highestPid }))
    expect(await findRunning(project, {})).toBeNull()
  })

  it('is not the one whose number another process has got since', async () => {
    await instance(JSON.stringify({ url: 'http://127.0.0.1:8080', token: 't', pid: process.pid, process_start: '1' }))
    expect(await findRunning(project, {})).toBeNull()
    // in a container each Sluice has the number of the one before, whose file it leaves to those who read the token
    removeInstance(project)
    expect(existsSync(instancePath(project))).toBe(true)
    await writeInstance(project, { url: 'http://127.0.0.1:8080', token: 't' })
    expect(await findRunning(project, {})).not.toBeNull()
    removeInstance(project)
    expect(existsSync(instancePath(project))).toBe(false)
  })

  it('is the one of a container when its URL answers, whatever runs here under its number', async () => {
    const paths: unknown[] = []
    answer = ({ url: path, headers }, response) => {
      paths.push([path, headers.authorization])
      response.end('[]')
    }
    const elsewhere = { token: 't', pid: 1, process_start: '1', place: 'another boot pid:[1]' }
    await instance(JSON.stringify({ ...elsewhere, url }))
    expect((await findRunning(project, {}))?.url).toBe(url)
    expect(paths).toEqual([['/api/v1/runs?limit=1', 'Bearer t']])
    expect(requireRunning(project, {}).url).toBe(url)
    answer = (_, response) => response.writeHead(401).end()
    expect(await findRunning(project, {})).toBeNull()
    answer = (_, response) => response.end('<html>')
    expect(await findRunning(project, {})).toBeNull()
    await instance(JSON.stringify({ ...elsewhere, url: 'http://127.0.0.1:9' }))
    expect(await findRunning(project, {})).toBeNull()
  })

  it('is the one that SLUICE_URL names, before any file', async () => {
    await instance(JSON.stringify({ url: 'http://127.0.0.1:8080', token: 't', pid: process.pid }))
    expect((await findRunning(project, { SLUICE_URL: 'https://sluice.example.com/' }))?.url).toBe(
      'https://sluice.example.com',
    )
  })

  it('is none without a file', async () => {
    expect(await findRunning(project, {})).toBeNull()
    expect(() => requireRunning(project)).toThrow(expect.objectContaining({ code: 'NOT_RUNNING', exitCode: 3 }))
  })

  it('is not guessed from a file that makes no sense', async () => {
    await instance('{"url":')
    await expect(findRunning(project, {})).rejects.toEqual(expect.objectContaining({ code: 'NOT_RUNNING' }))
  })
})
