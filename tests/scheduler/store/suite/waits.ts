import { beforeEach, describe, expect, it } from 'vitest'
import { isoInstant } from '../../../../json.js'
import type { Weight } from '../../../../operators/operator.js'
import type { ChildWait, LookWait, RunWait, Wait } from '../../../../operators/wait.js'
import type { Trigger } from '../../../../scheduler/dag/model.js'
import { SET_BACK_MS } from '../../../../scheduler/store/set-back.js'
import type { Store } from '../../../../scheduler/store/store.js'
import {
  claimOne,
  dagNamed,
  type FreshStore,
  moveTasks,
  NO_CHANGE,
  NO_FACTS,
  NOW,
  newRun,
  outcomeOf,
  queuedRun,
  register,
  runningRun,
} from './subject.js'

const SAME: RunWait = {
  ...{ on: 'dag:bronze', kind: 'run', dag: 'bronze', states: ['success'] },
  interval: { start: isoInstant(NOW), end: isoInstant(NOW) },
}
const CHILD: ChildWait = {
  ...{
    on: 'dag:publish',
    kind: 'child',
    dag: 'publish',
    key: 'trigger_dag/1',
    params: {},
    interval: 'same',
    wait: true,
  },
}
const LOOK: LookWait = {
  ...{ on: 'look:1', kind: 'look', key: '1', operator: 'wait_for', condition: { file: 'a.csv' }, folder: 'dags' },
  ...{ table: 'silver.sales', everyMs: 60_000, seen: { size: 1 } },
}

export function waitsSuite(fresh: FreshStore): void {
  describe('what deferred tasks wait for', () => {
    let store: Store

    beforeEach(async () => {
      store = await fresh()
    })

    /** A running run whose task a waits; `NOW` is when it began to. */
    async function waiting(dagId: string, waitsFor: Wait, taskIds = ['a']): Promise<string> {
      const runId = await queuedRun(store, dagId, { taskIds })
      for (const _ of taskIds) {
        const claim = await claimOne(store)
        await store.recordOutcomes([outcomeOf(claim, { result: 'deferred', wakeAt: null, waitsFor })], NOW)
      }
      const snapshot = await store.snapshot(runId)
      const decision = {
        ...NO_CHANGE,
        tasks: (snapshot?.outcomes ?? []).map(({ taskId, waitsFor: told = null }) => ({
          taskId,
          expect: { state: 'running' as const, attempt: 1, generation: 1 },
          set: { state: 'deferred' as const, tries: 0, notBefore: null, reason: 'waits', waitsFor: told },
        })),
        settled: taskIds.map((taskId) => ({ taskId, attempt: 1, result: 'deferred' as const })),
      }
      expect(await store.applyDecision(runId, snapshot?.run.revision ?? -1, decision, NOW)).toBe('applied')
      return runId
    }

    async function end(runId: string, state: 'success' | 'failed'): Promise<void> {
      const revision = (await store.run(runId))?.revision ?? -1
      await store.applyDecision(runId, revision, { ...NO_CHANGE, run: { state, endedAt: NOW } }, NOW)
    }

    /** Tables that one attempt of task a read and wrote. */
    async function worked(dagId: string, taskId: string, reads: string[], writes: string[]): Promise<void> {
      await queuedRun(store, dagId, { id: `${dagId}-worked`, dueAt: NOW - 1, taskIds: [taskId] })
      const facts = {
        ...NO_FACTS,
        reads: reads.map((table) => ({ table, version: 1, rows: null })),
        writes: writes.map((table) => ({
          ...{ table, version: 1, versionBefore: 0, operation: 'append', rowsAdded: 1, rowsUpdated: 0 },
          ...{ rowsRemoved: 0, rowsTotal: 1, bytes: 1, committedAt: NOW },
        })),
      }
      await store.recordOutcomes([{ ...outcomeOf(await claimOne(store)), facts }], NOW)
      await end(`${dagId}-worked`, 'success')
    }

    it('is named among the DAGs that hang on another, each once, by what binds it most', async () => {
      const on = (kind: 'dag' | 'table', source: string): Trigger => ({
        kind,
        sources: [source],
        mode: 'any',
        batch: false,
      })
      await register(
        store,
        ...['a_reader', 'both', 'bronze', 'gone', 'other', 'sales', 'stock'].map((id) => dagNamed(id)),
        dagNamed('mails', { triggers: [on('dag', 'bronze'), on('table', 'silver.sales')] }),
        dagNamed('prices', { triggers: [on('table', 'gold.declared')] }),
        dagNamed('unlike', { triggers: [on('dag', 'bronze_x'), on('table', 'silver.other')] }),
      )
      await worked('bronze', 'load', ['silver.raw'], ['silver.sales'])
      await worked('other', 'load', [], ['silver.x'])
      await worked('a_reader', 'a', ['silver.sales', 'silver.raw'], ['gold.y'])
      await worked('both', 'a', ['silver.sales'], ['silver.sales'])
      await waiting('sales', SAME)
      await waiting('stock', LOOK)
      await waiting('both', LOOK)
      const of = { dagId: 'bronze', tasks: ['load'], tables: ['gold.declared'] }
      const all = [
        { dagId: 'both', how: 'waits', table: 'silver.sales' },
        { dagId: 'sales', how: 'waits', table: '' },
        { dagId: 'stock', how: 'waits', table: 'silver.sales' },
        { dagId: 'mails', how: 'dag_trigger', table: '' },
        { dagId: 'prices', how: 'table_trigger', table: 'gold.declared' },
        { dagId: 'a_reader', how: 'reads', table: 'silver.sales' },
      ]
      expect(await store.dependents(of, 10)).toEqual({ dependents: all, total: 6 })
      expect(await store.dependents(of, 2)).toEqual({ dependents: all.slice(0, 2), total: 6 })
      const elsewhere = await store.dependents({ ...of, tasks: ['report'], tables: [] }, 10)
      expect(elsewhere.dependents.map(({ dagId }) => dagId)).toEqual(['sales', 'mails'])
    })

    const ask = (on: string) => store.wakeWaiting({ runs: [], on: [on] }, NOW)

    it('is kept with the task, and wakes it when the run of its interval is there', async () => {
      const runId = await waiting('sales', SAME)
      expect((await store.taskRuns(runId))[0]).toMatchObject({ state: 'deferred', waitsFor: SAME })
      const other = await runningRun(store, 'bronze', { dueAt: NOW + 1, id: 'bronze-other' })
      await end(other, 'success')
      const awaited = await runningRun(store, 'bronze', { dueAt: NOW, id: 'bronze-awaited' })
      expect(await ask('dag:bronze')).toEqual([])
      await end(awaited, 'success')
      expect(await ask('dag:silver')).toEqual([])
      expect(await ask('dag:bronze')).toEqual([runId])
      // once is enough
      expect(await store.wakeWaiting(null, NOW)).toEqual([])
      expect(await store.runsToSettle(NOW, 10)).toEqual([runId])
      await moveTasks(store, runId, 'scheduled')
      await store.queueReady(NOW, 10)
      expect((await claimOne(store)).woken).toEqual({ run: 'bronze-awaited', state: 'success' })
    })

    it('wakes by the run that was due last, in the states that were asked for', async () => {
      const runId = await waiting('sales', { ...SAME, interval: null, states: ['success', 'failed'] })
      await end(await runningRun(store, 'bronze', { dueAt: NOW - 1, id: 'bronze-1' }), 'success')
      const last = await runningRun(store, 'bronze', { dueAt: NOW, id: 'bronze-2' })
      expect(await store.wakeWaiting({ runs: [runId], on: [] }, NOW)).toEqual([])
      await end(last, 'failed')
      expect(await store.wakeWaiting({ runs: [runId], on: [] }, NOW)).toEqual([runId])
    })

    it('names the children to make, once, and wakes by their end', async () => {
      const runId = await waiting('sales', CHILD)
      expect(await store.childrenToMake(10)).toEqual([
        { runId, taskId: 'a', attempt: 1, generation: 1, wait: CHILD, intervalStart: NOW, intervalEnd: NOW },
      ])
      const parent = { runId, taskId: 'a', generation: 1, waits: true }
      const child = await runningRun(store, 'publish', { id: 'publish-1' })
      const made = newRun('publish', { id: 'publish-2', dueAt: NOW + 5, parent })
      const options = { now: NOW, idempotency: { key: CHILD.key, requestHash: 'h' } }
      expect(await store.createRun(made, options)).toEqual({ outcome: 'created' })
      expect(await store.run('publish-2')).toMatchObject({ parent })
      expect((await store.run(child))?.parent).toBeUndefined()
      expect(await store.childrenToMake(10)).toEqual([])
      await end(child, 'success')
      expect(await ask('dag:publish')).toEqual([])
      await store.startRuns(NOW, 10)
      await end('publish-2', 'failed')
      expect(await ask('dag:publish')).toEqual([runId])
    })

    it('wakes by a child that has only been made, where its end is not waited for', async () => {
      const runId = await waiting('sales', { ...CHILD, wait: false })
      await runningRun(store, 'publish', { id: 'publish-1' })
      const parent = { runId, taskId: 'a', generation: 1, waits: false }
      const made = newRun('publish', { id: 'publish-2', dueAt: NOW + 5, parent })
      await store.createRun(made, { now: NOW, idempotency: { key: CHILD.key, requestHash: 'h' } })
      expect(await ask('dag:publish')).toEqual([runId])
    })

    it('names the children of tasks that were cancelled or cleared', async () => {
      const runId = await waiting('sales', CHILD)
      await runningRun(store, 'publish', { id: 'publish-1' })
      const parent = { runId, taskId: 'a', generation: 1, waits: true }
      await store.createRun(newRun('publish', { id: 'publish-2', dueAt: NOW + 5, parent }), { now: NOW })
      expect(await store.childrenToCancel(10)).toEqual([])
      await moveTasks(store, runId, 'cancelled')
      expect(await store.childrenToCancel(10)).toEqual([{ runId: 'publish-2', parent }])
    })

    it('is looked at once for all, by one worker at a time, and wakes them all', async () => {
      const runId = await waiting('sales', LOOK, ['a', 'b'])
      const queues = ['default']
      expect(await store.nextLookAt(queues, 'light')).toBeNull()
      expect(await store.wakeWaiting({ runs: [runId], on: [] }, NOW)).toEqual([])
      expect(await store.nextLookAt(queues, 'light')).toBe(NOW + 60_000)
      const due = { now: NOW + 60_000, leaseMs: 90_000, limit: 10, weight: 'light' as const }
      expect(await store.dueLooks(queues, { ...due, now: NOW + 59_999 })).toEqual([])
      expect(await store.dueLooks(['other'], due)).toEqual([])
      // further off than a look may be, but clocks differ
      expect(await store.dueLooks(queues, { ...due, now: NOW - SET_BACK_MS })).toEqual([])
      const condition = { operator: 'wait_for', condition: { file: 'a.csv' }, folder: 'dags' }
      expect(await store.dueLooks(queues, due)).toEqual([{ key: '1', condition, seen: { size: 1 } }])
      expect(await store.dueLooks(queues, { ...due, now: NOW + 149_999 })).toEqual([])
      expect(await store.dueLooks(queues, { ...due, now: NOW + 150_000 })).toHaveLength(1)
      const notYet = { key: '1', met: null, seen: { size: 2 }, detail: 'it grows' }
      expect(await store.recordLooks([notYet], NOW + 150_000)).toEqual([])
      // so far that the clock must have been set back
      expect(await store.dueLooks(queues, { ...due, now: NOW - 3_600_000 })).toMatchObject([{ seen: { size: 2 } }])
      expect(await store.recordLooks([notYet], NOW + 150_000)).toEqual([])
      expect(await store.dueLooks(queues, { ...due, now: NOW + 210_000 })).toMatchObject([{ seen: { size: 2 } }])
      expect(await store.recordLooks([{ ...notYet, met: { file: 'a.csv' } }], NOW + 210_000)).toEqual([runId])
      await moveTasks(store, runId, 'scheduled')
      await store.queueReady(NOW, 10)
      expect((await claimOne(store)).woken).toEqual({ file: 'a.csv' })
      expect((await claimOne(store)).woken).toEqual({ file: 'a.csv' })
      // nobody waits for it any more
      expect(await store.dueLooks(queues, { ...due, now: NOW + 300_000 })).toEqual([])
      expect(await store.nextLookAt(queues, 'light')).toBeNull()
    })

    it('tells the attempt after a wait in vain what the last look has found', async () => {
      const runId = await waiting('sales', LOOK, ['a', 'b'])
      await store.wakeWaiting(null, NOW)
      await moveTasks(store, runId, 'scheduled', ['a'])
      await store.recordLooks([{ key: '1', met: null, seen: {}, detail: 'no file matches a.csv' }], NOW)
      await moveTasks(store, runId, 'scheduled', ['b'])
      await store.queueReady(NOW, 10)
      expect((await claimOne(store)).woken, 'nobody had looked').toBeNull()
      expect((await claimOne(store)).woken).toEqual({ in_vain: 'no file matches a.csv' })
    })

    it('is looked at apart from others where it needs an engine, the first time as soon as its attempt says', async () => {
      await waiting('sales', LOOK)
      await waiting('stock', { ...LOOK, on: 'look:2', key: '2', weight: 'heavy', firstMs: 5, table: '' })
      await store.wakeWaiting(null, NOW)
      const of = (weight: Weight) => store.nextLookAt(['default'], weight)
      expect([await of('heavy'), await of('light')]).toEqual([NOW + 5, NOW + 60_000])
      const due = { now: NOW + 60_000, leaseMs: 90_000, limit: 1 }
      expect(await store.dueLooks(['default'], { ...due, weight: 'heavy' })).toMatchObject([
        { key: '2', condition: { weight: 'heavy' } },
      ])
      expect((await store.dueLooks(['default'], { ...due, weight: 'light' })).map(({ key }) => key)).toEqual(['1'])
      await store.recordLooks([{ key: '2', met: null, seen: {}, detail: '' }], NOW + 60_000)
      expect(await of('heavy')).toBe(NOW + 120_000)
    })

    it('is looked at as soon as its table is written', async () => {
      await waiting('sales', LOOK)
      await store.wakeWaiting(null, NOW)
      expect(await store.hastenLooks(['silver.other', ''], NOW)).toBe(false)
      expect(await store.hastenLooks(['silver.sales'], NOW)).toBe(true)
      expect(await store.dueLooks(['default'], { now: NOW, leaseMs: 90_000, limit: 10, weight: 'light' })).toHaveLength(
        1,
      )
    })

    it('wakes one task by its attempt, and forgets by what when the task waits anew', async () => {
      const runId = await waiting('sales', CHILD)
      const task = { runId, taskId: 'a', attempt: 1 }
      expect(await store.wakeTask({ ...task, attempt: 2 }, { refused: 'no' }, NOW)).toBe('moved')
      expect(await store.wakeTask(task, { refused: 'no' }, NOW)).toBe('woken')
      expect(await store.wakeTask(task, { refused: 'again' }, NOW)).toBe('moved')
      expect(await store.childrenToMake(10)).toEqual([])
      await moveTasks(store, runId, 'deferred')
      expect(await store.wakeTask(task, { refused: 'again' }, NOW)).toBe('woken')
    })
  })
}
