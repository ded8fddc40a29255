import { beforeEach, describe, expect, it } from 'vitest'
import type { NewBackfill } from '../../../../scheduler/store/backfill-store.js'
import type { NewRun, Store } from '../../../../scheduler/store/store.js'
import { dagNamed, type FreshStore, NOW, newRun, register } from './subject.js'

const HOUR = 3_600_000

export function backfillsSuite(fresh: FreshStore): void {
  describe('backfills', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
      await register(store, dagNamed('sales'), dagNamed('stock'))
    })

    const create = (changes: Partial<NewBackfill> = {}) =>
      store.createBackfill(
        {
          dagId: 'sales',
          version: 'version-of-sales',
          which: 'all',
          from: NOW,
          to: NOW + 5 * HOUR,
          reverse: false,
          maxActive: 2,
          nextDueAt: NOW + HOUR,
          slots: 5,
          createdBy: 'mira',
          ...changes,
        },
        NOW,
      )
    it('are made once for one idempotency key', async () => {
      const idempotency = { key: 'monday', requestHash: 'hash' }
      const id = await create({ idempotency })
      expect(await create({ idempotency, slots: 9 })).toBe(id)
      expect(await store.backfillOfKey('monday')).toEqual({ id, requestHash: 'hash' })
      expect(await store.backfillOfKey('tuesday')).toBeNull()
      expect(await create()).not.toBe(id)
      expect(await store.backfills('sales', null, 10)).toHaveLength(2)
    })

    const slot = (id: number, hour: number, changes: Partial<NewRun> = {}): NewRun =>
      newRun('sales', {
        id: `sales-${hour}-backfill${id}`,
        kind: 'backfill',
        dueAt: NOW + hour * HOUR,
        maxActiveRuns: 4,
        ...changes,
      })
    const advance = (id: number, hour: number, hours: number[], next: number | null) =>
      store.advanceBackfill(
        id,
        NOW + hour * HOUR,
        {
          nextDueAt: next === null ? null : NOW + next * HOUR,
          passed: hours.length,
          runs: hours.map((one) => slot(id, one)),
        },
        NOW,
      )

    it('are kept whole, and listed newest first', async () => {
      const first = await create()
      const second = await create({ which: 'missing', reverse: true, nextDueAt: NOW + 5 * HOUR })
      const third = await create({ dagId: 'stock' })
      expect(await store.backfill(second)).toEqual({
        id: second,
        dagId: 'sales',
        version: 'version-of-sales',
        state: 'running',
        which: 'missing',
        from: NOW,
        to: NOW + 5 * HOUR,
        reverse: true,
        maxActive: 2,
        nextDueAt: NOW + 5 * HOUR,
        slots: 5,
        passed: 0,
        createdBy: 'mira',
        createdAt: NOW,
        endedAt: null,
        runs: { queued: 0, running: 0, success: 0, failed: 0, cancelled: 0 },
      })
      const ids = async (...args: Parameters<Store['backfills']>) =>
        (await store.backfills(...args)).map(({ id }) => id)
      expect(await ids('sales', null, 10)).toEqual([second, first])
      expect(await ids(null, null, 10)).toEqual([third, second, first])
      expect(await ids(null, third, 1)).toEqual([second])
      expect(await store.backfill(999)).toBeNull()
    })

    it('make each slot once, however many schedulers are at it', async () => {
      const id = await create()
      const both = () => advance(id, 1, [1, 2], 3)
      const outcomes = await Promise.all(Array.from({ length: 10 }, both))
      expect(outcomes.filter(({ outcome }) => outcome === 'advanced')).toHaveLength(1)
      expect(await store.backfill(id)).toMatchObject({ passed: 2, nextDueAt: NOW + 3 * HOUR, runs: { queued: 2 } })
      expect((await store.taskRuns(slot(id, 1).id)).map(({ taskId }) => taskId)).toEqual(['a', 'b'])
      expect(await store.activeRunsOf(id)).toEqual([slot(id, 1).id, slot(id, 2).id])
    })

    it('have runs of their own for the same slot, beside those of the schedule', async () => {
      await store.createRun(slot(0, 1, { id: 'sales-1', kind: 'scheduled' }), { now: NOW })
      const [one, two] = [await create(), await create()]
      expect(await advance(one, 1, [1], null)).toEqual({ outcome: 'advanced', created: [slot(one, 1).id] })
      expect(await advance(two, 1, [1], null)).toEqual({ outcome: 'advanced', created: [slot(two, 1).id] })
    })

    it('leave out slots that ask for no run any more', async () => {
      await store.createRun(slot(0, 1, { id: 'sales-1', kind: 'scheduled' }), { now: NOW })
      await store.createRun(slot(0, 2, { id: 'sales-2', kind: 'manual' }), { now: NOW })
      const missing = await create({ which: 'missing' })
      expect(await advance(missing, 1, [1, 2], 3)).toMatchObject({ created: [slot(missing, 2).id] })
      expect(await store.slotRuns('sales', NOW, NOW + 5 * HOUR)).toEqual([
        { dueAt: NOW + HOUR, isGood: true },
        { dueAt: NOW + 2 * HOUR, isGood: true },
      ])
      await store.startRuns(NOW, 10)
      const run = await store.run('sales-1')
      const failed = { tasks: [], expand: [], run: { state: 'failed' as const }, settled: [], stop: [], wakeAt: null }
      await store.applyDecision('sales-1', run?.revision ?? -1, failed, NOW)
      expect(await store.slotRuns('sales', NOW, NOW + HOUR)).toEqual([{ dueAt: NOW + HOUR, isGood: false }])
      const again = await create({ which: 'failed' })
      expect(await advance(again, 1, [1, 2], 3)).toMatchObject({ created: [slot(again, 1).id] })
    })

    it('are to advance while they have room and their DAG runs, and end once their runs have', async () => {
      const id = await create()
      const open = async () => (await store.backfillsToAdvance(10)).map((backfill) => backfill.id)
      expect(await open()).toEqual([id])
      await advance(id, 1, [1], 2)
      expect(await open()).toEqual([id])
      await store.setPaused('sales', true, 'by mira', NOW)
      expect(await open()).toEqual([])
      await store.setPaused('sales', false, '', NOW)
      await advance(id, 2, [2], null)
      expect(await open()).toEqual([])
      for (const runId of await store.startRuns(NOW, 10)) {
        const decision = {
          tasks: [],
          expand: [],
          run: { state: 'success' as const },
          settled: [],
          stop: [],
          wakeAt: null,
        }
        await store.applyDecision(runId, 1, decision, NOW)
      }
      expect(await open()).toEqual([id])
      const end = () => store.advanceBackfill(id, null, { nextDueAt: null, passed: 0, runs: [] }, NOW + 9)
      expect(await end()).toEqual({ outcome: 'advanced', created: [] })
      expect(await store.backfill(id)).toMatchObject({ state: 'done', endedAt: NOW + 9, runs: { success: 2 } })
      expect(await end()).toEqual({ outcome: 'moved' })
    })

    it('stand still while they are paused, their queued runs too', async () => {
      const id = await create()
      await advance(id, 1, [1], 2)
      expect(await store.setBackfillState(id, ['running'], 'paused', NOW)).toBe('changed')
      expect(await store.setBackfillState(id, ['running'], 'paused', NOW)).toBe('unchanged')
      expect(await store.setBackfillState(999, ['running'], 'paused', NOW)).toBe('unknown')
      expect(await advance(id, 2, [2], 3)).toEqual({ outcome: 'moved' })
      expect(await store.backfillsToAdvance(10)).toEqual([])
      expect(await store.startRuns(NOW, 10)).toEqual([])
      expect((await store.run(slot(id, 1).id))?.reason).toBe(`waits: backfill ${id} is paused`)
      await store.setBackfillState(id, ['paused'], 'running', NOW)
      expect(await store.startRuns(NOW, 10)).toEqual([slot(id, 1).id])
      await store.setBackfillState(id, ['running', 'paused'], 'cancelled', NOW + 7)
      expect(await store.backfill(id)).toMatchObject({ state: 'cancelled', endedAt: NOW + 7 })
    })

    it('that are over do not hold back a run that somebody has cleared', async () => {
      const id = await create()
      await advance(id, 1, [1], 2)
      await store.setBackfillState(id, ['running'], 'cancelled', NOW)
      expect(await store.startRuns(NOW, 10)).toEqual([slot(id, 1).id])
    })

    it('let the runs of the schedule go first', async () => {
      const id = await create()
      await store.advanceBackfill(
        id,
        NOW + HOUR,
        { nextDueAt: null, passed: 1, runs: [slot(id, 1, { maxActiveRuns: 1 })] },
        NOW,
      )
      const scheduled = newRun('sales', { id: 'sales-9', kind: 'scheduled', dueAt: NOW + 9 * HOUR })
      await store.createRun(scheduled, { now: NOW })
      expect(await store.startRuns(NOW, 10)).toEqual(['sales-9'])
    })
  })
}
