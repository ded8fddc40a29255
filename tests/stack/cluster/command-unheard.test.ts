import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { Cluster } from './cluster.js'
import { OwnRedis } from './own-redis.js'

const postgres = process.env.PG_DSN ?? ''
/** between two sweeps while Redis is there (ADR 13), and what a busy machine adds */
const SWEEP_MS = 5_000
const SLACK_MS = 5_000

const HALF = `dag: half
tasks:
  long: { bash: ["sleep", "600"] }
  short: { bash: "exit 1" }
  after: { needs: [short], bash: ["true"] }
`

let redis: OwnRedis
let cluster: Cluster
beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(() => redis.down())
afterEach(() => cluster.remove())

interface Claim extends Record<string, unknown> {
  task: string
  attempt: number
  claimed: number
  result: string | null
}

it('goes on with what a command has changed beside a task that runs for long, without a word from Redis', async () => {
  cluster = await Cluster.create({ postgres, redis: redis.url }, { 'dags/half.yaml': HALF })
  await cluster.start('webserver')
  await Promise.all([cluster.start('scheduler'), cluster.start('worker', '--slots', '3')])
  await cluster.knows('half')
  const run = await cluster.trigger('half')
  const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  const claim = (task: string, attempt: number, result: string | null) =>
    eventually(30_000, async () => {
      const claims = await database.query<Claim>(
        'select task_id as task, attempt, claimed_at as claimed, result from attempts where run_id = $1',
        [run],
      )
      return claims.find((one) => one.task === task && one.attempt === attempt && one.result === result) ?? null
    })
  try {
    await Promise.all([claim('long', 1, null), claim('short', 1, 'failed')])
    await redis.down()

    const clearedAt = Date.now()
    await cluster.call('POST', `/runs/${run}/clear`, { tasks: ['short'] })
    const cleared = await claim('short', 2, 'failed')
    expect(cleared.claimed - clearedAt).toBeLessThanOrEqual(SWEEP_MS + SLACK_MS)

    const markedAt = Date.now()
    await cluster.call('POST', `/runs/${run}/mark`, { tasks: ['short'], state: 'success' })
    const marked = await claim('after', 1, 'success')
    expect(marked.claimed - markedAt).toBeLessThanOrEqual(SWEEP_MS + SLACK_MS)

    expect((await claim('long', 1, null)).attempt).toBe(1)
    const left = await database.query('select run_id from runs where unsettled')
    expect(left).toEqual([])
    await cluster.call('POST', `/runs/${run}/cancel`, {})
    await cluster.ended([run], 30_000)
  } finally {
    await database.close()
  }
}, 180_000)
