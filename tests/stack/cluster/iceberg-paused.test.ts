import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AttemptShape } from '../../../scheduler/shapes.js'
import { eventually } from '../../e2e/eventually.js'
import { type Fate, FaultyProxy } from '../faulty-proxy.js'
import { catalogDatabase, StackIcebergLake } from '../iceberg-lake.js'
import { trino } from '../trino-query.js'
import { Cluster } from './cluster.js'
import { OwnRedis } from './own-redis.js'
import { processTree, signalAll } from './process-tree.js'

const SWAP = /UPDATE iceberg_tables|INSERT INTO iceberg_tables/

let redis: OwnRedis
beforeAll(async () => {
  if ((process.env.PG_DSN ?? '') === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(() => redis.down())

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

function projectFiles(lake: StackIcebergLake, port: number): Record<string, string> {
  const { minio } = lake.config.connections
  const catalog = {
    ...lake.config.catalogs.lake,
    jdbc: { connection: 'iceberg_catalog', name: process.env.ICEBERG_CATALOG },
  }
  const database = { ...catalogDatabase(), host: '127.0.0.1', port }
  return {
    'sluice.yaml': [
      `catalogs: ${JSON.stringify({ lake: catalog })}`,
      `connections: ${JSON.stringify({ minio, iceberg_catalog: database })}`,
    ].join('\n'),
    'dags/mark.yaml': `dag: mark
defaults: { retries: 3, retry_delay: 0s }
tasks:
  mark: { sql: { query: "select {{ run.id }} as run, {{ task.attempt }} as attempt", to: ${lake.table('marks')}, mode: append } }
`,
  }
}

describe('a worker that sleeps, slots and all, while it commits to an Iceberg table', () => {
  it.each<[string, Fate]>([
    ['before its commit has arrived', 'lose_request'],
    ['before it hears that its commit was done', 'lose_answer'],
  ])(
    'and wakes after its lease doubles nothing: %s',
    async (_, fate) => {
      let asleep: number[] = []
      let fallAsleep: (() => number[]) | null = null
      const { host, port } = catalogDatabase()
      const proxy = await FaultyProxy.start(`tcp://${host}:${port}`, (request) => {
        if (fallAsleep === null || !SWAP.test(request)) return 'pass'
        asleep = fallAsleep()
        fallAsleep = null
        return fate
      })
      opened.push(() => proxy.close())
      const lake = new StackIcebergLake()
      opened.push(() => lake.remove())
      // the table is there, so that the commit is a swap
      await lake.write(lake.table('marks'), `select 'first' as run, 0 as attempt`, { token: randomUUID() })
      const where = { postgres: process.env.PG_DSN ?? '', redis: redis.url }
      const cluster = await Cluster.create(where, projectFiles(lake, proxy.port))
      opened.push(() => cluster.remove())
      await cluster.start('webserver')
      await cluster.start('scheduler')
      const sleeper = await cluster.start('worker')
      await cluster.knows('mark')
      fallAsleep = () => {
        const tree = processTree(sleeper.pid)
        signalAll(tree, 'SIGSTOP')
        return tree
      }
      opened.push(async () => signalAll(asleep, 'SIGCONT'))
      const run = await cluster.trigger('mark')
      await eventually(60_000, async () => (asleep.length > 1 ? true : null))
      await cluster.start('worker')
      expect((await cluster.ended([run], 120_000)).get(run)).toBe('success')
      signalAll(asleep, 'SIGCONT')
      // it ends what it runs, finds out that its claim is gone, and has nothing more to do
      sleeper.signal('SIGTERM')
      await eventually(60_000, async () => (sleeper.output.includes('Stopped.') ? true : null))
      const attempts = await cluster.call<AttemptShape[]>('GET', `/runs/${run}/tasks/mark/attempts`)
      expect(attempts.map(({ result }) => result).sort()).toEqual(['lost', 'success'])
      const rows = `SELECT attempt, count(*) FROM iceberg.${lake.table('marks')} WHERE run = '${run}' GROUP BY 1`
      expect(await trino(rows)).toEqual([[fate === 'lose_request' ? 2 : 1, 1]])
      expect((await lake.house().then((house) => house.versions(lake.table('marks'), { limit: 9 }))).length).toBe(2)
    },
    300_000,
  )
})
