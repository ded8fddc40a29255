import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AttemptShape } from '../../../scheduler/shapes.js'
import { AdvisoryLock } from '../../../scheduler/store/advisory-lock.js'
import { assertAnswers } from '../../../scheduler/store/answers.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { Cluster } from './cluster.js'
import { OwnPostgres } from './own-postgres.js'
import { freePort, OwnRedis } from './own-redis.js'

/** The bounds of postgres-bounds.ts, and something for a machine with much to do. */
const SILENT_MS = 30_000

let postgres: OwnPostgres
let redis: OwnRedis
beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([OwnPostgres.start(), OwnRedis.start()])
})
afterEach(() => postgres.thaw())
afterAll(async () => {
  await redis?.down()
  await postgres?.remove()
})

describe('a PostgreSQL that says nothing more and ends no connection', () => {
  it('fails what is asked of it in bounded time, and is used again when it is back', { timeout: 120_000 }, async () => {
    const database = await PostgresDatabase.open(postgres.url, { connections: 3 })
    await database.script('create table steps (step int primary key)')
    // connections that have been used, so that nothing is to be prepared when the silence begins
    await Promise.all([1, 2, 3].map((step) => database.query('insert into steps values ($1)', [step])))
    const lock = new AdvisoryLock(postgres.url, 'presence', 'shared')
    postgres.freeze()
    const began = performance.now()
    const silence = expect.objectContaining({ message: expect.stringContaining('has not answered for 18 s') })
    await Promise.all([
      expect(assertAnswers(database)).rejects.toThrow('has not answered for 2000 ms'),
      expect(database.query('insert into steps values ($1)', [4])).rejects.toThrow(silence),
      expect(database.transaction([{ sql: 'insert into steps values ($1)', params: [5] }])).rejects.toThrow(silence),
      expect(lock.tryAcquire()).rejects.toThrow(/timeout/),
      expect(PostgresDatabase.open(postgres.url)).rejects.toMatchObject({ code: 'UNREACHABLE' }),
    ])
    expect(performance.now() - began).toBeLessThan(SILENT_MS)
    postgres.thaw()
    const steps = () => database.query<{ step: number }>('select step from steps order by step')
    // what was asked in the silence was still on its way: whoever asks again must find it done
    await eventually(10_000, async () => ((await steps()).length === 5 ? true : null))
    await expect(database.query('insert into steps values ($1)', [4])).rejects.toThrow('(23505)')
    await lock.release()
    await database.close()
  })

  it('does not keep a process from ending', async () => {
    const database = await PostgresDatabase.open(postgres.url)
    const lock = new AdvisoryLock(postgres.url, 'presence', 'shared')
    expect(await lock.tryAcquire()).toBe(true)
    postgres.freeze()
    const began = performance.now()
    await Promise.all([database.close(), lock.release()])
    expect(performance.now() - began).toBeLessThan(SILENT_MS / 2)
  })

  it('costs a cluster the claims whose leases end meanwhile, and nothing more', { timeout: 240_000 }, async () => {
    const cluster = await Cluster.create(
      { postgres: postgres.url, redis: redis.url },
      {
        'dags/work.yaml': `dag: work
tasks:
  quick: { bash: ["true"] }
`,
        'dags/held.yaml': `dag: held
defaults: { retries: 1, retry_delay: 0s }
tasks:
  hold: { bash: "if [ $SLUICE_ATTEMPT = 1 ]; then sleep 600; fi" }
`,
      },
    )
    try {
      await cluster.start('webserver')
      const ports = [await freePort(), await freePort()]
      await cluster.start('scheduler', '--health-port', String(ports[0]))
      const worker = await cluster.start('worker', '--health-port', String(ports[1]))
      await Promise.all([cluster.knows('work'), cluster.knows('held')])
      const held = await cluster.trigger('held')
      const attempts = () => cluster.call<AttemptShape[]>('GET', `/runs/${held}/tasks/hold/attempts`)
      await eventually(20_000, async () => ((await attempts()).length === 1 ? true : null))
      const ready = async () => {
        const urls = ports.map((port) => `http://127.0.0.1:${port}/health/ready`)
        const answers = await Promise.all(urls.map((url) => fetch(url)))
        const web = await cluster.text('/health/ready').then(
          () => 200,
          () => 503,
        )
        return [...answers.map(({ status }) => status), web]
      }
      expect(await ready()).toEqual([200, 200, 200])

      postgres.freeze()
      expect(await ready()).toEqual([503, 503, 503])
      // the lease, and what a loaded machine adds; without bounds it would be never
      await eventually(45_000, async () => (worker.output.includes('the claim was lost') ? true : null))
      postgres.thaw()
      expect((await cluster.ended([held], 60_000)).get(held)).toBe('success')
      expect((await attempts()).map(({ result }) => result).sort()).toEqual(['lost', 'success'])
      expect(await ready()).toEqual([200, 200, 200])
      const run = await cluster.trigger('work')
      expect((await cluster.ended([run], 60_000)).get(run)).toBe('success')
    } finally {
      postgres.thaw()
      await cluster.remove()
    }
  })
})
