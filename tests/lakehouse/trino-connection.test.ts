import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { JsonObject } from '../../json.js'
import type { LakehouseConfig } from '../../lakehouse/config.js'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { endQueries } from '../../lakehouse/engines/trino/end-queries.js'
import { trinoError } from '../../lakehouse/engines/trino/errors.js'
import { NoAnswer } from '../../lakehouse/engines/trino/exchange.js'
import { publishingHints } from '../../lakehouse/engines/trino/hints.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'
import { stateOf } from '../../lakehouse/engines/trino/settle.js'

const PASSWORD = 'open:sesame é'
const file = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url))

/** A server with a certificate of an authority of its own that lets one user in, and answers one statement as Trino does. */
const seen: IncomingMessage[] = []
const trino: Server = createServer({ key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')) })
trino.on('request', (request: IncomingMessage, response) => {
  seen.push(request)
  const allowed = `Basic ${Buffer.from(`mira:${PASSWORD}`).toString('base64')}`
  if (request.headers.authorization !== allowed) return response.writeHead(401).end('Access Denied')
  const id = '20260101_000000_00001_abcde'
  if (request.url === `/v1/query/${id}`) return response.end(JSON.stringify({ queryId: id, state: 'RUNNING' }))
  const next = `https://an.address.only.trino.knows:8443/v1/statement/queued/${id}/y/1`
  const columns = [{ name: 'n', type: 'bigint' }]
  const last = { id, columns, data: [[7]], stats: { state: 'FINISHED' } }
  const first = { id, nextUri: next, stats: { state: 'QUEUED' } }
  return response.end(JSON.stringify(request.method === 'POST' ? first : last))
})

const config = (connection: JsonObject): LakehouseConfig => ({
  project: '/srv/project',
  catalogs: { lake: { format: 'delta', location: 's3://lake/delta' } },
  connections: { lakehouse: { type: 'trino', user: 'mira', ...connection } },
})

let url = ''
beforeAll(async () => {
  trino.listen(0, '127.0.0.1')
  await once(trino, 'listening')
  url = `https://127.0.0.1:${(trino.address() as AddressInfo).port}`
})
afterAll(() => {
  trino.closeAllConnections()
  trino.close()
})

async function withSession<T>(connection: JsonObject, use: (session: TrinoSession) => Promise<T>): Promise<T> {
  const session = new TrinoSession(trinoServer(config(connection), 'lakehouse'), 'delta')
  try {
    return await use(session)
  } finally {
    session.close()
  }
}

describe('a Trino behind TLS', () => {
  it('is trusted by its own authority, and told user and password with every request', async () => {
    seen.length = 0
    await withSession({ url, password: PASSWORD, ca: file('ca.pem') }, async (session) => {
      expect(await session.rows('SELECT 7 AS n')).toEqual([{ n: 7 }])
      expect(await session.control.state('20260101_000000_00001_abcde')).toMatchObject({ state: 'RUNNING' })
      await session.control.cancel('20260101_000000_00001_abcde')
    })
    expect(seen.map(({ method, headers }) => [method, headers['x-trino-user']])).toEqual([
      ['POST', 'mira'],
      ['GET', 'mira'],
      ['GET', 'mira'],
      ['DELETE', 'mira'],
    ])
  })

  it('is not trusted without it, and nothing is sent', async () => {
    seen.length = 0
    const begun = performance.now()
    const failure = withSession({ url, password: PASSWORD }, (session) => session.rows('SELECT 7 AS n'))
    await expect(failure).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retryable: false,
      message: expect.stringContaining('shows a certificate that is not trusted'),
      hint: expect.stringContaining('`ca`'),
    })
    expect(performance.now() - begun).toBeLessThan(2_000)
    expect(seen).toEqual([])
  })

  it('says that it was the password', async () => {
    const failure = withSession({ url, password: 'wrong', ca: file('ca.pem') }, (session) => session.rows('SELECT 7'))
    await expect(failure).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retryable: false,
      message: `Trino at ${url} (connection lakehouse) refuses the user mira: HTTP 401 Access Denied`,
    })
  })

  it('does not carry the password in its errors', async () => {
    const asked = withSession({ url, password: 'wrong', ca: file('ca.pem') }, (session) => session.control.state('x'))
    const error: unknown = await asked.catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(NoAnswer)
    const whole = inspect(error, { depth: 20, showHidden: true })
    for (const secret of ['wrong', Buffer.from('mira:wrong').toString('base64')]) expect(whole).not.toContain(secret)
  })
})

describe('a Trino that accepts and says nothing', () => {
  const silent = createTcpServer()
  const mute = () => `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const sockets = new Set<Socket>()
  beforeAll(async () => {
    silent.on('connection', (socket) => sockets.add(socket))
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const query = { queryId: '20260101_000000_00001_abcde', start: '/v1/statement/queued/x/y/1' }
  const never = new AbortController().signal

  it('holds nobody who asks what became of a query, or ends one', { timeout: 60_000 }, async () => {
    await withSession({ url: mute() }, async (session) => {
      const begun = performance.now()
      const lost = { code: 'UNREACHABLE', retryable: true }
      await Promise.all([
        expect(stateOf(session, query.queryId, never)).rejects.toMatchObject(lost),
        expect(endQueries(session, [query], { ending: () => undefined })).rejects.toMatchObject(lost),
        expect(session.prevent(query.start)).rejects.toMatchObject(lost),
        session.control.cancel(query.queryId),
      ])
      expect(performance.now() - begun).toBeLessThan(30_000)
    })
  })

  it('holds nobody who is told to stop', async () => {
    const stop = new AbortController()
    const reason = new Error('cancelled by a test')
    await withSession({ url: mute() }, async (session) => {
      const asked = [
        stateOf(session, query.queryId, stop.signal),
        endQueries(session, [query], { signal: stop.signal, ending: () => undefined }),
        session.prevent(query.start, stop.signal),
      ]
      const stopped = asked.map((one) => expect(one).rejects.toBe(reason))
      stop.abort(reason)
      await Promise.all(stopped)
    })
  })

  it('is no proxy of ours, whatever the environment says', async () => {
    vi.stubEnv('HTTPS_PROXY', mute())
    vi.stubEnv('HTTP_PROXY', mute())
    try {
      await withSession({ url, password: PASSWORD, ca: file('ca.pem') }, async (session) => {
        expect(await session.control.state(query.queryId)).toMatchObject({ state: 'RUNNING' })
      })
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

describe('session properties that only make a statement quicker', () => {
  const failure = (errorName: string) =>
    trinoError(
      { message: 'no', errorName, errorType: 'USER_ERROR', line: null, column: null, causes: [] },
      'The SQL',
      null,
    )
  /** The properties of each try; those with some fail. */
  const tries = (session: TrinoSession, errorName: string) => {
    const seen: object[] = []
    const work = async (properties: Record<string, string>) => {
      seen.push(properties)
      if (Object.keys(properties).length > 0) throw failure(errorName)
      return seen
    }
    return session.hinted({ 'delta.quick': 'true' }, work)
  }

  it('are left out where Trino refuses them, and not tried again', async () => {
    await withSession({ url }, async (session) => {
      expect(await tries(session, 'INVALID_SESSION_PROPERTY')).toEqual([{ 'delta.quick': 'true' }, {}])
      expect(await tries(session, 'INVALID_SESSION_PROPERTY')).toEqual([{}])
    })
  })

  it('give two writers to an overwrite of middling size, and to nothing else', () => {
    const two = { task_scale_writers_enabled: 'false', task_min_writer_count: '2' }
    const middling = { rows: 100_000, bytes: 64_000_000 }
    expect(publishingHints('overwrite', middling)).toEqual(two)
    expect(publishingHints('overwrite', { ...middling, rows: 99_999 })).toEqual({})
    expect(publishingHints('overwrite', { ...middling, bytes: 64_000_001 })).toEqual({})
    expect(publishingHints('overwrite', null)).toEqual({})
    // files of these stay beside those of later writes
    for (const mode of ['append', 'merge', 'replace_partitions'] as const) {
      expect(publishingHints(mode, middling)).toEqual({})
    }
  })

  it('have no part in other failures', async () => {
    await withSession({ url }, async (session) => {
      await expect(tries(session, 'DIVISION_BY_ZERO')).rejects.toMatchObject({ code: 'SQL_FAILED' })
    })
  })
})

it.each([
  [{ url: 'http://trino:8080', password: 'x' }, 'CONFIG_INVALID', /a password needs an https:\/\/ url/],
  [{ url: 'trino:8080' }, 'CONFIG_INVALID', /"trino:8080" is not an http\(s\) address/],
  [{ url: 'https://trino/path' }, 'CONFIG_INVALID', /without a path/],
  [{ url: 'https://trino', ca: 'no/such.pem' }, 'CONFIG_INVALID', /\/srv\/project\/no\/such.pem cannot be read/],
  [{ type: 'duckdb' }, 'CONNECTION_UNKNOWN', /is of type duckdb, not trino/],
])('the connection %j is refused', (connection, code, message) => {
  const refused = expect.objectContaining({ code, message: expect.stringMatching(message) })
  expect(() => trinoServer(config(connection), 'lakehouse')).toThrow(refused)
})
