import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunListEntry } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { Cluster, type Part } from './cluster.js'
import { crowded, FULL } from './crowded.js'
import { OwnPostgres } from './own-postgres.js'
import { OwnRedis } from './own-redis.js'
import { peaksOf, recordTransitions, transitions } from './transitions.js'

const ROUNDS = 4
const BURST = 8

// of its own: its bursts take half of the connections that the shared one has for all
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

it('the replay counts what is taken at once, each task once', () => {
  const of = (run: string, task: string | null, state: string, slots = 1) => ({
    run,
    task,
    dag: 'd',
    pool: 'p',
    slots,
    state,
  })
  const history = [
    of('r', null, 'running'),
    of('r', 'a', 'queued', 2),
    of('r', 'a', 'running', 2),
    of('r', 'b', 'queued'),
    of('r', 'a', 'success', 2),
    of('s', null, 'running'),
    of('s', 'a', 'queued', 2),
    of('r', null, 'success'),
  ]
  expect(peaksOf(history)).toEqual({ pools: { p: 3 }, tasks: { d: 2 }, runs: { d: 2 } })
  expect(peaksOf([...history, of('s', 'c', 'queued')]).pools).toEqual({ p: 4 })
})

it('no pool, DAG or number of runs is exceeded at any instant, under bursts, kills and clears', async () => {
  cluster = await Cluster.create({ postgres: postgres.url, redis: redis.url }, crowded())
  const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  await recordTransitions(database)
  await cluster.start('webserver')
  const start = { scheduler: () => cluster.start('scheduler'), worker: () => cluster.start('worker', '--slots', '6') }
  const parts: Part[] = [await start.scheduler(), await start.worker(), await start.scheduler(), await start.worker()]
  await cluster.knows('pooled')
  await cluster.knows('limited')
  const runs: string[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const dags = Array.from({ length: BURST }, (_, index) => (index % 2 === 0 ? 'pooled' : 'limited'))
    runs.push(...(await Promise.all(dags.map((dag) => cluster.trigger(dag)))))
    await clearSome()
    const victim = parts.shift()
    if (victim === undefined) throw new Error('there is nothing left to kill')
    await victim.end('SIGKILL')
    parts.push(await start[victim.name === 'worker' ? 'worker' : 'scheduler']())
    await clearSome()
  }
  const states = await cluster.ended(runs, 180_000)
  expect(runs.filter((run) => states.get(run) !== 'success')).toEqual([])
  const history = await transitions(database)
  await database.close()
  // each limit was reached, or nothing would have been shown
  expect(peaksOf(history)).toMatchObject(FULL)
  expect(history.filter(({ task, state }) => task === null && state === 'queued').length).toBeGreaterThan(ROUNDS)
}, 300_000)

/** Runs that have ended, and some that are on, run again: whole, and all at once. */
async function clearSome(): Promise<void> {
  const list = await cluster.call<RunListEntry[]>('GET', '/runs?limit=200')
  const chosen = [
    ...list.filter(({ ended_at }) => ended_at !== null).slice(0, 6),
    ...list.filter(({ state }) => state === 'running').slice(0, 2),
  ]
  await Promise.all(chosen.map(({ run }) => cluster.call('POST', `/runs/${run}/clear`, {})))
}
