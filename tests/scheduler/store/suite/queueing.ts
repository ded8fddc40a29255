import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../../scheduler/store/store.js'
import {
  claimOne,
  dagNamed,
  type FreshStore,
  LEASE_MS,
  moveTasks,
  NO_CHANGE,
  NOW,
  outcomeOf,
  register,
  runningRun,
  WORKER,
  whileNoneIsThere,
} from './subject.js'

export function queueingSuite(fresh: FreshStore): void {
  describe('queueing', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
      await store.setPools({ default: 4, spark: 2 })
    })
    const readyRun = async (dagId: string, changes: Parameters<typeof runningRun>[2] = {}) => {
      const runId = await runningRun(store, dagId, changes)
      await moveTasks(store, runId, 'scheduled')
      return runId
    }
    const names = (count: number) => Array.from({ length: count }, (_, index) => `t${String(index).padStart(3, '0')}`)

    it('queues ready tasks with the next attempt', async () => {
      const runId = await readyRun('sales')
      const queued = await store.queueReady(NOW + 3, 10)
      expect(queued).toEqual([
        { runId, taskId: 'a', attempt: 1, queue: 'default', priority: 0 },
        { runId, taskId: 'b', attempt: 1, queue: 'default', priority: 0 },
      ])
      expect((await store.taskRuns(runId))[0]).toMatchObject({
        state: 'queued',
        attempt: 1,
        tries: 1,
        since: NOW + 3,
        reason: 'waits for a worker of queue default',
      })
      expect((await store.run(runId))?.revision).toBe(2)
      expect(await store.queueReady(NOW, 10)).toEqual([])
    })

    it('fills a pool exactly and says why the others wait', async () => {
      const runId = await readyRun('sales', { taskIds: names(6) })
      expect(await store.queueReady(NOW, 100)).toHaveLength(4)
      const waiting = (await store.taskRuns(runId)).filter((task) => task.state === 'scheduled')
      expect(waiting.map((task) => task.reason)).toEqual([
        'pool default is full, 4 of 4',
        'pool default is full, 4 of 4',
      ])
      const claim = await claimOne(store)
      expect(await store.queueReady(NOW, 100)).toEqual([])
      await store.recordOutcomes([outcomeOf(claim)], NOW)
      await moveTasks(store, runId, 'success', [claim.taskId])
      expect(await store.queueReady(NOW, 100)).toHaveLength(1)
    })

    it('leaves reasons as they are when it is not asked to tell them', async () => {
      await store.setPools({ default: 1 })
      const runId = await runningRun(store, 'sales', { taskIds: ['a', 'b'] })
      await moveTasks(store, runId, 'scheduled')
      expect(await store.queueReady(NOW, 100, false)).toHaveLength(1)
      const reasons = async () => (await store.taskRuns(runId)).map(({ reason }) => reason)
      expect(await reasons()).toEqual(['waits for a worker of queue default', ''])
      await store.queueReady(NOW, 100)
      expect(await reasons()).toEqual(['waits for a worker of queue default', 'pool default is full, 1 of 1'])
    })

    it('counts the slots that tasks take, and lets nothing go before one that waits for several', async () => {
      const tasks = [1, 2, 3, 1, 5].map((poolSlots, index) => {
        return { taskId: `t${index}`, pool: 'default', poolSlots, queue: 'default', priority: 9 - index }
      })
      const runId = await readyRun('sales', { tasks })
      const ids = async () => (await store.queueReady(NOW, 100)).map(({ taskId }) => taskId)
      expect(await ids()).toEqual(['t0', 't1'])
      const reasons = Object.fromEntries((await store.taskRuns(runId)).map(({ taskId, reason }) => [taskId, reason]))
      expect(reasons).toMatchObject({
        t2: 'needs 3 slots of pool default, 3 of 4 are taken',
        t4: 'needs 5 slots of pool default, which has 4',
      })
      await moveTasks(store, runId, 'success', ['t1'])
      expect(await ids()).toEqual(['t2'])
      await moveTasks(store, runId, 'success', ['t2'])
      expect(await ids()).toEqual(['t3'])
    })

    it('never fills a pool beyond its size when many queue at once', async () => {
      await readyRun('sales', { taskIds: names(20) })
      await readyRun('stock', { taskIds: names(20) })
      const queued = (await Promise.all(Array.from({ length: 8 }, () => store.queueReady(NOW, 100)))).flat()
      expect(queued).toHaveLength(4)
      expect(new Set(queued.map((task) => `${task.runId} ${task.taskId}`)).size).toBe(4)
    })

    it('keeps max_active_tasks over all runs of a DAG', async () => {
      await store.setPools({ default: 100 })
      await register(store, dagNamed('sales'))
      await readyRun('sales', { taskIds: names(4), maxActiveTasks: 3, maxActiveRuns: 2 })
      const second = await readyRun('sales', { taskIds: names(4), maxActiveTasks: 3, maxActiveRuns: 2, dueAt: NOW + 1 })
      expect(await store.queueReady(NOW, 100)).toHaveLength(3)
      const reasons = (await store.taskRuns(second))
        .filter((task) => task.state === 'scheduled')
        .map((task) => task.reason)
      expect(reasons).toContain('3 of 3 tasks of sales are active')
      expect(await store.queueReady(NOW, 100)).toEqual([])
    })

    it('takes higher priority first, and turns between DAGs within a priority', async () => {
      await readyRun('sales', { taskIds: names(8) })
      await readyRun('stock', { taskIds: names(8) })
      const queued = await store.queueReady(NOW, 100)
      expect(queued.filter((task) => task.runId.startsWith('sales'))).toHaveLength(2)
      expect(queued.filter((task) => task.runId.startsWith('stock'))).toHaveLength(2)
    })

    it('does not let a full pool hold back tasks of another pool', async () => {
      const tasks = [
        ...names(5).map((taskId) => ({ taskId, pool: 'spark', queue: 'default', priority: 9 })),
        { taskId: 'light', pool: 'default', queue: 'default', priority: 0 },
      ]
      await readyRun('sales', { tasks, maxActiveTasks: 3 })
      expect((await store.queueReady(NOW, 100)).map((task) => task.taskId).sort()).toEqual(['light', 't000', 't001'])
    })

    it('has no room in a pool that nobody has defined', async () => {
      const runId = await readyRun('sales', { pool: 'nowhere' })
      expect(await store.queueReady(NOW, 100)).toEqual([])
      expect((await store.taskRuns(runId))[0]?.reason).toBe('pool nowhere is not defined in sluice.yaml')
    })

    describe('a task that is alone', () => {
      beforeEach(() => whileNoneIsThere(() => store.queueReady(NOW, 10)))
      const alone = (pool: string, poolSlots = 1) => [{ taskId: 'a', pool, poolSlots, queue: 'default', priority: 0 }]
      const reasonOf = async (runId: string) => (await store.taskRuns(runId))[0]?.reason

      it('goes while there is room, one after the other', async () => {
        for (const dagId of ['first', 'second']) {
          const runId = await readyRun(dagId, { tasks: alone('spark') })
          expect(await store.queueReady(NOW + 3, 10)).toEqual([
            { runId, taskId: 'a', attempt: 1, queue: 'default', priority: 0 },
          ])
          expect((await store.taskRuns(runId))[0]).toMatchObject({ state: 'queued', tries: 1, since: NOW + 3 })
        }
      })

      it('waits for its pool', async () => {
        await readyRun('first', { tasks: alone('spark', 2) })
        await store.queueReady(NOW, 10)
        const runId = await readyRun('second', { tasks: alone('spark') })
        expect(await store.queueReady(NOW, 10)).toEqual([])
        expect(await reasonOf(runId)).toBe('pool spark is full, 2 of 2')
      })

      it('waits for as many slots as it takes', async () => {
        await readyRun('first', { tasks: alone('spark') })
        await store.queueReady(NOW, 10)
        const runId = await readyRun('second', { tasks: alone('spark', 2) })
        expect(await store.queueReady(NOW, 10)).toEqual([])
        expect(await reasonOf(runId)).toBe('needs 2 slots of pool spark, 1 of 2 are taken')
      })

      it('waits for other tasks of its DAG', async () => {
        const once = { tasks: alone('default'), maxActiveTasks: 1, maxActiveRuns: 2 }
        await readyRun('sales', once)
        await store.queueReady(NOW, 10)
        const runId = await readyRun('sales', { ...once, dueAt: NOW + 1 })
        expect(await store.queueReady(NOW, 10)).toEqual([])
        expect(await reasonOf(runId)).toBe('1 of 1 tasks of sales are active')
      })

      it('does not go when its pool is not defined', async () => {
        await readyRun('sales', { tasks: alone('nowhere') })
        expect(await store.queueReady(NOW, 10)).toEqual([])
      })

      it('does not go when its run is over', async () => {
        const runId = await readyRun('sales', { tasks: alone('default') })
        const over = { ...NO_CHANGE, run: { state: 'failed' as const } }
        expect(await store.applyDecision(runId, 2, over, NOW)).toBe('applied')
        expect(await store.queueReady(NOW, 10)).toEqual([])
      })

      it('goes with its turn once there are others', async () => {
        for (let runs = 0; runs < 3; runs += 1) {
          await readyRun(`small-${runs}`, { tasks: alone('spark') })
          const wide = await readyRun(`wide-${runs}`, { taskIds: names(3) })
          expect(await store.queueReady(NOW, 10)).toHaveLength(4)
          await moveTasks(store, wide, 'success')
          await moveTasks(store, `small-${runs}-${new Date(NOW).toISOString()}`, 'success')
        }
      })
    })

    it('finds tasks that were queued long ago and never claimed', async () => {
      await readyRun('sales')
      await store.queueReady(NOW, 100)
      expect(await store.staleQueued(NOW, 10)).toEqual([])
      expect(await store.staleQueued(NOW + 1, 10)).toHaveLength(2)
      await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 1 })
      expect(await store.staleQueued(NOW + 1, 10)).toHaveLength(1)
    })
  })
}
