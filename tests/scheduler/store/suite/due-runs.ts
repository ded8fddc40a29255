import { beforeEach, describe, expect, it } from 'vitest'
import { snapshotOfNew } from '../../../../scheduler/core/new-run.js'
import type { DueAdvance, Store } from '../../../../scheduler/store/store.js'
import { dagNamed, type FreshStore, NOW, newRun } from './subject.js'

const MINUTE = 60_000

export function dueRunsSuite(fresh: FreshStore): void {
  describe('due runs', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
      const nextDue = { sales: NOW, stock: NOW }
      await store.registerDags({ dags: [dagNamed('sales'), dagNamed('stock')], broken: [], problems: [], nextDue }, NOW)
    })

    const advance = (dagId: string, changes: Partial<DueAdvance> = {}): DueAdvance => ({
      dagId,
      version: dagNamed(dagId).version,
      expect: NOW,
      nextDueAt: NOW + MINUTE,
      runs: [newRun(dagId, { kind: 'scheduled' })],
      ...changes,
    })
    const nextDues = async () => (await store.dags()).map(({ nextDueAt }) => nextDueAt)

    it('shows a new run as decisions about it begin without asking', async () => {
      const run = newRun('sales', { kind: 'scheduled', intervalEnd: NOW + 7 })
      await store.advanceDue([advance('sales', { runs: [run] })], NOW + 5)
      expect(await store.snapshot(run.id)).toEqual(snapshotOfNew(dagNamed('sales'), run, NOW + 5))
    })

    it('makes the runs of several DAGs with their tasks, and moves each DAG on', async () => {
      const missed = [0, 1, 2].map((minute) => newRun('stock', { kind: 'scheduled', dueAt: NOW + minute * MINUTE }))
      const advances = [advance('sales'), advance('stock', { runs: missed, nextDueAt: null })]
      const [sales, stock] = await store.advanceDue(advances, NOW + 5)
      expect(sales).toEqual({ outcome: 'advanced', created: [newRun('sales').id] })
      expect(stock?.outcome === 'advanced' && [...stock.created].sort()).toEqual(missed.map(({ id }) => id))
      expect(await nextDues()).toEqual([NOW + MINUTE, null])
      const snapshot = await store.snapshot(newRun('sales').id)
      expect(snapshot?.run).toMatchObject({
        kind: 'scheduled',
        state: 'queued',
        dueAt: NOW,
        intervalEnd: NOW,
        params: { country: 'all' },
        triggeredBy: 'mira',
        onlyTasks: null,
        createdAt: NOW + 5,
      })
      expect(snapshot?.tasks.map(({ taskId, state }) => [taskId, state])).toEqual([
        ['a', 'none'],
        ['b', 'none'],
      ])
    })

    it('makes one run of a tick, however many schedulers see it', async () => {
      const both = () => store.advanceDue([advance('sales'), advance('stock')], NOW)
      const turned = () => store.advanceDue([advance('stock'), advance('sales')], NOW)
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? both() : turned())),
      )
      const created = outcomes.flat().flatMap((result) => (result.outcome === 'advanced' ? result.created : []))
      expect(created.sort()).toEqual([newRun('sales').id, newRun('stock').id])
      expect(await nextDues()).toEqual([NOW + MINUTE, NOW + MINUTE])
    })

    it('writes nothing of a DAG whose tick has moved, and all of the others', async () => {
      const late = advance('sales', { expect: NOW - 5, runs: [newRun('sales', { kind: 'scheduled', dueAt: NOW - 5 })] })
      const [sales, stock] = await store.advanceDue([late, advance('stock')], NOW)
      expect(sales).toEqual({ outcome: 'tick_moved' })
      expect(stock?.outcome).toBe('advanced')
      expect(await nextDues()).toEqual([NOW, NOW + MINUTE])
      expect(await store.run(late.runs[0]?.id ?? '')).toBeNull()
      expect(await store.advanceDue([advance('nobody')], NOW)).toEqual([{ outcome: 'tick_moved' }])
    })

    it('writes nothing by the schedule of a version that has been replaced', async () => {
      const second = [dagNamed('sales', { version: 'second' }), dagNamed('stock')]
      await store.registerDags({ dags: second, broken: [], problems: [], nextDue: { sales: NOW } }, NOW)
      const [sales, stock] = await store.advanceDue([advance('sales'), advance('stock')], NOW)
      expect([sales?.outcome, stock?.outcome]).toEqual(['tick_moved', 'advanced'])
      expect(await nextDues()).toEqual([NOW, NOW + MINUTE])
      expect(await store.advanceDue([advance('sales', { version: 'second' })], NOW)).toMatchObject([
        { outcome: 'advanced' },
      ])
    })

    it('leaves a run that is there as it is, and moves on', async () => {
      const [run] = advance('sales').runs
      if (run === undefined) throw new Error('an advance has a run')
      await store.createRun({ ...run, params: { country: 'first' } }, { now: NOW })
      const [sales] = await store.advanceDue([advance('sales')], NOW + 5)
      expect(sales).toEqual({ outcome: 'advanced', created: [] })
      expect((await store.run(run.id))?.params).toEqual({ country: 'first' })
      expect((await store.taskRuns(run.id)).map(({ taskId }) => taskId)).toEqual(['a', 'b'])
      expect((await store.dag('sales'))?.nextDueAt).toBe(NOW + MINUTE)
    })

    it('makes 100 runs of one DAG at once', async () => {
      const taskIds = Array.from({ length: 8 }, (_, index) => `t${index}`)
      const runs = Array.from({ length: 100 }, (_, index) =>
        newRun('sales', { kind: 'scheduled', dueAt: NOW + index * MINUTE, taskIds }),
      )
      const [sales, stock] = await store.advanceDue([advance('sales', { runs }), advance('stock')], NOW)
      expect(sales?.outcome === 'advanced' && sales.created).toHaveLength(100)
      expect(stock?.outcome).toBe('advanced')
      expect(await store.taskRuns(runs.at(-1)?.id ?? '')).toHaveLength(8)
    })
  })
}
