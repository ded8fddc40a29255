import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { Cluster } from './cluster.js'
import { OwnPostgres } from './own-postgres.js'
import { OwnRedis } from './own-redis.js'

const RUNS = 500
/** From one restart's end to the next one: with the restart itself, less than `EVERY_MS`. */
const PAUSE_MS = 2_500
const EVERY_MS = 5_000
/** Redis loses all it holds at each restart of PostgreSQL, and is itself killed and started at every third. */
const REDIS_RESTARTS_AT_EVERY = 3

let postgres: OwnPostgres
let redis: OwnRedis
let cluster: Cluster
beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([OwnPostgres.start(), OwnRedis.start()])
})
afterAll(async () => {
  await cluster?.remove()
  await redis?.down()
  await postgres?.remove()
})

/**
 * No task has a retry: a restart must not cost one. Every fifth run publishes a row: tables are one part, the many steps of the others are what a restart
 * cuts through. Those write down each of their executions: a second one would end as well as the first.
 */
const COUNT = `dag: count
max_active_runs: 16
tasks:
  one: { bash: { command: "echo $SLUICE_RUN/$SLUICE_TASK >> executions", cwd: .. } }
  two: { needs: [one], bash: { command: "echo $SLUICE_RUN/$SLUICE_TASK >> executions", cwd: .. } }
`
const MARK = `dag: mark
max_active_runs: 4
tasks:
  mark: { sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append } }
`

it(`does ${RUNS} runs, each once, while PostgreSQL restarts every ${EVERY_MS / 1_000} s and Redis forgets all`, async () => {
  cluster = await Cluster.create(
    { postgres: postgres.url, redis: redis.url },
    { 'dags/count.yaml': COUNT, 'dags/mark.yaml': MARK },
  )
  await cluster.start('webserver')
  await cluster.start('scheduler')
  await cluster.start('worker', '--slots', '4')
  await Promise.all([cluster.knows('count'), cluster.knows('mark')])
  let restarts = 0
  let over = false
  const hints: number[] = []
  const restarting = (async () => {
    while (!over) {
      await delay(PAUSE_MS)
      hints.push(await redis.ask((connection) => connection.dbsize()))
      // every other time it crashes, so that what did not wait for the disk may be lost
      const how = restarts % 2 === 0 ? 'stopped' : 'crashed'
      await Promise.all([postgres.restart(how), redis.ask((connection) => connection.flushall())])
      restarts += 1
      if (restarts % REDIS_RESTARTS_AT_EVERY !== 0) continue
      await redis.down()
      await redis.up()
    }
  })()
  const began = performance.now()
  const runs: string[] = []
  for (let count = 0; count < RUNS; count++) runs.push(await cluster.trigger(count % 5 === 0 ? 'mark' : 'count'))
  const states = await cluster.ended(runs, 180_000)
  const took = performance.now() - began
  over = true
  await restarting
  expect(restarts).toBeGreaterThanOrEqual(took / EVERY_MS)
  expect(restarts).toBeGreaterThan(REDIS_RESTARTS_AT_EVERY)
  // there was something to forget, and not only once
  expect(hints.filter((keys) => keys > 0).length).toBeGreaterThan(REDIS_RESTARTS_AT_EVERY)
  expect(new Set(runs).size).toBe(RUNS)
  expect(runs.filter((run) => states.get(run) !== 'success')).toEqual([])
  const marking = runs.filter((_, index) => index % 5 === 0)
  const counting = runs.filter((_, index) => index % 5 !== 0)
  const marks = (await deltaRows(`${cluster.folder}/data/lake/bronze/marks`)).map(({ run }) => String(run))
  expect(marks.sort()).toEqual(marking.sort())
  const executions = (await readFile(`${cluster.folder}/executions`, 'utf8')).trimEnd().split('\n')
  expect(executions.sort()).toEqual(counting.flatMap((run) => [`${run}/one`, `${run}/two`]).sort())
  const store = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  const attempts = await store.query('select result, attempt, count(*) from attempts group by result, attempt')
  await store.close()
  // each as its first attempt, and none whose row nobody finished
  expect(attempts).toEqual([{ result: 'success', attempt: 1, count: marking.length + 2 * counting.length }])
}, 300_000)
