import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../../scheduler/store/store.js'
import {
  claimOne,
  dagNamed,
  type FreshStore,
  NO_CHANGE,
  NO_FACTS,
  NOW,
  newRun,
  outcomeOf,
  queuedRun,
  register,
  runningRun,
} from './subject.js'

const DAY = 86_400_000

export function retentionSuite(fresh: FreshStore): void {
  describe('retention', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })

    const end = async (runId: string, endedAt: number) => {
      const run = await store.run(runId)
      const decision = { ...NO_CHANGE, run: { state: 'success' as const, endedAt } }
      expect(await store.applyDecision(runId, run?.revision ?? -1, decision, endedAt)).toBe('applied')
    }
    const endedRun = async (endedAt: number, changes: Parameters<typeof newRun>[1] = {}) => {
      const runId = await runningRun(store, 'sales', { maxActiveRuns: 99, ...changes })
      await end(runId, endedAt)
      return runId
    }
    const all = (before: number) => store.endedRuns(before, { after: null, limit: 100 })

    it('names runs that have ended before an instant, and no others', async () => {
      const old = await endedRun(NOW - 1)
      await endedRun(NOW, { dueAt: NOW + 1 })
      await runningRun(store, 'sales', { dueAt: NOW + 2, maxActiveRuns: 99 })
      await store.createRun(newRun('sales', { dueAt: NOW + 3 }), { now: NOW })
      expect(await all(NOW)).toEqual([old])
      expect(await all(NOW - 1)).toEqual([])
    })

    it('names the ended runs of a range by their intervals, page after page', async () => {
      const spanning = (index: number, endedAt: number) => {
        const interval = { intervalStart: NOW + (4 - index) * DAY, intervalEnd: NOW + (5 - index) * DAY }
        return endedRun(endedAt, { dueAt: NOW + index, ...interval })
      }
      const [last, third, second, first] = [
        await spanning(0, NOW),
        await spanning(1, NOW + 5),
        await spanning(2, NOW),
        await spanning(3, NOW),
      ]
      const days = (from: number, to: number) => ({
        ...{ from: NOW + from * DAY, to: NOW + to * DAY, endedBefore: NOW + 9, notWell: false, after: null },
      })
      const page = (choice: Parameters<Store['runsToClear']>[1], limit = 9) => store.runsToClear('sales', choice, limit)
      expect(await page(days(0, 9))).toEqual([first, second, third, last])
      expect(await page(days(2, 4))).toEqual([second, third])
      expect(await page({ ...days(2, 4), from: NOW + 2 * DAY + 1 })).toEqual([third])
      expect(await page({ ...days(2, 4), to: NOW + 4 * DAY - 1 })).toEqual([second])
      expect(await page(days(0, 9), 2)).toEqual([first, second])
      expect(await page({ ...days(0, 9), after: second }, 1)).toEqual([third])
      expect(await page({ ...days(0, 9), after: last })).toEqual([])
      expect(await page({ ...days(0, 9), endedBefore: NOW + 5 })).toEqual([first, second, last])
      expect(await page({ ...days(0, 9), notWell: true })).toEqual([])
      const failed = { ...NO_CHANGE, run: { state: 'failed' as const } }
      await store.applyDecision(third, (await store.run(third))?.revision ?? -1, failed, NOW)
      expect(await page({ ...days(0, 9), notWell: true })).toEqual([third])
      await store.applyDecision(
        first,
        (await store.run(first))?.revision ?? -1,
        { ...failed, run: { state: 'queued' } },
        NOW,
      )
      expect(await page(days(0, 2))).toEqual([])
      await register(store, dagNamed('other'))
      expect(await store.runsToClear('other', days(0, 9), 9)).toEqual([])
    })

    it('names them in batches, each behind the one before', async () => {
      const ids: string[] = []
      for (let index = 0; index < 5; index++) ids.push(await endedRun(NOW - DAY, { dueAt: NOW + index }))
      const batch = (after: string | null) => store.endedRuns(NOW, { after, limit: 2 })
      const [first, second] = [await batch(null), await batch(ids[1] ?? '')]
      expect([...first, ...second, ...(await batch(ids[3] ?? '')), ...(await batch(ids[4] ?? ''))]).toEqual(ids)
    })

    it('removes a run with all that belongs to it, but what is known of table versions', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const write = {
        table: 'gold.sales',
        versionBefore: null,
        version: 3,
        operation: 'overwrite',
        rowsAdded: 1,
        rowsUpdated: 0,
        rowsRemoved: 0,
        rowsTotal: 1,
        bytes: 10,
        committedAt: NOW,
      }
      const report = outcomeOf(await claimOne(store))
      const reads = [{ table: 'bronze.sales', version: 1, rows: 1 }]
      await store.recordOutcomes([{ ...report, facts: { ...NO_FACTS, reads, writes: [write] } }], NOW)
      await end(runId, NOW)
      const kept = await endedRun(NOW + DAY, { dueAt: NOW + 1 })

      expect(await store.removeRuns([runId, kept, 'unknown'], NOW + 1)).toEqual([runId])
      expect(await store.run(runId)).toBeNull()
      expect(await store.taskRuns(runId)).toEqual([])
      expect(await store.snapshot(runId)).toBeNull()
      expect((await store.runLineage(runId)).map(({ reads, writes }) => ({ reads, writes }))).toEqual([
        { reads: [], writes: [write] },
      ])
      expect((await store.run(kept))?.state).toBe('success')
      expect(await store.removeRuns([runId], NOW + 1)).toEqual([])
      // its due instant is free, and its schedule does not go back
      expect(await store.createRun(newRun('sales'), { now: NOW })).toEqual({ outcome: 'created' })
    })

    it('removes the keys of requests with their runs', async () => {
      await register(store, dagNamed('sales'))
      const idempotency = { key: 'k1', requestHash: 'h1' }
      const run = newRun('sales')
      await store.createRun(run, { now: NOW, idempotency })
      await store.startRuns(NOW, 10)
      await end(run.id, NOW)
      expect(await store.removeRuns([run.id], NOW + 1)).toEqual([run.id])
      const again = newRun('sales', { dueAt: NOW + 1 })
      expect(await store.createRun(again, { now: NOW, idempotency })).toEqual({ outcome: 'created' })
    })

    it('leaves a run that somebody has cleared since it was named', async () => {
      const runId = await endedRun(NOW)
      expect(await all(NOW + 1)).toEqual([runId])
      const run = await store.run(runId)
      const cleared = { ...NO_CHANGE, run: { state: 'running' as const, endedAt: null } }
      await store.applyDecision(runId, run?.revision ?? -1, cleared, NOW)
      expect(await store.removeRuns([runId], NOW + 1)).toEqual([])
      expect((await store.run(runId))?.state).toBe('running')
    })

    it('leaves the runs of a backfill until it has ended', async () => {
      await register(store, dagNamed('sales'))
      const backfill = { dagId: 'sales', version: 'version-of-sales', which: 'all' as const, from: NOW, to: NOW + DAY }
      const more = { reverse: false, maxActive: 1, nextDueAt: NOW, slots: 1, createdBy: 'ana' }
      const id = await store.createBackfill({ ...backfill, ...more }, NOW)
      const run = newRun('sales', { kind: 'backfill', id: `sales-20261120T050000Z-backfill${id}` })
      await store.advanceBackfill(id, NOW, { nextDueAt: null, passed: 1, runs: [run] }, NOW)
      await store.startRuns(NOW, 10)
      await end(run.id, NOW)
      expect(await all(NOW + 1)).toEqual([])
      await store.setBackfillState(id, ['running'], 'paused', NOW)
      expect(await store.removeRuns([run.id], NOW + 1)).toEqual([])
      await store.setBackfillState(id, ['paused'], 'cancelled', NOW)
      expect(await all(NOW + 1)).toEqual([run.id])
      expect(await store.removeRuns([run.id], NOW + 1)).toEqual([run.id])
    })
  })
}
