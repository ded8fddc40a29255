import { utimesSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import { isoInstant, type Json, type JsonObject } from '../../json.js'
import type { Lakehouse, TableSummary, Tables } from '../../lakehouse/lakehouse.js'
import { approval } from '../../operators/approval.js'
import { beginsInside } from '../../operators/project-path.js'
import { triggerDag } from '../../operators/trigger-dag.js'
import type { LookWait } from '../../operators/wait.js'
import { waitFor } from '../../operators/wait-for.js'
import { TestServer } from './http-server.js'
import { type ContextOptions, failureOf, given, NOW, TestProject } from './operator-context.js'

const project = new TestProject()
const server = new TestServer()
const HOUR_MS = 3_600_000
const CRM = () => ({ crm: { type: 'http', url: server.origin } })

beforeAll(() => server.listen())
afterAll(async () => {
  await server.close()
  project.remove()
})

/** One attempt of a wait: the first, or with a handle a later one. */
async function attempt(config: JsonObject, options: ContextOptions & { handle?: Json } = {}) {
  const saved: Json[] = []
  const saveHandle = async (handle: Json) => void saved.push(handle)
  const ctx = project.context({}, { connections: CRM(), saveHandle, ...options })
  const result =
    options.handle === undefined
      ? await waitFor.run(config, ctx)
      : await given(waitFor.reattach, 'reattach')(options.handle, config, ctx)
  return { result, saved, waitsFor: result.deferred?.waitsFor as LookWait | undefined, logged: ctx.lines.join('\n') }
}

/** One look of a worker at what a first attempt has deferred. */
function look(waitsFor: LookWait | undefined, seen: JsonObject, now = NOW, tables?: Tables) {
  const { condition } = given(waitsFor, 'a look')
  const ctx = project.context({}, { connections: CRM(), now: () => now, ...(tables === undefined ? {} : { tables }) })
  return given(waitFor.look, 'look')(condition, seen, ctx)
}

describe('wait_for a file', () => {
  it('is over at once when the file is there, and says which', async () => {
    const file = project.write('in/a.csv', 'id\n1\n')
    const { result } = await attempt({ file: 'in/*.csv' })
    expect(result.outputs).toEqual({ file, files: [file], count: 1, bytes: 5 })
    expect(result.summary).toBe('the file in/*.csv: there at once')
  })

  it('waits, tells for what and since when, and keeps when it began', async () => {
    const { result, saved } = await attempt({ file: 'later/*.csv', timeout: '6h', every: '30s' })
    expect(saved).toEqual([{ since: NOW, deadline: NOW + 6 * HOUR_MS }])
    expect(result.deferred).toMatchObject({
      until: NOW + 6 * HOUR_MS,
      reason: 'waits for the file later/*.csv since 2026-01-02 06:00Z',
      waitsFor: { kind: 'look', everyMs: 30_000, folder: 'dags', condition: { file: 'later/*.csv' } },
    })
  })

  it('is one look for all who wait for the same, however long each waits', async () => {
    const keys = await Promise.all(
      [{ timeout: '1h' }, { soft_fail: true }, { every: '2m' }].map(async (more) => {
        return (await attempt({ file: 'same.csv', ...more })).waitsFor?.key
      }),
    )
    expect(keys[0]).toBe(keys[1])
    expect(keys[0]).not.toBe(keys[2])
  })

  it('waits until names and sizes have stayed the same for long enough', async () => {
    const file = project.write('grows/a.csv', 'id\n')
    const { waitsFor } = await attempt({ file: 'grows/a.csv', stable: '30s' })
    expect(waitsFor?.seen).toMatchObject({ since: NOW })
    const again = await look(waitsFor, given(waitsFor, 'a look').seen, NOW + 29_000)
    expect(again).toMatchObject({ met: null, seen: { since: NOW } })
    expect(await look(waitsFor, given(waitsFor, 'a look').seen, NOW + 30_000)).toMatchObject({ met: { count: 1 } })
    project.write('grows/a.csv', 'id\n1\n')
    utimesSync(file, 1, 1)
    const grown = await look(waitsFor, given(waitsFor, 'a look').seen, NOW + 30_000)
    expect(grown).toMatchObject({ met: null, seen: { since: NOW + 30_000 } })
  })

  it('needs a connection for a bucket', async () => {
    const failed = attempt({ file: 's3://landing/*.csv' })
    expect(await failureOf(failed)).toMatchObject({ retryable: false, message: expect.stringContaining('connection') })
  })

  it('leads nowhere outside the project', async () => {
    expect(await failureOf(attempt({ file: '../../../../etc/passwd' }))).toMatchObject({ code: 'PATH_OUTSIDE' })
  })
})

describe('wait_for a table', () => {
  const summary = { table: 'silver.t', version: 4, changedAt: NOW - HOUR_MS } as TableSummary
  const tables = {
    summary: async (name: string) => {
      if (name === summary.table) return summary
      throw new SluiceError('TABLE_UNKNOWN', `There is no table ${name}.`)
    },
  } as Tables

  it.each([
    [{ table: 'silver.t' }, null],
    [{ table: 'silver.x' }, 'there is no table silver.x yet'],
    [{ table: 'silver.t', version: 4 }, null],
    [{ table: 'silver.t', version: 5 }, 'silver.t is at version 4 of 2026-01-02T05:00:00.000Z, before version 5'],
    [{ table: 'silver.t', changed_since: isoInstant(NOW - HOUR_MS) }, null],
    [{ table: 'silver.t', changed_since: '2026-01-02' }, null],
    [{ table: 'silver.t', changed_since: isoInstant(NOW) }, 'unchanged since 2026-01-02T06:00:00.000Z'],
    [{ table: 'silver.t', max_age: '1h' }, null],
    [{ table: 'silver.t', max_age: '59m' }, '1h old'],
  ])('%j', async (config, lacks) => {
    const { result, logged } = await attempt(config, { tables })
    if (lacks === null) {
      expect(result.outputs).toEqual({ table: 'silver.t', version: 4, changed_at: '2026-01-02T05:00:00.000Z' })
    } else {
      expect(logged).toContain(lacks)
      expect(result.deferred?.reason, 'what this look found is soon out of date').not.toContain(lacks)
    }
  })

  it('says what it demands of the table', async () => {
    const { result } = await attempt({ table: 'silver.t', version: 5, max_age: '2h' }, { tables })
    expect(result.deferred?.reason).toBe(
      'waits for the table silver.t (version 5 or later, no older than 2h) since 2026-01-02 06:00Z',
    )
  })
})

describe('wait_for an answer', () => {
  it('looks past a service that is down, and takes the values it asks for', async () => {
    server.routes.set('/state', (response) => response.writeHead(503).end())
    const config = { http: { connection: 'crm', url: '/state', equals: { '/status': 'ready', '/n': 2 } } }
    const { waitsFor, logged } = await attempt(config)
    expect(logged).toContain('answers 503')
    server.routes.set('/state', (response) => response.end('{"status":"starting","n":2}'))
    expect(await look(waitsFor, {})).toMatchObject({
      met: null,
      detail: expect.stringContaining('"starting" at /status'),
    })
    server.routes.set('/state', (response) => response.end('not json'))
    expect(await look(waitsFor, {})).toMatchObject({ detail: expect.stringContaining('no JSON') })
    server.routes.set('/state', (response) => response.end('{"status":"ready","n":2}'))
    expect(await look(waitsFor, {})).toEqual({ met: { status: 200 } })
  })

  it('fails for what no later look can mend', async () => {
    const refused = attempt({ http: { url: 'http://127.0.0.1:1/' } })
    expect(await failureOf(refused)).toMatchObject({ code: 'ADDRESS_REFUSED', retryable: false })
  })
})

describe('wait_for a query', () => {
  /** A look of a worker whose lakehouse answers so. */
  async function looked(rows: JsonObject[] | Error, sql = 'SELECT 1') {
    const { waitsFor } = await attempt({ sql, every: '5m' })
    const lakehouse = async () =>
      ({ query: async () => (rows instanceof Error ? Promise.reject(rows) : { rows }) }) as unknown as Lakehouse
    const ctx = project.context({}, { lakehouse })
    return given(waitFor.look, 'look')(given(waitsFor, 'a look').condition, {}, ctx)
  }

  it('leaves the query to the looks of a worker, the first of them at once', async () => {
    const { result, waitsFor } = await attempt({ sql: 'SELECT 1', every: '5m', timeout: '1h' })
    expect(result.deferred).toMatchObject({
      until: NOW + HOUR_MS,
      reason: expect.stringMatching(/^waits for a query to hold: SELECT 1 since/),
    })
    expect(waitsFor).toMatchObject({ weight: 'heavy', firstMs: 0, everyMs: 300_000, condition: { sql: 'SELECT 1' } })
    expect((await attempt({ file: 'later/*.csv' })).waitsFor).not.toHaveProperty('weight')
  })

  it.each([
    [[{ ok: true }], true],
    [[{ n: 3 }], true],
    [[{ n: '12345678901234567890' }], true],
    [[{ n: 0 }], false],
    [[{ n: '0' }], false],
    [[{ ok: false }], false],
    [[{ ok: null }], false],
    [[], false],
  ])('%j holds: %s', async (rows, holds) => {
    expect((await looked(rows)).met !== null).toBe(holds)
  })

  it('fails when the query is wrong, and goes on when the engine or the table is not there', async () => {
    const wrong = new SluiceError('SQL_FAILED', 'syntax error')
    expect(await failureOf(looked(wrong, 'SELEC 1'))).toMatchObject({ code: 'SQL_FAILED', retryable: false })
    const unknown = new SluiceError('TABLE_UNKNOWN', 'There is no table silver.t.', { retryable: false })
    expect(await looked(unknown)).toEqual({ met: null, seen: {}, detail: 'There is no table silver.t.' })
  })
})

describe('wait_for a time and a run', () => {
  it('goes on at the instant itself', async () => {
    expect((await attempt({ after: '0s' })).result.deferred).toBeUndefined()
    expect((await attempt({ after: '2h' })).result.deferred).toMatchObject({ until: NOW + 2 * HOUR_MS })
    expect((await attempt({ until: '2026-01-03' })).result.deferred).toMatchObject({ until: Date.UTC(2026, 0, 3) })
    expect((await attempt({ until: '2099-01-01', timeout: '1h' })).result.deferred?.until).toBe(NOW + HOUR_MS)
  })

  it('names the run that is waited for', async () => {
    const { result } = await attempt({ dag: 'bronze' })
    expect(result.deferred?.waitsFor).toEqual({
      ...{ on: 'dag:bronze', kind: 'run', dag: 'bronze', states: ['success'] },
      interval: { start: '2026-01-01T06:00:00.000Z', end: '2026-01-02T06:00:00.000Z' },
    })
    const last = await attempt({ dag: 'bronze', interval: 'last', state: 'ended' })
    expect(last.result.deferred?.waitsFor).toMatchObject({ interval: null, states: ['success', 'failed', 'cancelled'] })
  })
})

describe('the end of a wait', () => {
  const handle = { since: NOW - HOUR_MS, deadline: NOW }

  it('is what has come, although its time is over', async () => {
    const { result } = await attempt({ dag: 'bronze' }, { handle, woken: { run: 'bronze-1', state: 'success' } })
    expect(result).toMatchObject({
      outputs: { run: 'bronze-1' },
      summary: 'the run of this interval of bronze: there after 1h',
    })
  })

  it('is a failure without a retry, or a skip, after the timeout of the whole wait', async () => {
    const error = await failureOf(attempt({ dag: 'bronze' }, { handle }))
    expect(error).toMatchObject({ code: 'TIMED_OUT', retryable: false })
    expect(error.message).toBe('waited in vain for the run of this interval of bronze since 2026-01-02 05:00Z')
    expect((await attempt({ dag: 'bronze', soft_fail: true }, { handle })).result.skipped?.reason).toContain('in vain')
    const early = { ...handle, deadline: NOW + 1 }
    expect((await attempt({ dag: 'bronze' }, { handle: early })).result.deferred).toMatchObject({ until: NOW + 1 })
  })

  it.each([{}, { soft_fail: true }])('tells what the last look of a query has found: %j', async (soft) => {
    const vain = attempt({ sql: 'SELECT 0', ...soft }, { handle, woken: { in_vain: 'the query gives 0' } })
    const reason = 'soft_fail' in soft ? (await vain).result.skipped?.reason : (await failureOf(vain)).message
    expect(reason).toBe('waited in vain for a query to hold: SELECT 0 since 2026-01-02 05:00Z: the query gives 0')
  })

  it('looks itself once more for a file that has come after the last look', async () => {
    const file = project.write('late.csv', 'id\n')
    const { result } = await attempt({ file: 'late.csv' }, { handle, woken: { in_vain: 'no file matches late.csv' } })
    expect(result.outputs).toMatchObject({ file })
  })

  it('is a failure when a look could not be made', async () => {
    const failed = attempt({ file: 'a.csv' }, { handle, woken: { failed: 'There is no connection minio.' } })
    expect(await failureOf(failed)).toMatchObject({ message: 'There is no connection minio.', retryable: false })
  })
})

describe('what the file alone can tell of a wait', () => {
  const isOutside = (path: string) => !beginsInside(path, '/data/dags', '/data')
  const until = (text: string) => ({ until: text })
  it.each<[JsonObject, string, string]>([
    [{ ...until('tomorrow') }, 'until', '`until` is neither a date nor an instant: tomorrow'],
    [{ ...until('2026-02-30') }, 'until', '`until` is neither a date nor an instant: 2026-02-30'],
    [{ ...until('2026-02-01T07:00') }, 'until', '`until` is neither a date nor an instant: 2026-02-01T07:00'],
    [
      { table: 'a.b', changed_since: 'monday' },
      'changed_since',
      '`changed_since` is neither a date nor an instant: monday',
    ],
    [{ file: 'a', every: '30m1h' }, 'every', '`every` is not a duration: 30m1h'],
    [{ file: 'a', timeout: '1m1m' }, 'timeout', '`timeout` is not a duration: 1m1m'],
    [{ file: 's3://a/b' }, 'file', 'a file in a bucket needs a `connection`'],
    [{ file: '../../etc/passwd' }, 'file', '../../etc/passwd leads outside the project'],
    [
      { file: '/data-of-others/{{ run.id }}/*.csv' },
      'file',
      '/data-of-others/{{ run.id }}/*.csv leads outside the project',
    ],
    [{ file: 'a', connection: 'minio' }, 'connection', '`connection` belongs to a `file` in a bucket or to `sql`'],
    [{ http: { url: '/health' } }, 'http.url', '/health is not an http(s) URL'],
    [{ http: { url: 'https://u:p@example.com' } }, 'http.url', 'the URL holds credentials'],
    [{ http: { url: 'https://example.com', timeout: '1s1m' } }, 'http.timeout', '`timeout` is not a duration: 1s1m'],
  ])('%j', (config, path, message) => {
    const found = given(waitFor.problems, 'problems')(config, isOutside)
    expect(found.map((problem) => [problem.path.join('.'), problem.message])).toEqual([[path, message]])
  })

  it.each<JsonObject>([
    until('2026-02-28'),
    until('2026-02-28T23:30:00-05:00'),
    until('{{ interval.end }}'),
    { file: 's3://a/b', connection: 'minio' },
    { file: '{{ vars.landing }}/a', connection: 'minio' },
    { file: '../landing/*.csv' },
    { file: '/data/landing/a.csv' },
    { sql: 'SELECT 1', connection: 'trino', every: '1h30m' },
    { http: { url: '/health', connection: 'crm' } },
    { http: { url: '{{ vars.crm }}' } },
  ])('has nothing to say of %j', (config) => {
    expect(given(waitFor.problems, 'problems')(config, isOutside)).toEqual([])
  })
})

describe('trigger_dag', () => {
  const run = (handle: Json, woken: Json, config: JsonObject = {}) => {
    const saved: Json[] = []
    const options = { woken, token: 't', saveHandle: async (value: Json) => void saved.push(value) }
    const ctx = project.context({}, options)
    const result = given(triggerDag.reattach, 'reattach')(handle, { dag: 'publish', ...config }, ctx)
    return { result, saved }
  }
  const first = { child: 1, reported: null }

  it('asks for the same run again and again until there is an answer', async () => {
    const ctx = project.context({}, { token: 't' })
    const asked = await triggerDag.run({ dag: 'publish' }, ctx)
    expect(asked.deferred).toMatchObject({
      until: null,
      waitsFor: { kind: 'child', key: 'trigger_dag/t/1', wait: true },
    })
    expect(await run(first, null).result).toEqual(asked)
  })

  it('ends as its run ends', async () => {
    const succeeded = await run(first, { run: 'publish-1', state: 'success' }).result
    expect(succeeded.outputs).toEqual({ dag: 'publish', run: 'publish-1', state: 'success' })
    const { result, saved } = run(first, { run: 'publish-1', state: 'failed' })
    expect(await failureOf(result)).toMatchObject({ message: 'its run publish-1 failed', retryable: true })
    expect(saved).toEqual([{ child: 1, reported: 'publish-1' }])
    const started = await run(first, { run: 'publish-1', state: 'queued' }, { wait: false }).result
    expect(started.summary).toBe('started publish-1')
  })

  it('asks for another run when a retry follows the failure, and for no other before it was told', async () => {
    const failed = { run: 'publish-1', state: 'failed' }
    const retry = await run({ child: 1, reported: 'publish-1' }, failed).result
    expect(retry.deferred?.waitsFor).toMatchObject({ key: 'trigger_dag/t/2' })
    expect(await failureOf(run(first, failed).result)).toMatchObject({ message: 'its run publish-1 failed' })
  })

  it('fails without a retry when its run cannot be made', async () => {
    const refused = run(first, { refused: 'There is no DAG publish.' }).result
    expect(await failureOf(refused)).toMatchObject({ retryable: false, message: expect.stringContaining('no DAG') })
  })
})

describe('approval', () => {
  const late = (config: JsonObject) =>
    given(approval.reattach, 'reattach')(
      { since: 0, deadline: NOW },
      { message: 'go?', timeout: '1h', ...config },
      project.context(),
    )

  it('waits for whom it names', async () => {
    const asked = await approval.run({ message: 'go?', users: ['ana', 'bo'] }, project.context())
    expect(asked.deferred).toMatchObject({ until: null, reason: 'waits for ana, bo: go?' })
    const bounded = await approval.run({ message: 'go?', timeout: '1h', role: 'admin' }, project.context())
    expect(bounded.deferred).toMatchObject({ until: NOW + HOUR_MS, waitsFor: { role: 'admin', onReject: 'fail' } })
  })

  it('counts as it says after its timeout', async () => {
    expect(await failureOf(late({}))).toMatchObject({ code: 'TIMED_OUT', retryable: false })
    expect(await late({ on_reject: 'skip' })).toMatchObject({
      skipped: { reason: 'nobody decided within 1h: rejected' },
    })
    expect(await late({ on_timeout: 'approve' })).toMatchObject({ outputs: { approved: true, by: null } })
  })
})
