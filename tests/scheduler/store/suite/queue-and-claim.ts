import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../../scheduler/store/store.js'
import {
  type FreshStore,
  LEASE_MS,
  moveTasks,
  NO_CHANGE,
  NOW,
  outcomeOf,
  runningRun,
  WORKER,
  whileNoneIsThere,
} from './subject.js'

const QUEUED = { attempt: 1, queue: 'default', priority: 0 }

/**
 * What a hop asks for; a store may take the two as one.
 * @param inOrder whether what is asked in one turn is done in that order; with several connections a claim does not see what is
 * being queued beside it, so it is asked behind that
 */
export function queueAndClaimSuite(fresh: FreshStore, inOrder: boolean): void {
  describe('queueing and claiming in one turn', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
      await store.setPools({ default: 4, spark: 2 })
      await whileNoneIsThere(both)
    })
    const readyRun = async (dagId: string, changes: Parameters<typeof runningRun>[2] = {}) => {
      const runId = await runningRun(store, dagId, changes)
      await moveTasks(store, runId, 'scheduled')
      return runId
    }
    const claim = (worker = WORKER, limit = 2) => store.claim(worker, { now: NOW + 5, leaseMs: LEASE_MS, limit })
    const follow = async (queueing: Promise<unknown>) => {
      if (!inOrder) await queueing
    }
    /** the claim comes as late as the flights of scheduler and worker let it */
    const both = async (worker = WORKER) => {
      const queueing = store.queueReady(NOW + 5, 10, true, true)
      await follow(queueing)
      const [queued, claimed] = await Promise.all([queueing, claim(worker)])
      return { queued, claimed: claimed.map(({ taskId }) => taskId) }
    }

    it('starts the one task that is ready, with all that the two would have given', async () => {
      const runId = await readyRun('sales', { taskIds: ['a'], noChecks: true })
      const queueing = store.queueReady(NOW + 5, 10, true, true)
      if (!inOrder) await queueing
      const [claimed] = await claim()
      expect(await queueing).toEqual([{ runId, taskId: 'a', ...QUEUED }])
      expect(claimed).toMatchObject({ runId, dagId: 'sales', version: 'version-of-sales', attempt: 1, tries: 1 })
      expect(claimed).toMatchObject({ params: { country: 'all' }, noChecks: true, leaseUntil: NOW + 5 + LEASE_MS })
      const running = { state: 'running', attempt: 1, tries: 1, since: NOW + 5, startedAt: NOW + 5, reason: '' }
      expect((await store.taskRuns(runId))[0]).toMatchObject(running)
      if (claimed === undefined) throw new Error('nothing was claimed')
      expect(await store.recordOutcomes([outcomeOf(claimed)], NOW + 6)).toEqual(['recorded'])
      expect((await store.run(runId))?.revision).toBe(2)
    })

    it('gives several that are ready their turns', async () => {
      await readyRun('sales', { taskIds: ['a', 'b', 'c'] })
      const { queued, claimed } = await both()
      expect(queued).toHaveLength(3)
      expect(claimed).toEqual(['a', 'b'])
      // and after many, one that is alone again
      for (let round = 0; round < 20; round += 1) {
        const runId = await readyRun(`one-${round}`, {
          tasks: [{ taskId: 'x', pool: 'spark', queue: 'q', priority: 0 }],
        })
        expect(await both({ ...WORKER, queues: ['q'] })).toMatchObject({ queued: [{ runId }], claimed: ['x'] })
        await moveTasks(store, runId, 'success')
      }
    })

    it('lets what waits in the queue already go first', async () => {
      await readyRun('earlier', { taskIds: ['a'] })
      await store.queueReady(NOW, 10)
      const runId = await readyRun('later', { taskIds: ['b'] })
      const queueing = store.queueReady(NOW + 5, 10, true, true)
      expect((await claim(WORKER, 1)).map(({ taskId }) => taskId)).toEqual(['a'])
      expect(await queueing).toEqual([{ runId, taskId: 'b', ...QUEUED }])
    })

    it('only queues what the worker may not have', async () => {
      const runId = await readyRun('sales', { taskIds: ['a'] })
      const expected = { queued: [{ runId, taskId: 'a', ...QUEUED }], claimed: [] }
      expect(await both({ ...WORKER, queues: ['spark'] })).toEqual(expected)
    })

    it('only queues where the worker is of an older epoch', async () => {
      const runId = await readyRun('sales', { taskIds: ['a'] })
      await store.beginEpoch('a new start', NOW)
      expect(await both()).toEqual({ queued: [{ runId, taskId: 'a', ...QUEUED }], claimed: [] })
      expect((await store.taskRuns(runId))[0]?.state).toBe('queued')
    })

    it('leaves what has no room, and says why', async () => {
      const on = (pool: string, poolSlots = 1) => [{ taskId: 'a', pool, poolSlots, queue: 'default', priority: 0 }]
      await readyRun('first', { tasks: on('spark', 2) })
      expect((await both()).claimed).toEqual(['a'])
      const full = await readyRun('second', { tasks: on('spark') })
      expect(await both()).toEqual({ queued: [], claimed: [] })
      expect((await store.taskRuns(full))[0]?.reason).toBe('pool spark is full, 2 of 2')
      await moveTasks(store, full, 'success')
      const once = { tasks: on('default'), maxActiveTasks: 1, maxActiveRuns: 2 }
      await readyRun('sales', once)
      expect((await both()).claimed).toEqual(['a'])
      const busy = await readyRun('sales', { ...once, dueAt: NOW + 1 })
      expect(await both()).toEqual({ queued: [], claimed: [] })
      expect((await store.taskRuns(busy))[0]?.reason).toBe('1 of 1 tasks of sales are active')
    })

    it('starts nothing of a run that is over', async () => {
      const runId = await readyRun('sales', { taskIds: ['a'] })
      const over = { ...NO_CHANGE, run: { state: 'failed' as const } }
      expect(await store.applyDecision(runId, 2, over, NOW)).toBe('applied')
      expect(await both()).toEqual({ queued: [], claimed: [] })
    })

    it('queues all the same when no claim comes', async () => {
      const runId = await readyRun('sales', { taskIds: ['a'] })
      expect(await store.queueReady(NOW, 10, true, true)).toEqual([{ runId, taskId: 'a', ...QUEUED }])
      expect((await claim()).map(({ taskId }) => taskId)).toEqual(['a'])
    })

    it('gives a task to one of two that ask for it', async () => {
      await readyRun('sales', { taskIds: ['a'] })
      const queueing = store.queueReady(NOW, 10, true, true)
      if (!inOrder) await queueing
      const claims = await Promise.all([claim(), claim({ ...WORKER, id: 'worker-2' })])
      expect(claims.flat()).toHaveLength(1)
      expect(await queueing).toHaveLength(1)
    })
  })
}
