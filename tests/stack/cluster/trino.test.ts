import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { trinoServer } from '../../../lakehouse/engines/trino/connection.js'
import { TrinoSession } from '../../../lakehouse/engines/trino/session.js'
import type { TableVersionShape, TaskShape } from '../../../scheduler/shapes.js'
import { eventually } from '../../e2e/eventually.js'
import { catalogDatabase } from '../iceberg-lake.js'
import { S3Place } from '../s3-place.js'
import { trinoUrl } from '../trino-place.js'
import { Cluster, type Part } from './cluster.js'
import { OwnRedis } from './own-redis.js'

/** schema of the tables, and the word by which the queries of this run of the tests are told from others */
const MARK = `t${randomBytes(5).toString('hex')}`
const place = new S3Place()

/** One row after so many seconds, however busy the machine is: PostgreSQL sleeps. */
const slow = (seconds: number) =>
  `SELECT count(*) AS n, '${MARK}' AS mark FROM TABLE(postgresql.system.query(query => 'select pg_sleep(${seconds})::text as slept'))`

const dag = (name: string, task: object) =>
  JSON.stringify({ dag: name, defaults: { retries: 3, retry_delay: '100ms', backoff: 1 }, tasks: { load: task } })

/** A lease is 30 s: the first query has ended when the next attempt comes, the second still runs. */
const DAGS = {
  'dags/ended.yaml': dag('ended', { sql: { query: slow(5), to: `delta.${MARK}.ended`, mode: 'append' } }),
  'dags/goes_on.yaml': dag('goes_on', { sql: { query: slow(50), to: `${MARK}.goes_on`, mode: 'append' } }),
  'dags/late.yaml': dag('late', { sql: { query: slow(600), to: `${MARK}.late` }, timeout: '12s', retries: 0 }),
  'dags/shown.yaml': dag('shown', { sql: { query: slow(600), to: `${MARK}.shown` } }),
  'dags/made.yaml': dag('made', { sql: { statement: `CREATE TABLE delta.${MARK}.made (id integer)` } }),
  'dags/cancelled.yaml': dag('cancelled', { sql: { query: slow(600), to: `delta.${MARK}.cancelled` } }),
}

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
    lakehouse: { type: 'trino', url: trinoUrl(), user: 'sluice-test' },
    minio: place.connection,
    iceberg_catalog: catalogDatabase(),
  },
})

let redis: OwnRedis
let cluster: Cluster
let trino: TrinoSession
let worker: Part
beforeAll(async () => {
  const { catalogs, connections } = config()
  trino = new TrinoSession(trinoServer({ project: '/', catalogs, connections } as never, 'lakehouse'), 'iceberg')
  for (const [catalog, { location }] of [
    ['iceberg', catalogs.lake],
    ['delta', catalogs.delta],
  ] as const) {
    await trino.run(`CREATE SCHEMA ${catalog}.${MARK} WITH (location = '${location}/${MARK}')`)
  }
  redis = await OwnRedis.start()
  const yaml = Object.entries(config()).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
  cluster = await Cluster.create(
    { postgres: process.env.PG_DSN ?? '', redis: redis.url },
    { ...DAGS, 'sluice.yaml': yaml.join('') },
  )
  await cluster.start('webserver')
  await cluster.start('scheduler')
  worker = await cluster.start('worker', '--slots', '4')
  for (const name of ['ended', 'goes_on', 'late', 'shown', 'made', 'cancelled']) await cluster.knows(name)
})
afterAll(async () => {
  await cluster?.remove()
  for (const catalog of ['iceberg', 'delta']) await trino.run(`DROP SCHEMA IF EXISTS ${catalog}.${MARK} CASCADE`)
  trino.close()
  await redis.down()
  await place.remove()
})

/** Queries of ours that write or stage, by their state; those that only look are not counted. */
async function queriesOf(table: string, ...states: string[]): Promise<number> {
  const [row] = await trino.rows(
    `SELECT count(*) AS n FROM system.runtime.queries WHERE source = 'sluice' AND query LIKE 'CREATE %'
       AND query LIKE '%"${MARK}"."${table}"%' ${states.length === 0 ? '' : `AND state IN ('${states.join("', '")}')`}`,
  )
  return Number(row?.n)
}

const running = (table: string) =>
  eventually(60_000, async () => ((await queriesOf(table, 'RUNNING')) > 0 ? true : null))

/** The issue gives a query ten seconds to end once its task has. */
const noneLeft = (table: string) =>
  eventually(10_000, async () => {
    return (await queriesOf(table, 'QUEUED', 'PLANNING', 'STARTING', 'RUNNING', 'FINISHING')) === 0 ? true : null
  })

const taskOf = async (run: string) => {
  const { tasks } = await cluster.call<{ tasks: TaskShape[] }>('GET', `/runs/${run}`)
  return tasks[0]
}

it('a running query shows how far it is, on the page of its attempt and in its log', async () => {
  const run = await cluster.trigger('shown')
  await running('shown')
  const page = await eventually(10_000, async () => {
    const html = await cluster.text(`/runs/${run}/tasks/load`)
    return html.includes('publishing, running') ? html : null
  })
  expect(page).not.toContain('>not gated<')
  const [, query = ''] = /<dt>Query<\/dt><dd class="mono"><a href="http[^"]+">([^<]+)</.exec(page) ?? []
  expect(page).toMatch(/<dt>Progress<\/dt><dd>\d+ of \d+ splits<span class="sub">publishing, running/)
  const [known] = await trino.rows(`SELECT source FROM system.runtime.queries WHERE query_id = '${query}'`)
  expect(known).toEqual({ source: 'sluice' })
  const log = await eventually(15_000, async () => {
    const text = await cluster.text(`/api/v1/runs/${run}/tasks/load/attempts/1/log`)
    return text.includes(' splits') ? text : null
  })
  expect(log).toContain(`Trino query ${query}: publishing.`)
  expect(log).toMatch(
    new RegExp(`Trino query ${query}: running, \\d+ of \\d+ splits, [\\d,]+ rows, [\\d.,]+ MB read\\.`),
  )
  await cluster.call('POST', `/runs/${run}/cancel`, {})
}, 60_000)

it('a plain statement runs as it is, and its pages say that it has no gate', async () => {
  const run = await cluster.trigger('made')
  expect((await cluster.ended([run], 60_000)).get(run)).toBe('success')
  expect(await trino.rows(`SELECT count(*) AS n FROM delta.${MARK}.made`)).toEqual([{ n: 0 }])
  for (const path of [`/runs/${run}`, `/runs/${run}/tasks/load`])
    expect(await cluster.text(path)).toContain('>not gated<')
}, 90_000)

it('a query ends with its task, at its timeout and when it is cancelled', async () => {
  const [late, cancelled] = [await cluster.trigger('late'), await cluster.trigger('cancelled')]
  await Promise.all([running('late'), running('cancelled')])
  await cluster.call('POST', `/runs/${cancelled}/cancel`, {})
  const states = await cluster.ended([late, cancelled], 60_000)
  expect([states.get(late), states.get(cancelled)]).toEqual(['failed', 'cancelled'])
  await Promise.all([noneLeft('late'), noneLeft('cancelled')])
  expect([await queriesOf('late'), await queriesOf('cancelled')]).toEqual([1, 1])
  expect((await taskOf(late))?.reason).toBe('timed out after 12s')
}, 120_000)

it('a worker that is killed amid a query leaves it to the next, which waits for it or finds what it has published', async () => {
  const runs = { ended: await cluster.trigger('ended'), goes_on: await cluster.trigger('goes_on') }
  await Promise.all([running('ended'), running('goes_on')])
  await worker.end('SIGKILL')
  await cluster.start('worker', '--slots', '4')
  const states = await cluster.ended(Object.values(runs), 180_000)
  expect([...states.values()]).toEqual(['success', 'success'])
  for (const [table, catalog] of [
    ['ended', 'delta'],
    ['goes_on', 'iceberg'],
  ] as const) {
    expect([table, await queriesOf(table)]).toEqual([table, 1])
    expect(await trino.rows(`SELECT n FROM ${catalog}.${MARK}.${table}`)).toEqual([{ n: 1 }])
    expect(await taskOf(runs[table])).toMatchObject({ attempt: 2, state: 'success' })
    // Trino's commits carry no run: the store knows
    const label = catalog === 'iceberg' ? `${MARK}.${table}` : `delta.${MARK}.${table}`
    const { stdout } = await cluster.sluice('tables', label, '--json')
    const [version] = JSON.parse(stdout) as TableVersionShape[]
    expect(version).toMatchObject({ run: runs[table], task: 'load', attempt: 2, operation: 'append', rows_added: 1 })
  }
}, 300_000)
