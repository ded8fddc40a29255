import { randomBytes } from 'node:crypto'
import { basename } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { trinoServer } from '../../../lakehouse/engines/trino/connection.js'
import { TrinoSession } from '../../../lakehouse/engines/trino/session.js'
import type { TableVersionShape, TaskShape } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { catalogDatabase } from '../iceberg-lake.js'
import { S3Place } from '../s3-place.js'
import { HeldRow } from '../trino-held.js'
import { trinoUrl } from '../trino-place.js'
import { Cluster, type Part } from './cluster.js'
import { OwnRedis } from './own-redis.js'
import { processTree, signalAll } from './process-tree.js'

/** schema of the tables, and the word by which the queries of this run of the tests are told from others */
const MARK = `t${randomBytes(5).toString('hex')}`
const place = new S3Place()

/** Trino's name for us: whatever Sluice asks of it in these tests is found by it. */
const USER = `sluice-${MARK}`

/** How Sluice writes the name of a table, and our statements too. */
const into = (table: string) => `"${MARK}"."${table}"`

/** One row after so many seconds, however busy the machine is: PostgreSQL sleeps. */
const slow = (seconds: number) =>
  `SELECT count(*) AS n, '${MARK}' AS mark FROM TABLE(postgresql.system.query(query => 'select pg_sleep(${seconds})::text as slept'))`
/** A check that takes ten minutes. */
const SLOW_CHECK = {
  expression: `n >= (SELECT count(*) FROM TABLE(postgresql.system.query(query => 'select pg_sleep(600)::text as checked')))`,
}

/** The same ten minutes late, but at once when the table of this name in PostgreSQL has a row. */
const slowUntilTold = `SELECT count(*) AS n, '${MARK}' AS mark FROM TABLE(postgresql.system.query(query =>
  'select pg_sleep(case when exists (select from ${MARK}) then 0 else 600 end)::text as slept'))`

const dag = (name: string, task: object) =>
  JSON.stringify({ dag: name, defaults: { retries: 3, retry_delay: '100ms', backoff: 1 }, tasks: { load: task } })

const DAGS = {
  'dags/given_up.yaml': dag('given_up', { sql: { query: slow(600), to: `${MARK}.given_up` }, retries: 0 }),
  'dags/called_off.yaml': dag('called_off', {
    sql: { query: slow(600), to: `delta.${MARK}.called_off` },
    checks: [{ not_null: ['n'] }],
  }),
  'dags/anew.yaml': dag('anew', { sql: { query: slowUntilTold, to: `${MARK}.anew`, mode: 'append' }, retries: 0 }),
  'dags/made_anew.yaml': dag('made_anew', { sql: { query: slowUntilTold, to: `delta.${MARK}.made_anew` } }),
  'dags/late.yaml': dag('late', { sql: { query: slow(600), to: `${MARK}.late` }, timeout: '12s', retries: 0 }),
  'dags/shown.yaml': dag('shown', { sql: { query: slow(600), to: `${MARK}.shown` } }),
  'dags/made.yaml': dag('made', { sql: { statement: `CREATE TABLE delta.${MARK}.made (id integer)` } }),
  'dags/compacted.yaml': dag('compacted', {
    sql: { statement: `ALTER TABLE delta.${MARK}.made EXECUTE optimize` },
  }),
  'dags/expired.yaml': dag('expired', { sql: { statement: `CALL delta.system.vacuum('${MARK}', 'made', '7d')` } }),
  'dags/cancelled.yaml': dag('cancelled', { sql: { query: slow(600), to: `delta.${MARK}.cancelled` } }),
  'dags/stopped.yaml': dag('stopped', { sql: { statement: `CREATE TABLE delta.${into('stopped')} AS ${slow(600)}` } }),
  'dags/asked.yaml': dag('asked', { sql: { query: slow(601) } }),
  'dags/audited.yaml': dag('audited', {
    quality_check: {
      table: `delta.${MARK}.made`,
      checks: [
        {
          expression: `id >= (SELECT count(*) FROM TABLE(postgresql.system.query(query => 'select pg_sleep(602)::text as audited')))`,
        },
      ],
    },
  }),
  'dags/checked.yaml': dag('checked', { sql: { query: slow(0), to: `${MARK}.checked` }, checks: [SLOW_CHECK] }),
}

/** One row, once the test lets it go. */
const held = ({ table }: HeldRow) => `SELECT 1 AS n, concat('${MARK}', held) AS mark FROM ${table}`

/** DAGs whose first query has ended when the next attempt comes, and others whose first query still runs then. */
const leftDags = (briefly: HeldRow, long: HeldRow) => ({
  ended: dag('ended', { sql: { query: held(briefly), to: `delta.${MARK}.ended`, mode: 'append' } }),
  goes_on: dag('goes_on', { sql: { query: held(long), to: `${MARK}.goes_on`, mode: 'append' } }),
  staged: dag('staged', {
    sql: { query: held(long), to: `${MARK}.staged`, mode: 'append' },
    checks: [{ not_null: ['n'] }],
  }),
  plain: dag('plain', { sql: { statement: `CREATE OR REPLACE TABLE delta.${into('plain')} AS ${held(long)}` } }),
})

const config = () => ({
  catalogs: {
    lake: {
      format: 'iceberg',
      location: place.location,
      connection: 'minio',
      jdbc: { connection: 'iceberg_catalog', name: process.env.ICEBERG_CATALOG },
      trino: 'iceberg',
    },
    delta: { format: 'delta', location: `${place.location}/delta`, connection: 'minio', trino: 'delta' },
  },
  connections: {
    lakehouse: { type: 'trino', url: trinoUrl(), user: USER },
    minio: place.connection,
    iceberg_catalog: catalogDatabase(),
  },
})

let shop: PostgresDatabase
let redis: OwnRedis
let cluster: Cluster
let trino: TrinoSession
let worker: Part
beforeAll(async () => {
  const { catalogs, connections } = config()
  const reader = { ...connections, lakehouse: { ...connections.lakehouse, user: 'sluice-test' } }
  trino = new TrinoSession(
    trinoServer({ project: '/', catalogs, connections: reader } as never, 'lakehouse'),
    'iceberg',
  )
  for (const [catalog, { location }] of [
    ['iceberg', catalogs.lake],
    ['delta', catalogs.delta],
  ] as const) {
    await trino.run(`CREATE SCHEMA ${catalog}.${MARK} WITH (location = '${location}/${MARK}')`)
  }
  shop = await PostgresDatabase.open(process.env.PG_DSN ?? '', { connections: 1 })
  redis = await OwnRedis.start()
  const yaml = Object.entries(config()).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
  cluster = await Cluster.create(
    { postgres: process.env.PG_DSN ?? '', redis: redis.url },
    { ...DAGS, 'sluice.yaml': yaml.join('') },
  )
  await cluster.start('webserver')
  await cluster.start('scheduler')
  worker = await cluster.start('worker', '--slots', '4')
  for (const path of Object.keys(DAGS)) await cluster.knows(basename(path, '.yaml'))
})
afterAll(async () => {
  await cluster?.remove()
  for (const catalog of ['iceberg', 'delta']) await trino.run(`DROP SCHEMA IF EXISTS ${catalog}.${MARK} CASCADE`)
  trino.close()
  await shop.query(`drop table if exists ${MARK}`)
  await shop.close()
  await redis.down()
  await place.remove()
})

const LIVE = ['QUEUED', 'WAITING_FOR_RESOURCES', 'DISPATCHING', 'PLANNING', 'STARTING', 'RUNNING', 'FINISHING']

interface Query {
  id: string
  state: string
  sql: string
}

/** All that Sluice has asked in these tests, whatever it was for. */
async function queries(): Promise<Query[]> {
  const rows = await trino.rows(
    `SELECT query_id, state, query FROM system.runtime.queries WHERE "user" = '${USER}' ORDER BY query_id`,
  )
  return rows.map((row) => ({ id: String(row.query_id), state: String(row.state), sql: String(row.query) }))
}

/** Those of them that write or stage what this pattern tells. */
async function creating(pattern: string, ...states: string[]): Promise<Query[]> {
  const wanted = (query: Query) => states.length === 0 || states.includes(query.state)
  return (await queries()).filter(({ sql }) => /^CREATE /.test(sql) && sql.includes(pattern)).filter(wanted)
}

const running = (pattern: string) =>
  eventually(60_000, async () => ((await creating(pattern, 'RUNNING')).length > 0 ? true : null))

/** The issue gives all queries of a task ten seconds to end once it has. */
const noneLeft = () =>
  eventually(10_000, async () => ((await queries()).some(({ state }) => LIVE.includes(state)) ? null : true))

const taskOf = async (run: string) => {
  const { tasks } = await cluster.call<{ tasks: TaskShape[] }>('GET', `/runs/${run}`)
  return tasks[0]
}

it('a running query shows how far it is, on the page of its attempt and in its log', async () => {
  const run = await cluster.trigger('shown')
  await running(into('shown'))
  const page = await eventually(60_000, async () => {
    const html = await cluster.text(`/runs/${run}/tasks/load`)
    return html.includes('publishing, running') ? html : null
  })
  expect(page).not.toContain('>not gated<')
  const [, query = ''] = /<dt>Query<\/dt><dd class="mono"><a href="http[^"]+">([^<]+)</.exec(page) ?? []
  expect(page).toMatch(/<b>\d+ of \d+ splits<\/b> <span class="muted">publishing, running/)
  const [known] = await trino.rows(`SELECT source FROM system.runtime.queries WHERE query_id = '${query}'`)
  expect(known).toEqual({ source: 'sluice' })
  const runningNow = new RegExp(`Trino query ${query}: running, \\d+ of \\d+ splits, [\\d,]+ rows, [\\d.,]+ MB read\\.`)
  const log = await eventually(60_000, async () => {
    const text = await cluster.text(`/api/v1/runs/${run}/tasks/load/attempts/1/log`)
    return runningNow.test(text) ? text : null
  })
  expect(log).toContain(`Trino query ${query}: publishing.`)
  await cluster.call('POST', `/runs/${run}/cancel`, {})
  await cluster.ended([run], 30_000)
  await noneLeft()
}, 180_000)

it('a plain statement runs as it is, and its pages say that it has no gate', async () => {
  const run = await cluster.trigger('made')
  expect((await cluster.ended([run], 60_000)).get(run)).toBe('success')
  expect(await trino.rows(`SELECT count(*) AS n FROM delta.${MARK}.made`)).toEqual([{ n: 0 }])
  for (const path of [`/runs/${run}`, `/runs/${run}/tasks/load`])
    expect(await cluster.text(path)).toContain('>not gated<')
}, 90_000)

it('procedures run as plain statements: files are compacted, and those of old versions removed', async () => {
  for (const id of [1, 2, 3]) await trino.run(`INSERT INTO delta.${MARK}.made VALUES ${id}`)
  const files = async () => {
    const [row] = await trino.rows(`SELECT count(DISTINCT "$path") AS files, count(*) AS n FROM delta.${MARK}.made`)
    return row
  }
  expect(await files()).toEqual({ files: 3, n: 3 })
  for (const [dag, operation] of [
    ['compacted', 'ALTER TABLE EXECUTE'],
    ['expired', 'CALL'],
  ] as const) {
    const run = await cluster.trigger(dag)
    expect([dag, (await cluster.ended([run], 60_000)).get(run)]).toEqual([dag, 'success'])
    expect((await taskOf(run))?.reason).toContain(operation)
  }
  expect(await files()).toEqual({ files: 1, n: 3 })
}, 120_000)

it('every query ends with its task: at its timeout, and when it is cancelled amid a write, a statement or its checks', async () => {
  const late = await cluster.trigger('late')
  const [cancelled, stopped, checked] = [
    await cluster.trigger('cancelled'),
    await cluster.trigger('stopped'),
    await cluster.trigger('checked'),
  ]
  const checking = eventually(60_000, async () => {
    const audit = (await queries()).find(({ sql }) => sql.startsWith('WITH') && sql.includes('as checked'))
    return audit?.state === 'RUNNING' ? true : null
  })
  await Promise.all([...['late', 'cancelled', 'stopped'].map((table) => running(into(table))), checking])
  for (const run of [cancelled, stopped, checked]) await cluster.call('POST', `/runs/${run}/cancel`, {})
  const states = await cluster.ended([late, cancelled, stopped, checked], 60_000)
  expect([late, cancelled, stopped, checked].map((run) => states.get(run))).toEqual([
    'failed',
    'cancelled',
    'cancelled',
    'cancelled',
  ])
  await noneLeft()
  for (const table of ['late', 'cancelled', 'stopped']) expect(await creating(into(table))).toHaveLength(1)
  expect((await taskOf(late))?.reason).toBe('timed out after 12s')
  const left = await trino.rows(
    `SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = '${MARK}'`,
  )
  expect(left).toEqual([])
}, 120_000)

/** Names of the staging tables that these tests have ever asked for, and whether they are still there. */
async function stagingTables(): Promise<{ made: Set<string>; left: string[] }> {
  const names = (await creating('"_sluice_staging"."s_')).map(({ sql }) => /"_sluice_staging"\."(\w+)"/.exec(sql)?.[1])
  const made = new Set(names.flatMap((name) => name ?? []))
  const there = await Promise.all(
    ['iceberg', 'delta'].map((catalog) => trino.rows(`SHOW TABLES FROM ${catalog}._sluice_staging`)),
  )
  return { made, left: there.flat().flatMap(({ Table: name }) => (made.has(String(name)) ? [String(name)] : [])) }
}

it('what a dead worker has left is ended when its task is cancelled, or has no retries left', async () => {
  const [lost, off] = [await cluster.trigger('given_up'), await cluster.trigger('called_off')]
  const staging = () => creating(`"delta"."_sluice_staging"."s_`, 'RUNNING')
  await Promise.all([
    running(into('given_up')),
    eventually(60_000, async () => ((await staging()).length === 1 ? true : null)),
  ])
  signalAll(processTree(worker.pid), 'SIGKILL')
  await worker.end('SIGKILL')
  await cluster.call('POST', `/runs/${off}/cancel`, {})
  worker = await cluster.start('worker', '--slots', '4')
  const states = await cluster.ended([lost, off], 90_000)
  expect([states.get(lost), states.get(off)]).toEqual(['failed', 'cancelled'])
  await noneLeft()
  expect(await creating(into('given_up'))).toHaveLength(1)
  expect((await stagingTables()).left).toEqual([])
  for (const [table, catalog] of [
    ['given_up', 'iceberg'],
    ['called_off', 'delta'],
  ])
    expect(await trino.rows(`SHOW TABLES FROM ${catalog}.${MARK} LIKE '${table}'`)).toEqual([])
  // told when the ten seconds are over in which its commit may come yet
  const log = await eventually(30_000, async () => {
    const text = await cluster.text(`/api/v1/runs/${lost}/tasks/load/attempts/1/log`)
    return text.includes('which nobody goes on with') ? text : null
  })
  expect(log).toMatch(/Ending Trino query \w+, which nobody goes on with\./)
}, 180_000)

/** All queries that write this table, in the order in which they were handed in. */
async function writing(table: string): Promise<{ id: string; state: string; created: number; ended: number }[]> {
  const rows = await trino.rows(
    `SELECT query_id, state, to_unixtime(created) AS created, to_unixtime("end") AS ended FROM system.runtime.queries
     WHERE "user" = '${USER}' AND regexp_like(query, '^(CREATE|INSERT)') AND query LIKE '%${into(table)}%' ORDER BY created`,
  )
  return rows.map(({ query_id, state, created, ended }) => {
    return { id: String(query_id), state: String(state), created: Number(created), ended: Number(ended) }
  })
}

it('a task that is cleared begins when the query of its lost attempt is over, and only its own is published', async () => {
  await shop.query(`create table ${MARK} (n int)`)
  await trino.run(`CREATE TABLE iceberg.${into('anew')} (n bigint, mark varchar)`)
  const [failed, cancelled] = [await cluster.trigger('anew'), await cluster.trigger('made_anew')]
  await eventually(60_000, async () => {
    const [one, other] = await Promise.all([writing('anew'), writing('made_anew')])
    return one[0]?.state === 'RUNNING' && other[0]?.state === 'RUNNING' ? true : null
  })
  signalAll(processTree(worker.pid), 'SIGKILL')
  await worker.end('SIGKILL')
  await shop.query(`insert into ${MARK} values (1)`)
  // as if another worker had taken what is left, and had died: nobody but the new attempt ends it
  const store = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  await store.query(`create function hold() returns trigger language plpgsql as
    $$ begin new.next_try_at := now() + interval '1 hour'; return new; end $$`)
  await store.query('create trigger hold before insert on left_work for each row execute function hold()')
  await cluster.call('POST', `/runs/${cancelled}/cancel`, {})
  worker = await cluster.start('worker', '--slots', '4')
  const states = await cluster.ended([failed, cancelled], 90_000)
  expect([states.get(failed), states.get(cancelled)]).toEqual(['failed', 'cancelled'])
  for (const run of [failed, cancelled]) await cluster.call('POST', `/runs/${run}/clear`, {})
  const again = await cluster.ended([failed, cancelled], 90_000)
  expect([...again.values()]).toEqual(['success', 'success'])
  await noneLeft()
  for (const [table, catalog, run] of [
    ['anew', 'iceberg', failed],
    ['made_anew', 'delta', cancelled],
  ] as const) {
    const [old, own, ...more] = await writing(table)
    expect([table, old?.state, own?.state, more]).toEqual([table, 'FAILED', 'FINISHED', []])
    // what was ended while it committed may be late by ten seconds
    expect((own?.created ?? 0) - (old?.ended ?? 0)).toBeGreaterThan(9)
    expect(await trino.rows(`SELECT n, mark FROM ${catalog}.${MARK}.${table}`)).toEqual([{ n: 1, mark: MARK }])
    const log = await cluster.text(`/api/v1/runs/${run}/tasks/load/attempts/2/log`)
    expect(log).toContain(`Ending Trino query ${old?.id}, which nobody goes on with.`)
  }
  expect(await store.query('select * from left_work where run_id in ($1, $2)', [failed, cancelled])).toEqual([])
  await store.query('drop trigger hold on left_work')
  await store.close()
}, 240_000)

it('a query that only reads, and that of a check, end before the next attempt asks them again, and with their task', async () => {
  const [asked, audited] = [await cluster.trigger('asked'), await cluster.trigger('audited')]
  const reading = async (...states: string[]) => {
    const ours = (await queries()).filter(({ sql }) => /^(SELECT|WITH)/.test(sql) && /pg_sleep\(60[12]\)/.test(sql))
    return ours.filter(({ state }) => states.includes(state))
  }
  const two = (...not: Query[]) =>
    eventually(90_000, async () => {
      const now = (await reading('RUNNING')).filter(({ id }) => !not.some((one) => one.id === id))
      return now.length === 2 ? now : null
    })
  const first = await two()
  signalAll(processTree(worker.pid), 'SIGKILL')
  await worker.end('SIGKILL')
  worker = await cluster.start('worker', '--slots', '4')
  const second = await two(...first)
  // by then those of the first attempts are over
  expect((await reading(...LIVE)).map(({ id }) => id).sort()).toEqual(second.map(({ id }) => id).sort())
  signalAll(processTree(worker.pid), 'SIGKILL')
  await worker.end('SIGKILL')
  worker = await cluster.start('worker', '--slots', '4')
  for (const run of [asked, audited]) await cluster.call('POST', `/runs/${run}/cancel`, {})
  const states = await cluster.ended([asked, audited], 90_000)
  expect([...states.values()]).toEqual(['cancelled', 'cancelled'])
  await noneLeft()
}, 240_000)

it('a worker that is killed amid a query leaves it to the next, which waits for it, finds what it has published, or ends it', async () => {
  const [briefly, long] = [await HeldRow.hold(), await HeldRow.hold()]
  for (const row of [briefly, long]) onTestFinished(() => row.release())
  const dags = leftDags(briefly, long)
  for (const [name, text] of Object.entries(dags)) await cluster.write(`dags/${name}.yaml`, text)
  for (const name of Object.keys(dags)) await cluster.knows(name)
  const stagedBefore = (await stagingTables()).made.size
  const runs = {
    ended: await cluster.trigger('ended'),
    goes_on: await cluster.trigger('goes_on'),
    staged: await cluster.trigger('staged'),
    plain: await cluster.trigger('plain'),
  }
  const STAGING = `"_sluice_staging"."s_`
  const stagingNow = () => creating(STAGING, 'RUNNING')
  await Promise.all([...['ended', 'goes_on', 'plain'].map((table) => running(into(table))), running(STAGING)])
  const first = { staged: await stagingNow(), plain: await creating(into('plain'), 'RUNNING') }
  signalAll(processTree(worker.pid), 'SIGKILL')
  await worker.end('SIGKILL')
  await briefly.release()
  await cluster.start('worker', '--slots', '4')
  // while the second attempts are at it the first ones' queries are over: never two of them side by side
  await eventually(90_000, async () => ((await stagingTables()).made.size === stagedBefore + 2 ? true : null))
  expect(await creating(STAGING, ...LIVE)).toHaveLength(1)
  await eventually(60_000, async () => ((await creating(into('plain'))).length === 2 ? true : null))
  expect(await creating(into('plain'), ...LIVE)).toHaveLength(1)
  const now = new Map((await queries()).map(({ id, state }) => [id, state]))
  expect([...first.staged, ...first.plain].map(({ id }) => now.get(id))).toEqual(['FAILED', 'FAILED'])
  // the second attempt follows it before it ends
  const log = () => cluster.text(`/api/v1/runs/${runs.goes_on}/tasks/load/attempts/2/log`).catch(() => '')
  await eventually(60_000, async () =>
    (await log()).includes('Waiting for what becomes of Trino query') ? true : null,
  )
  await long.release()
  const states = await cluster.ended(Object.values(runs), 180_000)
  expect([...states.values()]).toEqual(['success', 'success', 'success', 'success'])
  for (const [table, catalog, asked] of [
    ['ended', 'delta', 1],
    ['goes_on', 'iceberg', 1],
    ['staged', 'iceberg', 1],
    ['plain', 'delta', 2],
  ] as const) {
    expect([table, await creating(into(table))]).toEqual([table, expect.objectContaining({ length: asked })])
    expect(await trino.rows(`SELECT n FROM ${catalog}.${MARK}.${table}`)).toEqual([{ n: 1 }])
    expect(await taskOf(runs[table])).toMatchObject({ attempt: 2, state: 'success' })
    if (table === 'plain') continue
    // Trino's commits carry no run: the store knows
    const label = catalog === 'iceberg' ? `${MARK}.${table}` : `delta.${MARK}.${table}`
    const { stdout } = await cluster.sluice('tables', label, '--json')
    const [version] = JSON.parse(stdout) as TableVersionShape[]
    expect(version).toMatchObject({ run: runs[table], task: 'load', attempt: 2, operation: 'append', rows_added: 1 })
  }
  // a new Delta table lasts only once somebody has fetched the answer of the query that made it
  expect((await creating(into('ended'))).map(({ state }) => state)).toEqual(['FINISHED'])
  expect((await stagingTables()).left).toEqual([])
}, 300_000)
