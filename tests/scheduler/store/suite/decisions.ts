import { beforeEach, describe, expect, it } from 'vitest'
import type { Decision, TaskChange } from '../../../../scheduler/core/model.js'
import type { Store } from '../../../../scheduler/store/store.js'
import { claimOne, type FreshStore, moveTasks, NO_CHANGE, NOW, outcomeOf, queuedRun, runningRun } from './subject.js'

const READY: TaskChange = {
  taskId: 'a',
  expect: { state: 'none', attempt: 0, generation: 1 },
  set: { state: 'scheduled', reason: 'ready' },
}

export function decisionsSuite(fresh: FreshStore): void {
  describe('decisions', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })
    const task = async (runId: string, taskId: string) =>
      (await store.taskRuns(runId)).find((candidate) => candidate.taskId === taskId)
    const revision = async (runId: string) => (await store.run(runId))?.revision ?? -1

    it('applies task and run changes in one step and moves the revision', async () => {
      const runId = await runningRun(store, 'sales')
      const decision: Decision = { ...NO_CHANGE, tasks: [READY], run: { reason: 'under way', cancelRequested: true } }
      expect(await store.applyDecision(runId, 1, decision, NOW + 7)).toBe('applied')
      expect(await store.run(runId)).toMatchObject({ revision: 2, reason: 'under way', cancelRequested: true })
      expect(await task(runId, 'a')).toMatchObject({ state: 'scheduled', reason: 'ready', since: NOW + 7 })
      expect(await task(runId, 'b')).toMatchObject({ state: 'none' })
    })

    it('makes the items of a task, claims them with their values, and makes them anew', async () => {
      await store.setPools({ default: 1000 })
      const runId = await runningRun(store, 'sales')
      const item = (value: string, state: 'none' | 'scheduled', generation = 1) => {
        return { value, state, generation, reason: 'r' }
      }
      const values = ['x', 'y', 'z'].map((value) => item(value, 'scheduled'))
      const expand = { ...NO_CHANGE, expand: [{ taskId: 'a', items: values }] }
      expect(await store.applyDecision(runId, 0, expand, NOW)).toBe('conflict')
      expect(await task(runId, 'a.0')).toBeUndefined()
      expect(await store.applyDecision(runId, 1, expand, NOW + 3)).toBe('applied')
      const ids = (await store.taskRuns(runId)).map(({ taskId }) => taskId)
      expect(ids.filter((id) => id.startsWith('a'))).toEqual(['a', 'a.0', 'a.1', 'a.2'])
      expect(await task(runId, 'a.2')).toMatchObject({ state: 'scheduled', generation: 1, attempt: 0, since: NOW + 3 })
      await store.queueReady(NOW, 1)
      const claimed = await claimOne(store)
      expect(claimed).toMatchObject({ taskId: expect.stringMatching(/^a\.[012]$/), attempt: 1 })
      expect(claimed.item).toBe(['x', 'y', 'z'][Number(claimed.taskId.slice(2))])
      await store.recordOutcomes([outcomeOf(claimed)], NOW)
      await moveTasks(store, runId, 'none', [claimed.taskId])

      const anew = { ...NO_CHANGE, expand: [{ taskId: 'a', items: [item('q', 'none', 4), item('r', 'none', 4)] }] }
      expect(await store.applyDecision(runId, await revision(runId), anew, NOW)).toBe('applied')
      const after = (await store.taskRuns(runId)).filter(({ taskId }) => taskId.startsWith('a.'))
      expect(after.map(({ taskId, state, generation }) => [taskId, state, generation])).toEqual([
        ['a.0', 'none', 4],
        ['a.1', 'none', 4],
      ])
      // an attempt that was made keeps its number, so that no later one takes it
      const tried = after.find(({ taskId }) => taskId === claimed.taskId)
      if (tried !== undefined) expect(tried).toMatchObject({ attempt: 1, tries: 0, outputs: {} })
    })

    it('shows of many items those at work and the first that wait, and counts the others', async () => {
      const runId = await runningRun(store, 'sales')
      const states = ['success', 'failed', 'up_for_retry', 'none', 'none', 'none', 'none'] as const
      const items = states.map((state, value) => ({ value, state, generation: 1, reason: 'r' }))
      await store.applyDecision(runId, 1, { ...NO_CHANGE, expand: [{ taskId: 'a', items }] }, NOW)
      const part = await store.snapshot(runId, 2)
      expect(part?.tasks.map(({ taskId }) => taskId).sort()).toEqual(['a', 'a.2', 'a.3', 'a.4', 'b'])
      expect(part?.aside).toEqual({ a: { ended: 2, failed: 1, waiting: 2 } })
      const whole = await store.snapshot(runId)
      expect(await store.snapshot(runId, 7)).toEqual(whole)
      expect(whole).toMatchObject({ aside: {} })
      expect(whole?.tasks).toHaveLength(9)
    })

    it('gives the outputs of the tasks asked for', async () => {
      const runId = await runningRun(store, 'sales')
      const done: TaskChange = { ...READY, set: { state: 'success', reason: '', outputs: { rows: 5 } } }
      await store.applyDecision(runId, 1, { ...NO_CHANGE, tasks: [done] }, NOW)
      expect(await store.outputsOf(runId, ['a', 'nobody'])).toEqual({ a: { rows: 5 } })
    })

    it('refuses a decision made on an older revision, whole', async () => {
      const runId = await runningRun(store, 'sales')
      await store.applyDecision(runId, 1, NO_CHANGE, NOW)
      expect(await store.applyDecision(runId, 1, { ...NO_CHANGE, tasks: [READY] }, NOW)).toBe('conflict')
      expect(await task(runId, 'a')).toMatchObject({ state: 'none' })
    })

    it('refuses a decision when one task is not as expected, whole', async () => {
      const runId = await runningRun(store, 'sales')
      const wrong: TaskChange = { ...READY, taskId: 'b', expect: { ...READY.expect, generation: 2 } }
      const decision = { ...NO_CHANGE, tasks: [READY, wrong], run: { state: 'failed' as const } }
      expect(await store.applyDecision(runId, 1, decision, NOW)).toBe('conflict')
      expect(await task(runId, 'a')).toMatchObject({ state: 'none' })
      expect(await store.run(runId)).toMatchObject({ state: 'running', revision: 1 })
    })

    it('lets one of many equal decisions through', async () => {
      const runId = await runningRun(store, 'sales')
      const apply = () => store.applyDecision(runId, 1, { ...NO_CHANGE, tasks: [READY] }, NOW)
      const outcomes = await Promise.all(Array.from({ length: 10 }, apply))
      expect(outcomes.filter((outcome) => outcome === 'applied')).toHaveLength(1)
    })

    it('changes fields that are given, clears those given as null, and keeps the others', async () => {
      const runId = await runningRun(store, 'sales')
      const first: TaskChange = {
        ...READY,
        set: {
          state: 'up_for_retry',
          reason: 'r',
          notBefore: NOW + 5,
          tries: 2,
          startedAt: NOW,
          endedAt: NOW + 1,
          outputs: { rows: 3 },
        },
      }
      await store.applyDecision(runId, 1, { ...NO_CHANGE, tasks: [first] }, NOW)
      const second: TaskChange = {
        taskId: 'a',
        expect: { state: 'up_for_retry', attempt: 0, generation: 1 },
        set: { state: 'scheduled', reason: '', notBefore: null },
      }
      await store.applyDecision(runId, 2, { ...NO_CHANGE, tasks: [second] }, NOW)
      expect(await task(runId, 'a')).toMatchObject({
        state: 'scheduled',
        notBefore: null,
        tries: 2,
        startedAt: NOW,
        endedAt: NOW + 1,
        outputs: { rows: 3 },
      })
    })

    it('marks outcomes as settled, and only those', async () => {
      const runId = await queuedRun(store, 'sales')
      const claims = [await claimOne(store), await claimOne(store)]
      await store.recordOutcomes(
        claims.map((claim) => outcomeOf(claim)),
        NOW,
      )
      expect((await store.snapshot(runId))?.outcomes).toHaveLength(2)
      const settled = [{ taskId: 'a', attempt: 1, result: 'success' as const }]
      expect(await store.applyDecision(runId, await revision(runId), { ...NO_CHANGE, settled }, NOW)).toBe('applied')
      expect((await store.snapshot(runId))?.outcomes.map((outcome) => outcome.taskId)).toEqual(['b'])
    })

    it('writes nothing from an outcome that is not recorded, or not so', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const ended: TaskChange = {
        taskId: 'a',
        expect: { state: 'running', attempt: 1, generation: 1 },
        set: { state: 'success', reason: '', endedAt: NOW },
      }
      const decision = {
        ...NO_CHANGE,
        tasks: [ended],
        settled: [{ taskId: 'a', attempt: 1, result: 'success' as const }],
      }
      const known = await revision(runId)
      expect(await store.applyDecision(runId, known, decision, NOW)).toBe('conflict')
      await store.recordOutcomes([outcomeOf(claim, { result: 'failed' })], NOW)
      expect(await store.applyDecision(runId, known, decision, NOW)).toBe('conflict')
      expect(await task(runId, 'a')).toMatchObject({ state: 'running' })
      const failed = { ...decision, settled: [{ taskId: 'a', attempt: 1, result: 'failed' as const }] }
      expect(await store.applyDecision(runId, known, failed, NOW)).toBe('applied')
    })

    it('ends the claim of a task that it takes out of running', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const cancelled: TaskChange = {
        taskId: 'a',
        expect: { state: 'running', attempt: 1, generation: 1 },
        set: { state: 'cancelled', reason: 'cancelled by mira', endedAt: NOW },
      }
      expect(await store.applyDecision(runId, await revision(runId), { ...NO_CHANGE, tasks: [cancelled] }, NOW)).toBe(
        'applied',
      )
      expect(await store.recordOutcomes([outcomeOf(claim)], NOW)).toEqual(['lost_claim'])
      expect(await store.saveHandle(claim, { id: 1 }, NOW)).toBe('lost_claim')
      expect((await store.snapshot(runId))?.outcomes).toEqual([])
      expect(await task(runId, 'a')).toMatchObject({ state: 'cancelled' })
    })

    it('keeps the claim of a running task whose cancel is only requested', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const asked: TaskChange = {
        taskId: 'a',
        expect: { state: 'running', attempt: 1, generation: 1 },
        set: { state: 'running', reason: 'is being cancelled', cancelRequested: true },
      }
      await store.applyDecision(runId, await revision(runId), { ...NO_CHANGE, tasks: [asked] }, NOW)
      expect(await store.recordOutcomes([outcomeOf(claim, { result: 'cancelled' })], NOW)).toEqual(['recorded'])
    })

    it('forgets the handle with a new generation', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      await store.saveHandle(claim, { query: 'q1' }, NOW)
      await store.recordOutcomes([outcomeOf(claim, { result: 'failed' })], NOW)
      const cleared: TaskChange = {
        taskId: 'a',
        expect: { state: 'running', attempt: 1, generation: 1 },
        set: { state: 'scheduled', generation: 2, tries: 0, reason: '' },
      }
      const decision = {
        ...NO_CHANGE,
        tasks: [cleared],
        settled: [{ taskId: 'a', attempt: 1, result: 'failed' as const }],
      }
      expect(await store.applyDecision(runId, await revision(runId), decision, NOW)).toBe('applied')
      await store.queueReady(NOW, 10)
      expect(await claimOne(store)).toMatchObject({ attempt: 2, tries: 1, generation: 2, handle: null })
    })

    it('moves 500 tasks in one decision', async () => {
      const taskIds = Array.from({ length: 500 }, (_, index) => `t${index}`)
      const runId = await runningRun(store, 'sales', { taskIds })
      const tasks = taskIds.map((taskId) => ({ ...READY, taskId }))
      expect(await store.applyDecision(runId, 1, { ...NO_CHANGE, tasks }, NOW)).toBe('applied')
      expect((await store.taskRuns(runId)).every(({ state }) => state === 'scheduled')).toBe(true)
    })
  })
}
