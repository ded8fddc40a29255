import { beforeEach, describe, expect, it } from 'vitest'
import type { Json } from '../../../../json.js'
import type { AttemptOutcome, TaskChange } from '../../../../scheduler/core/model.js'
import type { Store } from '../../../../scheduler/store/store.js'
import {
  claimOne,
  type FreshStore,
  LEASE_MS,
  moveTasks,
  NO_CHANGE,
  NOW,
  outcomeOf,
  queuedRun,
  WORKER,
} from './subject.js'

export function leftWorkSuite(fresh: FreshStore): void {
  describe('work that attempts leave outside', () => {
    let store: Store

    beforeEach(async () => {
      store = await fresh()
    })

    /** A task whose attempt saved a handle, ended so, and was decided so. */
    async function decided(
      dagId: string,
      set: TaskChange['set'],
      { handle = { query: 'q1' }, result = 'lost' }: { handle?: Json; result?: AttemptOutcome['result'] } = {},
    ): Promise<string> {
      const runId = await queuedRun(store, dagId, { taskIds: ['a'] })
      const claim = await claimOne(store)
      await store.saveHandle(claim, handle, NOW)
      if (result === 'lost') await store.reapExpired(NOW + LEASE_MS + 1)
      else await store.recordOutcomes([outcomeOf(claim, { result })], NOW)
      await decide(runId, { state: 'running', attempt: 1, generation: 1 }, set, result)
      return runId
    }

    async function decide(
      runId: string,
      expected: TaskChange['expect'],
      set: TaskChange['set'],
      result?: AttemptOutcome['result'],
    ) {
      const run = await store.run(runId)
      const decision = {
        ...NO_CHANGE,
        tasks: [{ taskId: 'a', expect: expected, set }],
        settled: result === undefined ? [] : [{ taskId: 'a', attempt: 1, result }],
      }
      expect(await store.applyDecision(runId, run?.revision ?? -1, decision, NOW)).toBe('applied')
    }

    const due = (now = NOW, limit = 10, queues = ['default']) =>
      store.dueLeftWork(queues, { now, leaseMs: 1000, limit })

    it.each([
      ['failed for good', { state: 'failed', reason: '' }],
      ['was cancelled', { state: 'cancelled', reason: '' }],
      ['was marked', { state: 'success', reason: '' }],
      ['was cleared', { state: 'none', generation: 2, tries: 0, reason: '' }],
    ] as const)('is kept with its handle when the task %s while nobody was there to end it', async (_, set) => {
      const runId = await decided('sales', set, { result: 'lost' })
      expect(await due()).toEqual([
        {
          ...{ runId, taskId: 'a', attempt: 1, generation: 1, dagId: 'sales', version: 'version-of-sales' },
          ...{ handle: { query: 'q1' }, failures: 0 },
        },
      ])
    })

    it('is what a task cancelled between two attempts has left, too', async () => {
      const runId = await decided('sales', { state: 'up_for_retry', notBefore: NOW + 60_000, reason: '' })
      expect(await due()).toEqual([])
      await decide(runId, { state: 'up_for_retry', attempt: 1, generation: 1 }, { state: 'cancelled', reason: '' })
      expect(await due()).toMatchObject([{ runId, attempt: 1, handle: { query: 'q1' } }])
    })

    describe.each([
      ['waits for a worker', async () => undefined],
      ['was given back', giveBackNext],
      ['was stopped with its worker', stopNext],
    ])('of a task whose next attempt %s', (_, goesOn) => {
      it.each([
        ['cancelled', { state: 'cancelled', reason: '' }],
        ['cleared', { state: 'none', generation: 2, tries: 0, reason: '' }],
        ['marked', { state: 'success', reason: '' }],
      ] as const)('is kept when that is %s', async (_, set) => {
        const runId = await decided('sales', { state: 'up_for_retry', notBefore: NOW, reason: '' })
        await queueAgain(runId)
        await goesOn(runId)
        expect(await due()).toEqual([])
        const [{ state, attempt } = { state: '', attempt: 0 }] = await store.taskRuns(runId)
        expect(state).toBe('queued')
        await decide(runId, { state: 'queued', attempt, generation: 1 }, set)
        expect(await due()).toMatchObject([{ runId, taskId: 'a', generation: 1, handle: { query: 'q1' } }])
        if (set.state !== 'none') return
        await queueAgain(runId)
        expect(await claimOne(store)).toMatchObject({ generation: 2, handle: null })
        const before = await store.leftBefore({ runId, taskId: 'a', generation: 2 }, { now: NOW, leaseMs: 5000 })
        expect(before).toMatchObject([{ handle: { query: 'q1' } }])
      })
    })

    async function queueAgain(runId: string): Promise<void> {
      await moveTasks(store, runId, 'scheduled')
      await store.queueReady(NOW, 10)
    }

    /** The answer to its claim was lost. */
    async function giveBackNext(): Promise<void> {
      expect(await claimOne(store)).toMatchObject({ attempt: 2, handle: { query: 'q1' } })
      const given = await store.giveBack(WORKER, { since: NOW, known: [], now: NOW + 1 })
      expect(given).toMatchObject([{ attempt: 2 }])
    }

    /** It was given the handle, and is queued as a third one. */
    async function stopNext(runId: string): Promise<void> {
      const claim = await claimOne(store)
      await store.recordOutcomes([outcomeOf(claim, { result: 'stopped' })], NOW)
      const run = await store.run(runId)
      const change = {
        taskId: 'a',
        expect: { state: 'running', attempt: 2, generation: 1 },
        set: { state: 'scheduled', tries: 0, reason: '' },
      } as const
      const settled = [{ taskId: 'a', attempt: 2, result: 'stopped' }] as const
      const decision = { ...NO_CHANGE, tasks: [change], settled: [...settled] }
      expect(await store.applyDecision(runId, run?.revision ?? -1, decision, NOW)).toBe('applied')
      expect(await store.queueReady(NOW, 10)).toMatchObject([{ attempt: 3 }])
    }

    it('is none after an attempt that ended well, nor without a handle', async () => {
      await decided('well', { state: 'success', reason: '' }, { result: 'success' })
      await decided('skipped', { state: 'skipped', reason: '' }, { result: 'skipped' })
      await decided('nothing', { state: 'failed', reason: '' }, { handle: null })
      expect(await due()).toEqual([])
    })

    it('is taken by one worker of its queue at a time, and by another when that says nothing', async () => {
      const runs = [
        await decided('sales', { state: 'failed', reason: '' }),
        await decided('stock', { state: 'cancelled', reason: '' }),
      ]
      expect(await due(NOW, 10, ['spark'])).toEqual([])
      const taken = [...(await due(NOW, 1)), ...(await due(NOW, 1))]
      expect(taken.map(({ runId }) => runId).sort()).toEqual(runs.sort())
      expect(await due(NOW + 999)).toEqual([])
      expect(await due(NOW + 1000)).toHaveLength(2)
    })

    it('is tried again when it is said to, and forgotten when it has ended', async () => {
      const runId = await decided('sales', { state: 'failed', reason: '' })
      const end = { runId, taskId: 'a', attempt: 1 }
      await store.settleLeftWork([{ ...end, retryAt: NOW + 5000 }])
      expect(await due(NOW + 4999)).toEqual([])
      expect(await due(NOW + 5000)).toMatchObject([{ runId, failures: 1 }])
      await store.settleLeftWork([
        { ...end, retryAt: null },
        { ...end, taskId: 'gone', retryAt: null },
      ])
      await store.settleLeftWork([{ ...end, retryAt: NOW }])
      expect(await due(NOW + 60_000)).toEqual([])
    })

    it('is none of an attempt that ended well, when its task is cleared or marked later', async () => {
      for (const set of [
        { state: 'none', generation: 2, tries: 0, reason: '' },
        { state: 'failed', reason: '' },
      ] as const) {
        const runId = await decided(set.state, { state: 'success', reason: '' }, { result: 'success' })
        await decide(runId, { state: 'success', attempt: 1, generation: 1 }, set)
      }
      expect(await due()).toEqual([])
    })

    it('is what was saved after the clear, too, by the attempt that was running; the next generation is not given it', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      await store.saveHandle(claim, { query: 'q1' }, NOW)
      const cleared = { state: 'running', generation: 2, tries: 0, cancelRequested: true, reason: '' } as const
      await decide(runId, { state: 'running', attempt: 1, generation: 1 }, cleared)
      const [early] = await due()
      expect(early).toMatchObject({ attempt: 1, generation: 1, handle: { query: 'q1' } })
      await store.settleLeftWork([{ runId, taskId: 'a', attempt: 1, retryAt: null }])
      await store.saveHandle(claim, { query: 'q2' }, NOW)
      await store.recordOutcomes([outcomeOf(claim, { result: 'success' })], NOW)
      await decide(runId, { state: 'running', attempt: 1, generation: 2 }, { state: 'none', reason: '' }, 'success')
      expect(await due()).toMatchObject([{ attempt: 1, generation: 1, handle: { query: 'q2' } }])
      await moveTasks(store, runId, 'scheduled')
      await store.queueReady(NOW, 10)
      expect(await claimOne(store)).toMatchObject({ attempt: 2, generation: 2, handle: null })
    })

    it('is what an item saved after the clear that ends in the step which makes its group anew', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a', 'a.0'] })
      const claims = await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 2 })
      for (const claim of claims) if (claim.taskId === 'a.0') await store.saveHandle(claim, { query: 'q1' }, NOW)
      await store.reapExpired(NOW + LEASE_MS + 1)
      const run = await store.run(runId)
      const item = { value: 'x', state: 'none', generation: 2, reason: '' } as const
      const decision = {
        ...NO_CHANGE,
        expand: [{ taskId: 'a', items: [item] }],
        settled: [{ taskId: 'a.0', attempt: 1, result: 'lost' } as const],
      }
      expect(await store.applyDecision(runId, run?.revision ?? -1, decision, NOW)).toBe('applied')
      expect(await due()).toMatchObject([{ taskId: 'a.0', attempt: 1, generation: 1, handle: { query: 'q1' } }])
    })

    it('is taken by an attempt of a later generation of its task, whoever else has taken it', async () => {
      const earlier = (runId: string, taskId: string, generation: number) =>
        store.leftBefore({ runId, taskId, generation }, { now: NOW, leaseMs: 5000 })
      const runId = await decided('sales', { state: 'failed', reason: '' })
      await decided('stock', { state: 'failed', reason: '' })
      await due()
      expect(await earlier(runId, 'a', 1)).toEqual([])
      expect(await earlier(runId, 'b', 2)).toEqual([])
      expect(await earlier(runId, 'a', 2)).toMatchObject([
        { runId, taskId: 'a', attempt: 1, generation: 1, handle: { query: 'q1' }, failures: 0 },
      ])
      expect(await due(NOW + 4999)).toMatchObject([{ dagId: 'stock' }])
      expect(await due(NOW + 5000)).toMatchObject([{ dagId: 'sales' }])
      await store.settleLeftWork([{ runId, taskId: 'a', attempt: 1, retryAt: null }])
      expect(await earlier(runId, 'a', 2)).toEqual([])
    })

    it('is taken by an item for all items of its group, since the list may be another one by now', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a.0', 'a.1', 'ab.0', 'b'] })
      const claims = await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 4 })
      for (const claim of claims) await store.saveHandle(claim, { of: claim.taskId }, NOW)
      await moveTasks(store, runId, 'failed')
      const left = await store.leftBefore({ runId, taskId: 'a.2', generation: 2 }, { now: NOW, leaseMs: 5000 })
      expect(left.map(({ taskId }) => taskId).sort()).toEqual(['a.0', 'a.1'])
    })

    it('is not given to an attempt any more', async () => {
      const runId = await decided('sales', { state: 'failed', reason: '' })
      await decide(runId, { state: 'failed', attempt: 1, generation: 1 }, { state: 'scheduled', reason: '' })
      await store.queueReady(NOW, 10)
      expect(await claimOne(store)).toMatchObject({ attempt: 2, handle: null })
    })
  })
}
