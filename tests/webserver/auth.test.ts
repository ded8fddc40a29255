import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWeb } from '../../webserver/app.js'
import { csrfToken } from '../../webserver/auth/csrf.js'
import { localPath } from '../../webserver/auth/local-path.js'
import { RateLimit } from '../../webserver/auth/rate-limit.js'
import { createLoginLink, LOGIN_LINK_LIFE_MS, SESSION_LIFE_MS } from '../../webserver/auth/secrets.js'
import { fillStore, LIVE_RUN, NOW, runIdOf } from './sample-store.js'
import { SampleWeb, sampleTables } from './sample-web.js'

const web = new SampleWeb()
const RUN = runIdOf(LIVE_RUN)

beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  sampleTables(web)
  await web.start()
})
afterAll(() => web.close())

const linkFor = (user: string) => createLoginLink(web.store, user, web.web.url, web.now)
const csrfOf = (cookie: string) => csrfToken(cookie.slice(cookie.indexOf('=') + 1))

describe('login', () => {
  it('sends strangers to the login page and remembers where they wanted to go', async () => {
    const response = await web.get('/dags?tag=sales')
    expect([response.status, response.headers.get('location')]).toEqual([303, '/login?next=%2Fdags%3Ftag%3Dsales'])
    const page = await (await web.get('/login')).text()
    expect(page).toContain('Open the login link')
    expect(page).toContain('/srv/project')
  })

  it('works once, with a cookie that scripts and other sites cannot use', async () => {
    const link = await linkFor('a_viewer')
    const first = await fetch(`${link}&next=%2Fruns`, { redirect: 'manual' })
    expect([first.status, first.headers.get('location')]).toEqual([303, '/runs'])
    expect(first.headers.get('set-cookie')).toMatch(/^sluice_session=session_[\w-]{43}; .*HttpOnly; SameSite=Lax$/)
    const second = await fetch(link, { redirect: 'manual' })
    expect([second.status, second.headers.get('set-cookie')]).toEqual([403, null])
    expect(await second.text()).toContain('has been used or has expired')
  })

  it('is not used up by whoever asks for the headers only', async () => {
    const link = await linkFor('a_viewer')
    await fetch(link, { method: 'HEAD', redirect: 'manual' })
    expect((await fetch(link, { redirect: 'manual' })).status).toBe(303)
  })

  it('expires after 15 minutes', async () => {
    const link = await linkFor('a_viewer')
    web.now = NOW + LOGIN_LINK_LIFE_MS + 1
    expect((await fetch(link, { redirect: 'manual' })).status).toBe(403)
    web.now = NOW
  })

  it('sets a cookie for https only when people come over https', async () => {
    const secure = await startWeb({ deps: web.deps({ baseUrl: 'https://sluice.example' }), host: '127.0.0.1', port: 0 })
    const link = await createLoginLink(web.store, 'a_viewer', secure.url, web.now)
    expect((await fetch(link, { redirect: 'manual' })).headers.get('set-cookie')).toContain('; Secure')
    await secure.close()
  })

  it('leaves an audit row', async () => {
    await web.login('operator')
    const [row] = await web.database.query<{ user_name: string; action: string }>(
      'select user_name, action from audit order by id desc limit 1',
    )
    expect(row).toEqual({ user_name: 'a_operator', action: 'login' })
  })

  it('keeps the secrets out of the store', async () => {
    const cookie = await web.login('viewer')
    const [row] = await web.database.query<{ found: number }>(
      'select count(*) as found from secrets where position(hash in $1) > 0',
      [cookie],
    )
    expect(row?.found).toBe(0)
  })
})

describe('where a login leads', () => {
  it.each([
    ['/dags?tag=a#b', '/dags?tag=a'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['https://evil.example/', '/'],
    ['javascript:alert(1)', '/'],
    ['/..//evil.example', '/'],
    ['/login?token=x', '/'],
    ['', '/'],
    [undefined, '/'],
    [['/a', '/b'], '/'],
  ])('%j leads to %j', (next, path) => {
    expect(localPath(next)).toBe(path)
  })
})

describe('sessions', () => {
  it('end after two weeks and at logout', async () => {
    const cookie = await web.login('viewer')
    expect((await web.get('/dags', cookie)).status).toBe(200)
    web.now = NOW + SESSION_LIFE_MS + 1
    expect((await web.get('/dags', cookie)).status).toBe(303)
    web.now = NOW
    expect((await web.post('/logout', cookie)).headers.get('location')).toBe('/login')
    expect((await web.get('/dags', cookie)).status).toBe(303)
  })

  it('cannot be made up, nor a token or a link used as one', async () => {
    const token = await web.token('admin')
    const link = new URL(await linkFor('a_admin')).searchParams.get('token')
    for (const secret of ['session_made_up', token, link])
      expect((await web.get('/dags', `sluice_session=${secret}`)).status).toBe(303)
    expect((await web.get('/api/v1/dags', '', { authorization: `Bearer ${link}` })).status).toBe(401)
  })
})

describe('forms', () => {
  const path = `/runs/${RUN}/cancel`

  it('act with the token of the session', async () => {
    const cookie = await web.login('operator')
    const response = await web.post(path, cookie, {}, `/runs/${RUN}`)
    expect([response.status, response.headers.get('location')]).toEqual([303, `/runs/${RUN}`])
    expect(web.calls.at(-1)).toEqual(['cancel', RUN, { user: 'a_operator' }])
  })

  it.each([
    ['no token', (): Record<string, string> => ({})],
    ['an empty token', () => ({ csrf: '' })],
    ['a wrong token', () => ({ csrf: csrfToken('session_other') })],
  ])('are refused with %s', async (_, fields) => {
    const cookie = await web.login('operator')
    const calls = web.calls.length
    const response = await web.send(path, cookie, fields())
    expect([response.status, web.calls.length]).toEqual([403, calls])
  })

  it("are refused with another session's token", async () => {
    const [mine, other] = [await web.login('operator'), await web.login('operator')]
    expect((await web.send(path, mine, { csrf: csrfOf(other) })).status).toBe(403)
  })

  it.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('are refused when the browser says they come from elsewhere: %j', async (headers) => {
    const cookie = await web.login('operator')
    expect((await web.send(path, cookie, { csrf: csrfOf(cookie) }, headers as Record<string, string>)).status).toBe(403)
  })

  it('are taken when the browser says they come from here', async () => {
    const cookie = await web.login('operator')
    const headers = { origin: web.web.url, 'sec-fetch-site': 'same-origin' }
    expect((await web.send(path, cookie, { csrf: csrfOf(cookie) }, headers)).status).toBe(303)
  })

  it('without a session are refused, not answered with a page that looks like success', async () => {
    expect((await web.send(path, '', {})).status).toBe(401)
  })
})

describe('roles', () => {
  const forms: [string, Record<string, string>][] = [
    [`/runs/${RUN}/cancel`, {}],
    [`/runs/${RUN}/clear`, {}],
    [`/runs/${RUN}/tasks/publish/clear`, {}],
    [`/runs/${RUN}/tasks/publish/cancel`, {}],
    [`/runs/${RUN}/tasks/publish/mark`, { state: 'success' }],
    ['/dags/orders_daily/active', {}],
    ['/dags/orders_daily/trigger', {}],
    ['/tables/silver.orders/rollback', { version: '409', name: 'silver.orders' }],
  ]

  it.each(forms)('a viewer may not post to %s', async (path, fields) => {
    const cookie = await web.login('viewer')
    const calls = web.calls.length
    const response = await web.post(path, cookie, fields)
    expect([response.status, web.calls.length]).toEqual([403, calls])
    expect(await response.text()).toContain('a_viewer is viewer')
  })

  it('a viewer sees no button that would be refused', async () => {
    const cookie = await web.login('viewer')
    for (const path of [`/runs/${RUN}`, '/dags/orders_daily', '/tables/silver.orders?to=409', '/dags']) {
      const page = await web.page(path, cookie)
      expect(page).not.toMatch(/>(Cancel run|Clear and run again|Roll back to 409)</)
      expect(page).not.toContain('/trigger"')
    }
  })

  it.each(['operator', 'admin'] as const)('an %s may act', async (role) => {
    const cookie = await web.login(role)
    expect((await web.post('/dags/orders_daily/active', cookie, { active: '1' })).status).toBe(303)
    expect(web.calls.at(-1)).toEqual(['resume', 'orders_daily', { user: `a_${role}` }, { skipMissed: false }])
  })

  it('are those of the user now, not at the login', async () => {
    const cookie = await web.login('operator')
    await web.store.saveUser('a_operator', 'viewer', web.now)
    expect((await web.post(`/runs/${RUN}/cancel`, cookie)).status).toBe(403)
    await web.store.saveUser('a_operator', 'operator', web.now)
  })
})

describe('guessing', () => {
  it('is slowed down after ten failures from one address', async () => {
    const guesser = await startWeb({ deps: web.deps(), host: '127.0.0.1', port: 0 })
    const statuses: number[] = []
    for (let guess = 0; guess < 12; guess += 1)
      statuses.push((await fetch(`${guesser.url}/login?token=${guess}`)).status)
    expect(statuses).toEqual([...Array(10).fill(403), 429, 429])
    const link = await createLoginLink(web.store, 'a_viewer', guesser.url, web.now)
    const refused = await fetch(link, { redirect: 'manual' })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
    web.now = NOW + 60_000
    expect((await fetch(link, { redirect: 'manual' })).status).toBe(303)
    web.now = NOW
    await guesser.close()
  })

  it('is counted for a bounded number of addresses', () => {
    const failures = new RateLimit(1)
    for (let address = 0; address < 10_001; address += 1) failures.record(String(address), NOW)
    expect([failures.waitMs('0', NOW), failures.waitMs('1', NOW), failures.waitMs('10000', NOW)]).toEqual([
      0, 60_000, 60_000,
    ])
  })
})

describe('names of the host', () => {
  function status(host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { host: '127.0.0.1', port: web.web.port, path: '/login', headers: { host } },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      asked.on('error', reject).end()
    })
  }

  it.each([
    ['localhost:8080', 200],
    ['127.0.0.1', 200],
    ['[::1]:8080', 200],
    ['evil.example', 400],
    ['localhost.evil.example', 400],
    ['127.0.0.1.evil.example:80', 400],
  ])('%s is answered with %i', async (host, expected) => {
    expect(await status(host)).toBe(expected)
  })
})

describe('the port', () => {
  it('that is taken is named in the refusal', async () => {
    const start = startWeb({ deps: web.deps(), host: '127.0.0.1', port: web.web.port })
    await expect(start).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(web.web.port)),
    })
  })
})
