import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../json.js'
import type { TableVersionShape } from '../../scheduler/shapes.js'
import { parseIsoInstant } from '../../webserver/api/instant.js'
import { API_ROUTES } from '../../webserver/api/router.js'
import { csrfToken } from '../../webserver/auth/csrf.js'
import { fillStore, LIVE_RUN, NOW, runIdOf } from './sample-store.js'
import { SampleWeb, sampleTables } from './sample-web.js'

const web = new SampleWeb()
const RUN = runIdOf(LIVE_RUN)
const tokens: Record<string, string> = {}

beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  sampleTables(web)
  await web.start()
  for (const role of ['viewer', 'operator'] as const) tokens[role] = await web.token(role)
})
afterAll(() => web.close())

function call(
  method: string,
  path: string,
  options: { role?: string; body?: unknown; headers?: Record<string, string> } = {},
) {
  const token = options.role === '' ? undefined : tokens[options.role ?? 'operator']
  return fetch(`${web.web.url}/api/v1${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined
      ? {}
      : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
  })
}

/** One request to each route that works on the sample store. */
const EXAMPLES: Record<string, { path: string; body?: JsonObject }> = {
  'get /approvals': { path: '/approvals' },
  'post /runs/{run}/tasks/{task}/approval': {
    path: `/runs/${RUN}/tasks/fx_rates/approval`,
    body: { approved: false, comment: 'not yet' },
  },
  'get /dags': { path: '/dags' },
  'get /problems': { path: '/problems' },
  'get /dags/{dag}': { path: '/dags/orders_daily' },
  'post /dags/{dag}/runs': { path: '/dags/orders_daily/runs', body: { params: { country: 'France' }, interval: null } },
  'post /dags/{dag}/pause': { path: '/dags/orders_daily/pause', body: { reason: 'a feed is late' } },
  'post /dags/{dag}/resume': { path: '/dags/orders_daily/resume', body: {} },
  'get /dags/{dag}/schedule': { path: '/dags/orders_daily/schedule?limit=3' },
  'get /alerts': { path: '/alerts?which=open' },
  'post /alerts/acknowledge': { path: '/alerts/acknowledge', body: { alerts: [1] } },
  'post /alerts/test': { path: '/alerts/test', body: { email: ['ops@example.com'] } },
  'get /alert-messages': { path: '/alert-messages' },
  'post /alert-messages/{message}/retry': { path: '/alert-messages/2/retry', body: {} },
  'get /alert-mutes': { path: '/alert-mutes' },
  'post /alert-mutes': {
    path: '/alert-mutes',
    body: { dag: 'orders_daily', task: null, until: '2026-11-21T00:00:00Z', reason: 'moving house' },
  },
  'post /alert-mutes/{mute}/end': { path: '/alert-mutes/1/end', body: {} },
  'post /dags/{dag}/backfills': {
    path: '/dags/orders_daily/backfills',
    body: { from: '2026-11-01', to: '2026-11-05T00:00:00Z', which: 'missing', dry_run: true },
  },
  'get /backfills': { path: '/backfills?dag=orders_daily' },
  'get /backfills/{backfill}': { path: '/backfills/1' },
  'post /backfills/{backfill}/pause': { path: '/backfills/1/pause', body: {} },
  'post /backfills/{backfill}/resume': { path: '/backfills/1/resume', body: {} },
  'post /backfills/{backfill}/cancel': { path: '/backfills/1/cancel', body: {} },
  'get /runs': { path: '/runs?limit=5' },
  'get /runs/{run}': { path: `/runs/${RUN}` },
  'get /runs/{run}/events': { path: '/runs/catalog_sync-20261120T024112Z-manual/events' },
  'post /runs/{run}/cancel': { path: `/runs/${RUN}/cancel`, body: {} },
  'post /runs/{run}/clear': { path: `/runs/${RUN}/clear`, body: { tasks: ['publish'], downstream: true } },
  'post /dags/{dag}/clear': {
    path: '/dags/orders_daily/clear',
    body: { from: '2026-11-18', to: '2026-11-20', tasks: ['publish'], failed_only: true },
  },
  'post /runs/{run}/mark': { path: `/runs/${RUN}/mark`, body: { tasks: ['publish'], state: 'success' } },
  'get /runs/{run}/tasks/{task}/items': { path: `/runs/${RUN}/tasks/sync_crm/items` },
  'get /runs/{run}/tasks/{task}/attempts': { path: `/runs/${RUN}/tasks/sync_crm/attempts` },
  'get /runs/{run}/tasks/{task}/attempts/{attempt}/log': { path: `/runs/${RUN}/tasks/sync_crm/attempts/1/log` },
  'get /tables': { path: '/tables' },
  'get /tables/{table}/versions': { path: '/tables/silver.orders/versions?limit=3' },
  'post /tables/{table}/rollback': { path: '/tables/silver.orders/rollback', body: { version: 409, reason: 'twice' } },
  'get /workers': { path: '/workers' },
}

describe('the versions of a table', () => {
  const versions = async (table: string) => {
    const response = await call('GET', `/tables/${table}/versions?limit=7`)
    return (await response.json()) as TableVersionShape[]
  }

  it('name the run, the task and the attempt that the store knows, where the commit cannot', async () => {
    for (const name of ['silver.orders', 'lake.silver.orders']) {
      const [newest, before] = await versions(name)
      expect(newest).toMatchObject({ version: 412, run: RUN, task: 'silver_orders', attempt: 1, operation: 'MERGE' })
      expect(newest).toMatchObject({ rows_added: 47_980, rows_updated: 233, rows_removed: 0 })
      expect(before).toMatchObject({ version: 411, run: null, task: null, attempt: null, rows_added: 40_001 })
    }
  })

  it('are no run’s that found nothing to change, nor when a person made them', async () => {
    const record = (version: number, before: number) =>
      web.database.query(
        `insert into table_versions (table_name, version, version_before, operation, run_id, task_id, attempt, rows_added,
           rows_updated, rows_removed, bytes, committed_at)
         values ('silver.orders', $1, $2, 'merge', $3, 'silver_orders', 2, 0, 0, 0, 0, now())`,
        [version, before, RUN],
      )
    await record(410, 410)
    await record(406, 405)
    const found = await versions('silver.orders')
    expect(found.map(({ version, run, user }) => [version, run, user])).toEqual([
      [412, RUN, null],
      [411, null, null],
      [410, null, null],
      [409, null, null],
      [408, null, null],
      [407, null, null],
      [406, null, 'lena'],
    ])
    await web.database.query(`delete from table_versions where version in (406, 410)`)
  })
})

describe('openapi.json', () => {
  it('describes every route, and every route answers as described', async () => {
    const described = (await (await call('GET', '/openapi.json')).json()) as JsonObject
    const paths = described.paths as Record<string, Record<string, { responses: JsonObject }>>
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(listed.sort()).toEqual(Object.keys(EXAMPLES).sort())
    const ajv = new Ajv({ strict: false, validateFormats: false })
    ajv.addSchema(described, 'openapi')
    for (const [route, { path, body }] of Object.entries(EXAMPLES)) {
      const [method = '', template = ''] = route.split(' ')
      const response = await call(method.toUpperCase(), path, body === undefined ? {} : { body })
      expect([route, response.status < 300], await response.clone().text()).toEqual([route, true])
      const answer = paths[template]?.[method]?.responses[String(response.status)] as JsonObject | undefined
      const [[media, content] = []] = Object.entries((answer?.content ?? {}) as Record<string, { schema: JsonObject }>)
      expect([route, response.headers.get('content-type')?.split(';')[0]]).toEqual([route, media])
      if (media !== 'application/json') {
        await response.body?.cancel()
        continue
      }
      const pointer = JSON.stringify(content?.schema).replaceAll('"#/', '"openapi#/')
      expect(ajv.validate(JSON.parse(pointer), await response.json()), `${route}: ${ajv.errorsText()}`).toBe(true)
    }
  })

  it('is checked: a route without a described answer would fail', () => {
    expect(API_ROUTES.every((route) => Object.keys(route.answers).length > 0)).toBe(true)
  })
})

describe('runs by hand', () => {
  it('take params, interval and tasks as they are', async () => {
    const body = {
      params: { n: 1 },
      interval: { start: '2026-11-01', end: '2026-11-02T00:00:00Z' },
      tasks: ['a'],
      no_checks: true,
    }
    const response = await call('POST', '/dags/orders_daily/runs', { body, headers: { 'idempotency-key': 'k1' } })
    expect([response.status, await response.json()]).toEqual([201, { run: 'orders_daily-20261120T054112000Z-manual' }])
    expect(web.calls.at(-1)).toEqual([
      'trigger',
      'orders_daily',
      {
        params: { n: 1 },
        interval: { start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 10, 2) },
        onlyTasks: ['a'],
        noChecks: true,
      },
      { user: 'a_operator' },
      'k1',
    ])
  })

  it('answer 201 once and 200 when repeated with the same key', async () => {
    const again = { body: { params: {} }, headers: { 'idempotency-key': 'k2' } }
    const statuses = [
      await call('POST', '/dags/orders_daily/runs', again),
      await call('POST', '/dags/orders_daily/runs', again),
    ]
    expect(statuses.map((response) => response.status)).toEqual([201, 200])
  })

  it.each([
    [{ interval: { start: '2026-11-02', end: '2026-11-01' } }, 422, 'INTERVAL_INVALID'],
    [{ interval: { start: 'yesterday', end: '2026-11-01' } }, 422, 'INTERVAL_INVALID'],
    [{ interval: { start: '2026-11-01' } }, 400, 'BAD_REQUEST'],
    [{ parameters: {} }, 400, 'BAD_REQUEST'],
    [{ tasks: [] }, 400, 'BAD_REQUEST'],
    [{ params: [] }, 400, 'BAD_REQUEST'],
    ['{', 400, 'BAD_REQUEST'],
    ['"text"', 400, 'BAD_REQUEST'],
    [{ params: { big: 'x'.repeat(1_100_000) } }, 413, 'PAYLOAD_TOO_LARGE'],
  ])('refuse %.60j with %i', async (body, status, code) => {
    const calls = web.calls.length
    const response = await call('POST', '/dags/orders_daily/runs', { body })
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    const problem = (await response.json()) as JsonObject
    expect([response.status, problem.code, problem.status, web.calls.length]).toEqual([status, code, status, calls])
    expect(problem).toMatchObject({
      type: expect.stringContaining('urn:sluice:problem:'),
      detail: expect.any(String),
      hint: expect.any(String),
    })
  })
})

describe('rights', () => {
  it.each(API_ROUTES.filter((route) => route.method === 'post').map((route) => route.path))(
    'a viewer may not POST %s',
    async (path) => {
      const calls = web.calls.length
      const example = EXAMPLES[`post ${path}`]
      const response = await call('POST', example?.path ?? '', { role: 'viewer', body: example?.body })
      expect([response.status, ((await response.json()) as JsonObject).code, web.calls.length]).toEqual([
        403,
        'FORBIDDEN',
        calls,
      ])
    },
  )

  it.each(API_ROUTES.map((route) => [route.method, route.path]))(
    'nobody may %s %s without a token',
    async (method, path) => {
      const example = EXAMPLES[`${method} ${path}`]
      const response = await call(method.toUpperCase(), example?.path ?? '', { role: '', body: example?.body })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    },
  )

  it('a session may read, and act only with its form token', async () => {
    const cookie = await web.login('operator')
    const csrf = csrfToken(cookie.slice(cookie.indexOf('=') + 1))
    expect((await call('GET', '/dags', { role: '', headers: { cookie } })).status).toBe(200)
    const act = (headers: Record<string, string>) =>
      call('POST', `/runs/${RUN}/cancel`, { role: '', body: {}, headers: { cookie, ...headers } })
    expect((await act({})).status).toBe(403)
    expect((await act({ 'x-csrf-token': csrf })).status).toBe(200)
    expect((await act({ 'x-csrf-token': csrf, origin: 'https://evil.example' })).status).toBe(403)
  })

  it('an expired token is none', async () => {
    await web.store.saveSecret({ kind: 'api_token', hash: 'x', user: 'a_admin', expiresAt: NOW - 1 }, NOW - 2)
    expect((await call('GET', '/dags', { role: '', headers: { authorization: 'Bearer x' } })).status).toBe(401)
  })
})

describe('refusals', () => {
  it.each([
    ['/dags/none', 404, 'DAG_UNKNOWN'],
    ['/runs/none', 404, 'RUN_UNKNOWN'],
    ['/runs/none/events', 404, 'RUN_UNKNOWN'],
    ['/runs?dag=none', 404, 'DAG_UNKNOWN'],
    ['/runs?state=odd', 400, 'BAD_REQUEST'],
    ['/runs?limit=0', 400, 'BAD_REQUEST'],
    ['/runs?limit=1001', 400, 'BAD_REQUEST'],
    ['/runs?limit=1&limit=2', 400, 'BAD_REQUEST'],
    [`/runs/${RUN}/tasks/none/attempts`, 404, 'TASK_UNKNOWN'],
    [`/runs/${RUN}/tasks/sync_crm/attempts/9/log`, 404, 'NOT_FOUND'],
    [`/runs/${RUN}/tasks/sync_crm/attempts/x/log`, 404, 'NOT_FOUND'],
    ['/tables/no.table/versions', 404, 'TABLE_UNKNOWN'],
    ['/nothing', 404, 'NOT_FOUND'],
  ])('GET %s: %i %s', async (path, status, code) => {
    const response = await call('GET', path)
    expect([response.status, ((await response.json()) as JsonObject).code]).toEqual([status, code])
  })

  it('does not tell what broke inside', async () => {
    const broken = web.deps()
    const { startWeb } = await import('../../webserver/app.js')
    const server = await startWeb({
      deps: { ...broken, tables: { ...broken.tables, tables: () => Promise.reject(new Error('secret path /etc')) } },
      host: '127.0.0.1',
      port: 0,
    })
    const response = await fetch(`${server.url}/api/v1/tables`, {
      headers: { authorization: `Bearer ${tokens.operator}` },
    })
    expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining('secret path')])
    await server.close()
  })
})

describe('streams', () => {
  const line = (message: string) => ({ at: new Date(NOW).toISOString(), level: 'info' as const, message })

  it('a followed log grows and ends with its attempt', async () => {
    web.say(RUN, 'gold_baskets', 1, [line('one'), line('two')])
    const response = await call('GET', `/runs/${RUN}/tasks/gold_baskets/attempts/1/log?from=2&follow=1`)
    const reader = lines(response)
    expect(JSON.parse((await reader.next()).value ?? '')).toMatchObject({ line: 2, message: 'two' })
    web.say(RUN, 'gold_baskets', 1, [line('three')], 3)
    expect(JSON.parse((await reader.next()).value ?? '')).toMatchObject({ line: 3, message: 'three' })
    await web.database.query(
      `update attempts set ended_at = now(), result = 'success' where run_id = $1 and task_id = 'gold_baskets'`,
      [RUN],
    )
    web.events.emit({ kind: 'task', dagId: 'orders_daily', runId: RUN, taskId: 'gold_baskets', state: 'success' })
    expect((await reader.next()).done).toBe(true)
  })

  it('a run tells all its tasks, then changes, then its end', async () => {
    const response = await call('GET', `/runs/${RUN}/events`)
    const reader = lines(response)
    const next = async (wanted: string) => {
      for (let event = ''; ; ) {
        const { value, done } = await reader.next()
        if (done) return null
        if (value?.startsWith('event: ')) event = value.slice(7)
        if (value?.startsWith('data: ') && event === wanted) return JSON.parse(value.slice(6)) as JsonObject
      }
    }
    expect(await next('task')).toMatchObject({ task: 'bronze_customers', state: 'success' })
    expect(await next('run')).toMatchObject({ run: RUN, state: 'running' })
    await web.database.query(
      `update task_runs set state = 'failed', reason = 'gave up' where run_id = $1 and task_id = 'sync_crm'`,
      [RUN],
    )
    web.events.emit({ kind: 'task', dagId: 'orders_daily', runId: RUN, taskId: 'sync_crm', state: 'failed' })
    expect(await next('task')).toMatchObject({ task: 'sync_crm', state: 'failed', reason: 'gave up' })
    await web.database.query(`update runs set state = 'failed', ended_at = now() where run_id = $1`, [RUN])
    web.events.emit({ kind: 'run', dagId: 'orders_daily', runId: RUN, state: 'failed' })
    expect(await next('run')).toMatchObject({ state: 'failed' })
    expect(await next('over')).toEqual({})
    expect((await reader.next()).done).toBe(true)
    await web.database.query(`update runs set state = 'running', ended_at = null where run_id = $1`, [RUN])
  })

  async function* lines(response: Response): AsyncGenerator<string, undefined> {
    if (response.body === null) return undefined
    let rest = ''
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      yield* parts.filter((part) => part !== '')
    }
    return undefined
  }
})

describe('texts that no store can hold', () => {
  it('lead nowhere in a path', async () => {
    for (const path of ['/runs/%00', '/dags/a%00b', `/runs/${RUN}/tasks/%00`]) {
      const response = await call('GET', path)
      expect([path, response.status]).toEqual([path, 404])
      expect(await response.json()).toMatchObject({ code: 'NOT_FOUND' })
    }
    expect((await fetch(`${web.web.url}/hooks/%00/x`, { method: 'POST' })).status).toBe(404)
    const cookie = await web.login('viewer')
    for (const path of ['/runs/%00', '/dags/%00', '/tables/a.%00', '/live/runs/%00'])
      expect([path, (await web.get(path, cookie)).status]).toEqual([path, 404])
  })

  it('are refused in a query and in a body', async () => {
    const asked = [
      await call('GET', '/runs?dag=%00'),
      await call('POST', '/dags/orders_daily/pause', { body: { reason: 'a\u0000b' } }),
      await call('POST', '/dags/orders_daily/pause', { body: '{"reason": "half \\ud800"}' }),
      await call('POST', '/dags/orders_daily/runs', { body: { params: { 'a\u0000': 1 } } }),
    ]
    for (const response of asked) {
      expect(response.status).toBe(400)
      expect(response.headers.get('content-type')).toContain('application/problem+json')
      expect(await response.json()).toMatchObject({ code: 'BAD_REQUEST', detail: expect.stringContaining('U+0000') })
    }
    const cookie = await web.login('operator')
    expect((await web.get('/dags?q=%00', cookie)).status).toBe(400)
    expect((await web.get('/login?next=%00', cookie)).status).toBe(400)
    expect((await web.post('/dags/orders_daily/pause', cookie, { reason: 'a\0b' })).status).toBe(400)
  })

  it('pass when they are whole, however deep they lie', async () => {
    const deep = `{"params": {"note": ${'['.repeat(5_000)}"😀"${']'.repeat(5_000)}}}`
    expect((await call('POST', '/dags/orders_daily/runs', { body: deep })).status).not.toBe(500)
    expect((await call('GET', '/runs?dag=😀')).status).toBe(404)
  })
})

describe('health and metrics', () => {
  it('need no login from this machine', async () => {
    expect(await (await web.get('/health/live')).json()).toEqual({ status: 'live' })
    expect(await (await web.get('/health/ready')).json()).toEqual({ status: 'ready' })
    const metrics = await (await web.get('/metrics')).text()
    expect(metrics).toContain('sluice_runs_active{state="running"} 1')
    expect(metrics).toContain('sluice_tasks_active{state="scheduled"} 1')
    expect(metrics).toContain('sluice_dag_file_problems 1')
    expect(metrics).toContain('sluice_worker_slots{worker="worker-2"} 4')
    expect(metrics).toContain('sluice_workers_silent 1')
    expect(metrics).toContain('sluice_slas{state="missed"} 1')
    expect(metrics).toContain('sluice_slas{state="at_risk"} 1')
    expect(metrics).toContain('sluice_scheduler_lag_seconds 0')
  })

  it('say how long a due DAG has been waiting', async () => {
    await web.store.setNextDue('weather_hourly', Date.UTC(2026, 10, 20, 6, 15), NOW - 7_000)
    expect(await (await web.get('/metrics')).text()).toContain('sluice_scheduler_lag_seconds 7')
    await web.store.setNextDue('weather_hourly', NOW - 7_000, Date.UTC(2026, 10, 20, 6, 15))
  })
})

describe('instants', () => {
  it.each([
    ['2026-11-01', Date.UTC(2026, 10, 1)],
    ['2026-11-01T06:00+01:00', Date.UTC(2026, 10, 1, 5)],
    ['2026-11-01T06:00:00.5Z', Date.UTC(2026, 10, 1, 6, 0, 0, 500)],
    ['2026-11-01T06:00:00', null],
    ['2026-02-30', null],
    ['2026-13-01', null],
    ['1', null],
  ])('%s is %s', (text, instant) => {
    expect(parseIsoInstant(text)).toBe(instant)
  })
})
