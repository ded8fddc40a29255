import { once } from 'node:events'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { redirected } from '../../operators/http/redirects.js'
import { http } from '../../operators/http.js'
import { TestServer } from './http-server.js'
import { eventually, failureOf, given, type TestContext, TestProject } from './operator-context.js'

const project = new TestProject()
const server = new TestServer()
beforeAll(() => server.listen())
beforeEach(() => {
  server.seen.length = 0
})
afterAll(async () => {
  await server.close()
  project.remove()
})

const OTHERS = {
  internal: { type: 'http', allow_private: true },
  leaky: { type: 'http', allow_private: true, headers: { Authorization: 'Bearer s3cret' } },
  odd: { type: 'http', url: 'http://crm.internal', headers: 'Authorization: x' },
}

function context(path = ''): TestContext {
  const crm = {
    type: 'http',
    url: server.origin + path,
    headers: { Authorization: 'Bearer s3cret', 'X-Team': 'sales' },
  }
  return project.context(
    {},
    { connections: { crm, lakehouse: { type: 'duckdb' }, broken: { type: 'http' }, ...OTHERS } },
  )
}

function run(config: JsonObject, ctx = context()) {
  return http.run({ connection: 'crm', url: '/', ...config }, ctx)
}

function answerJson(path: string, value: unknown, status = 200) {
  server.routes.set(path, (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  })
}

describe('a request', () => {
  it('goes to the connection with its headers, method, query and JSON body', async () => {
    answerJson('/v1/imports', {}, 201)
    await run({
      url: '/v1/imports',
      query: { since: 'a&b=ü' },
      headers: { Accept: 'text/csv', 'x-team': 'forged' },
      json: { rows: [1, null] },
    })
    const seen = given(server.seen[0], 'request')
    expect(seen).toMatchObject({ method: 'POST', url: '/v1/imports?since=a%26b%3D%C3%BC', body: '{"rows":[1,null]}' })
    expect(seen.headers).toMatchObject({
      accept: 'text/csv',
      authorization: 'Bearer s3cret',
      'x-team': 'sales',
      'content-type': 'application/json',
      'content-length': '17',
    })
  })

  it('sends a text body as it is', async () => {
    answerJson('/text', {})
    await run({ url: '/text', method: 'PUT', body: 'grün', headers: { 'Transfer-Encoding': 'chunked' } })
    expect(server.seen[0]).toMatchObject({ method: 'PUT', body: 'grün' })
    expect(server.seen[0]?.headers).toMatchObject({
      'content-length': '5',
      'content-type': 'text/plain; charset=utf-8',
    })
  })

  it.each(['/../admin', 'v1/%2e%2e/%2E%2E/admin', 'https://example.com/', '..'])(
    'does not leave the URL of the connection: %s',
    async (url) => {
      const error = await failureOf(run({ url }, context('/api')))
      expect(error).toMatchObject({ code: 'OPERATOR_FAILED', retryable: false })
      expect(error.message).toMatch(/leads outside the connection/)
      expect(server.seen).toEqual([])
    },
  )

  it('does not leave its host', async () => {
    const error = await failureOf(run({ url: 'https://example.com/' }))
    expect(error.message).toMatch(/leads outside the connection/)
  })

  it.each(['//evil.example/x', '@evil.example/x', '\\\\evil.example'])(
    'stays on the host of the connection whatever the path: %s',
    async (url) => {
      await failureOf(run({ url }, context('/api')))
      expect(server.seen[0]?.url).toMatch(/^\/api\//)
    },
  )

  it('says what is wrong with the URL or the connection', async () => {
    const message = async (config: JsonObject) =>
      (await failureOf(http.run({ url: '/', ...config }, context()))).message
    expect(await message({ url: '/v1' })).toMatch(/\/v1 is not an http\(s\) URL/)
    expect(await message({ url: 'ftp://example.com/x' })).toMatch(/not an http\(s\) URL/)
    expect(await message({ url: 'http://ada:pw@example.com' })).toMatch(/holds credentials/)
    expect(await message({ connection: 'lakehouse' })).toMatch(/type duckdb, not http/)
    expect(await message({ connection: 'broken' })).toMatch(/connections.broken: url must be an http/)
    expect(await message({ connection: 'leaky' })).toMatch(/connections.leaky: headers need a url/)
    expect(await message({ connection: 'odd' })).toMatch(/connections.odd: headers must be a map/)
    expect(await message({ connection: 'nope' })).toMatch(/no connection nope/)
    expect(await message({ connection: 'crm', headers: { 'X-A': 'a\r\nX-B: b' } })).toMatch(/Invalid character/)
  })
})

describe('an answer', () => {
  it('becomes outputs by JSON pointers', async () => {
    answerJson('/rates', { rates: { EUR: 0.5, 'a/b': [10, 20] }, none: null, ok: true })
    const { outputs, summary } = await run({
      url: '/rates',
      outputs: { eur: '/rates/EUR', second: '/rates/a~1b/1', none: '/none', all: '' },
    })
    expect(outputs).toMatchObject({ status: 200, eur: 0.5, second: 20, none: null, all: { ok: true } })
    expect(summary).toBe('200 OK, 57 bytes')
  })

  it('keeps every digit of a large integer', async () => {
    server.routes.set('/ids', (response) => response.end('{"id": 1234567890123456789, "x": 0.1234567890123456}'))
    const { outputs } = await run({ url: '/ids', outputs: { id: '/id', x: '/x' } })
    expect(outputs).toEqual({ status: 200, id: '1234567890123456789', x: 0.1234567890123456 })
  })

  it.each([['/missing'], ['/rates/constructor'], ['/list/01'], ['/list/-'], ['/rates/EUR/x']])(
    'fails when the pointer %s finds nothing',
    async (pointer) => {
      answerJson('/rates', { rates: { EUR: 1 }, list: [1, 2] })
      const error = await failureOf(run({ url: '/rates', outputs: { value: pointer } }))
      expect(error).toMatchObject({ code: 'OUTPUTS_INVALID' })
      expect(error.message).toContain(`outputs.value: the answer holds nothing at ${pointer}`)
    },
  )

  it('fails when it is not the JSON that outputs need, and passes when none are asked for', async () => {
    server.routes.set('/html', (response) => response.setHeader('content-type', 'text/html').end('<p>'))
    expect((await failureOf(run({ url: '/html', outputs: { a: '/a' } }))).message).toMatch(/\(text\/html\) is not JSON/)
    expect((await run({ url: '/html' })).outputs).toEqual({ status: 200 })
  })

  it('fails when its outputs are too large', async () => {
    answerJson('/wide', { text: 'x'.repeat(70_000) })
    expect(await failureOf(run({ url: '/wide', outputs: { text: '/text' } }))).toMatchObject({
      code: 'OUTPUTS_INVALID',
    })
  })

  it.each<[number, Json | undefined, boolean]>([
    [404, [200, 404], true],
    [404, '400-499', true],
    [204, undefined, true],
    [201, 200, false],
    [500, undefined, false],
  ])('with status %i and expected_status %j: %s', async (status, expected, passes) => {
    server.routes.set('/status', (response) => response.writeHead(status).end())
    const promise = run({ url: '/status', ...(expected === undefined ? {} : { expected_status: expected }) })
    if (passes) expect((await promise).outputs).toEqual({ status })
    else expect((await failureOf(promise)).message).toMatch(new RegExp(`answered ${status} .*expected was`))
  })

  it('puts the text of an unexpected answer into the log', async () => {
    const ctx = context()
    answerJson('/bad', { error: 'no such customer' }, 422)
    await failureOf(run({ url: '/bad' }, ctx))
    expect(ctx.lines).toContain('error {"error":"no such customer"}')
  })

  it.each([
    ['gzip', (text: string) => gzipSync(text)],
    ['br', (text: string) => brotliCompressSync(text)],
  ])('is decompressed (%s)', async (encoding, compress) => {
    server.routes.set('/small', (response) => response.setHeader('content-encoding', encoding).end(compress('{"a":1}')))
    expect((await run({ url: '/small', outputs: { a: '/a' } })).outputs).toEqual({ status: 200, a: 1 })
  })

  it('may be empty though it says that it is compressed', async () => {
    server.routes.set('/none', (response) => response.writeHead(204, { 'content-encoding': 'gzip' }).end())
    expect((await run({ url: '/none' })).outputs).toEqual({ status: 204 })
    server.routes.set('/head', (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end())
    expect((await run({ url: '/head', method: 'HEAD' })).outputs).toEqual({ status: 200 })
  })
})

describe('a hostile server', () => {
  it('cannot send without end: the answer has a cap', async () => {
    let closed = false
    server.routes.set('/endless', (response) => {
      response.setHeader('content-type', 'application/json')
      const send = () =>
        void (
          closed || (response.write(`"${'x'.repeat(65_536)}",`) ? setImmediate(send) : response.once('drain', send))
        )
      response.once('close', () => {
        closed = true
      })
      send()
    })
    const error = await failureOf(run({ url: '/endless' }))
    expect(error).toMatchObject({ code: 'OPERATOR_FAILED', retryable: false })
    expect(error.message).toMatch(/more than 1,000,000 bytes/)
    await eventually('the connection is closed', () => closed)
  })

  it('cannot hide its size in a compressed answer', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    server.routes.set('/bomb', (response) => response.setHeader('content-encoding', 'gzip').end(bomb))
    expect(bomb.length).toBeLessThan(100_000)
    expect((await failureOf(run({ url: '/bomb' }))).message).toMatch(/more than 1,000,000 bytes/)
  })

  it('cannot hold a task by sending drop by drop', async () => {
    server.routes.set('/drops', (response) => {
      const timer = setInterval(() => response.write(' '), 10)
      response.once('close', () => clearInterval(timer))
    })
    const error = await failureOf(run({ url: '/drops', timeout: '150ms' }))
    expect(error).toMatchObject({ code: 'TIMED_OUT' })
    expect(error.message).toMatch(/no complete answer within 150ms/)
  })

  it('cannot hold a cancelled task', async () => {
    const ctx = context()
    const closed = new Promise((resolve) => {
      server.routes.set('/silent', (response) => void once(response, 'close').then(resolve))
    })
    const promise = run({ url: '/silent' }, ctx)
    await eventually('the request is there', () => server.seen.length > 0)
    const cancelled = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(cancelled)
    expect(await failureOf(promise)).toBe(cancelled)
    await closed
  })

  it('that breaks off is a failure, never a short answer', async () => {
    server.routes.set('/short', (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"a":')
      setTimeout(() => response.destroy(), 5)
    })
    expect((await failureOf(run({ url: '/short' }))).message).toMatch(/broken off|aborted/)
  })

  it('that is not there is named', async () => {
    const gone = new TestServer()
    await gone.listen()
    const url = gone.origin
    await gone.close()
    const ctx = project.context({}, { connections: { crm: { type: 'http', url } } })
    expect((await failureOf(run({}, ctx))).message).toMatch(/connection was refused; nothing listens there/)
  })
})

describe('addresses', () => {
  it.each(['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '2130706433', '0'])(
    'a URL of a DAG file does not reach %s',
    async (host) => {
      const url = `http://${host}:${new URL(server.origin).port}/`
      expect(await failureOf(http.run({ url }, context()))).toMatchObject({ code: 'ADDRESS_REFUSED', retryable: false })
      expect(server.seen).toEqual([])
    },
  )

  it('a connection that says so lets a request go to any', async () => {
    const url = `${server.origin}/open`
    answerJson('/open', { a: 1 })
    const result = await http.run({ connection: 'internal', url, outputs: { a: '/a' } }, context())
    expect(result.outputs).toEqual({ status: 200, a: 1 })
  })

  it('a connection reaches its own host, but no redirect leads it to another private one', async () => {
    const other = new TestServer()
    await other.listen()
    server.routes.set('/away', (response) => response.writeHead(302, { location: other.origin }).end())
    expect(await failureOf(run({ url: '/away' }))).toMatchObject({ code: 'ADDRESS_REFUSED' })
    expect(other.seen).toEqual([])
    await other.close()
  })
})

describe('redirects', () => {
  const redirect = (path: string, status: number, location: string) =>
    server.routes.set(path, (response) => response.writeHead(status, { location }).end())

  it.each([
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [307, 'POST', 'POST', 'x'],
    [308, 'PUT', 'PUT', 'x'],
  ])('after %i a %s goes on as %s', async (status, method, then, body) => {
    answerJson('/there', {})
    redirect('/here', status, '/there')
    await run({ url: '/here', method, body: 'x' })
    expect(server.seen[1]).toMatchObject({ method: then, url: '/there', body })
    expect(server.seen[1]?.headers.authorization).toBe('Bearer s3cret')
    expect(server.seen[1]?.headers['content-type']).toBe(body === '' ? undefined : 'text/plain; charset=utf-8')
  })

  it('end after max_redirects', async () => {
    redirect('/loop', 302, '/loop')
    expect((await failureOf(run({ url: '/loop' }))).message).toMatch(/more than 5 redirects/)
    expect(server.seen.length).toBe(6)
  })

  it('are statuses like any other when none may be followed', async () => {
    redirect('/here', 302, '/there')
    expect((await run({ url: '/here', max_redirects: 0, expected_status: 302 })).outputs).toEqual({ status: 302 })
  })

  it.each(['file:///etc/passwd', 'http://'])('to %s fail', async (location) => {
    redirect('/odd', 302, location)
    expect((await failureOf(run({ url: '/odd' }))).message).toMatch(/which is no http\(s\) URL/)
  })

  it('take neither headers nor trust nor a body to another origin', () => {
    const request = {
      url: new URL('http://crm.internal/a'),
      method: 'GET',
      headers: { authorization: 'Bearer s3cret' },
      body: null,
      reach: 'own_origin' as const,
      maxBytes: 1,
    }
    const next = redirected(request, 302, 'https://crm.internal/a')
    expect(next).toMatchObject({ headers: {}, reach: 'public' })
    expect(redirected(request, 302, '/b')).toMatchObject({ headers: request.headers, reach: 'own_origin' })
    expect(redirected({ ...request, reach: 'any' }, 302, 'http://b.internal/')).toMatchObject({
      headers: {},
      reach: 'any',
    })
    const post = { ...request, method: 'POST', body: Buffer.from('x') }
    expect(() => redirected(post, 307, 'http://elsewhere.example/')).toThrow(/was not sent there/)
    expect(redirected(post, 303, 'http://elsewhere.example/')).toMatchObject({ method: 'GET', body: null, headers: {} })
  })
})
