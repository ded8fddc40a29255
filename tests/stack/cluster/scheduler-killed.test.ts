import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { Cluster, type Part } from './cluster.js'
import { OwnRedis } from './own-redis.js'

const postgres = process.env.PG_DSN ?? ''
/** what docs/guides/cluster.md promises for what a killed part was at */
const LEASE_MS = 30_000
const EVERY_MS = 1_000
const KILLS = 5

let redis: OwnRedis
let cluster: Cluster
beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(() => redis.down())
afterEach(() => cluster.remove())

const ticks = (start: string) => `dag: ticks
schedule: { every: 1s }
start: ${start}
catchup: all
max_active_runs: 50
tasks:
  tick: { bash: ["true"] }
`

/** A run of the store: instants in milliseconds, `started` that of its task's first claim. */
interface Tick extends Record<string, unknown> {
  run: string
  due: number
  started: number | null
}

function runsSoFar(database: PostgresDatabase): Promise<Tick[]> {
  return database.query<Tick>(
    `select run_id as run, due_at as due, (select min(a.claimed_at) from attempts a where a.run_id = r.run_id) as started
     from runs r order by due_at`,
  )
}

it('makes each due run once and within the lease, although the scheduler that made the last one is killed', async () => {
  cluster = await Cluster.create({ postgres, redis: redis.url }, {})
  await cluster.start('webserver')
  await cluster.start('worker', '--slots', '4')
  const schedulers = new Set<Part>([await cluster.start('scheduler'), await cluster.start('scheduler')])
  const start = new Date(Math.ceil(Date.now() / EVERY_MS) * EVERY_MS)
  await cluster.write('dags/ticks.yaml', ticks(start.toISOString()))
  const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  for (let kills = 0; kills < KILLS; kills++) {
    // of a run that is fresh, so that its maker is still at it
    const maker = await eventually(30_000, async () => {
      const last = (await runsSoFar(database)).at(-1)
      if (last === undefined || Date.now() - last.due > EVERY_MS / 2) return null
      return [...schedulers].find(({ output }) => output.includes(last.run)) ?? null
    })
    await maker.end('SIGKILL')
    schedulers.delete(maker)
    const killedAt = Date.now()
    // the other one is alone when the next two fall due
    await eventually(LEASE_MS + 10_000, async () => {
      return (await runsSoFar(database)).filter(({ due }) => due > killedAt).length >= 2 ? true : null
    })
    schedulers.add(await cluster.start('scheduler'))
  }
  const enough = Date.now()
  const made = await eventually(LEASE_MS + 10_000, async () => {
    const runs = (await runsSoFar(database)).filter(({ due }) => due <= enough)
    return (runs.at(-1)?.due ?? 0) > enough - EVERY_MS && runs.every(({ started }) => started !== null) ? runs : null
  })
  await database.close()
  const first = start.getTime() + EVERY_MS
  expect(made.map(({ due }) => due)).toEqual(made.map((_, index) => first + index * EVERY_MS))
  const late = made.map(({ due, started }) => (started ?? Number.POSITIVE_INFINITY) - due)
  expect(Math.max(...late)).toBeLessThanOrEqual(LEASE_MS)
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0)
}, 300_000)
