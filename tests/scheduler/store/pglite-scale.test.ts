import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OpenStore, openStore } from '../../../scheduler/store/open-store.js'
import { emptied } from './emptied.js'
import { storeFolder } from './pglite-folder.js'
import { dagNamed, NOW, register, runningRun } from './suite/subject.js'

/*
 * Steps that once took seconds because a plan looked at pairs of rows, or at a whole table. They take some 10 ms; the bounds
 * leave room for a busy machine and none for such a plan.
 */
const { folder, remove } = storeFolder()
let opened: OpenStore
beforeAll(async () => {
  opened = await openStore(folder, NOW)
})
beforeEach(() => emptied(opened.database))
afterAll(async () => {
  await opened.store.close()
  remove()
})

async function elapsed(job: () => Promise<unknown>): Promise<number> {
  const before = performance.now()
  await job()
  return performance.now() - before
}

describe('at scale', () => {
  it('queues from 2,000 ready tasks', async () => {
    const { store, database } = opened
    await store.setPools({ default: 128 })
    const taskIds = Array.from({ length: 2_000 }, (_, index) => `t${index}`)
    await runningRun(store, 'wide', { taskIds, maxActiveTasks: 1_000 })
    await database.query("update task_runs set state = 'scheduled'")
    expect(await elapsed(async () => expect(await store.queueReady(NOW, 500)).toHaveLength(128))).toBeLessThan(4_000)
    expect(await elapsed(async () => expect(await store.queueReady(NOW, 500)).toEqual([]))).toBeLessThan(400)
  })

  it('starts runs from 6,000 queued ones', async () => {
    const { store, database } = opened
    await runningRun(store, 'long', { maxActiveRuns: 4 })
    await database.query(
      `insert into runs (run_id, dag_id, version, kind, state, due_at, interval_start, interval_end, params, triggered_by,
        max_active_runs, max_active_tasks, created_at)
      select run_id || n, dag_id, version, 'backfill', 'queued', due_at + n * interval '1 minute', interval_start, interval_end,
        params, triggered_by, max_active_runs, max_active_tasks, created_at from runs, generate_series(1, 6000) n`,
    )
    expect(await elapsed(async () => expect(await store.startRuns(NOW, 500)).toHaveLength(3))).toBeLessThan(4_000)
    expect(await elapsed(async () => expect(await store.startRuns(NOW, 500)).toEqual([]))).toBeLessThan(1_000)
  })

  it('registers 1,000 DAGs again', async () => {
    const { store } = opened
    const dags = Array.from({ length: 1_000 }, (_, index) => dagNamed(`dag${index}`, { source: 'x'.repeat(5_000) }))
    await register(store, ...dags)
    expect(await elapsed(() => register(store, ...dags))).toBeLessThan(2_500)
  })
})
