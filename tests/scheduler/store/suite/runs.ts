import { beforeEach, describe, expect, it } from 'vitest'
import { waitsForPast } from '../../../../scheduler/core/past.js'
import { dagOfRun } from '../../../../scheduler/core/run-id.js'
import { FIRST_TURN, nextTurn } from '../../../../scheduler/store/settle-turn.js'
import type { Store } from '../../../../scheduler/store/store.js'
import { task } from '../../core/dags.js'
import { dagNamed, type FreshStore, moveTasks, NO_CHANGE, NOW, newRun, register, runningRun } from './subject.js'

export function runsSuite(fresh: FreshStore): void {
  describe('runs', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
      await register(store, dagNamed('sales'), dagNamed('stock'))
    })

    it('creates a run with its tasks, whole', async () => {
      const run = newRun('sales', { taskIds: ['b', 'a'] })
      expect(await store.createRun(run, { now: NOW })).toEqual({ outcome: 'created' })
      const snapshot = await store.snapshot(run.id)
      expect(snapshot?.run).toMatchObject({
        id: run.id,
        state: 'queued',
        revision: 0,
        dueAt: NOW,
        params: { country: 'all' },
      })
      expect(snapshot?.dag).toEqual(dagNamed('sales'))
      expect(snapshot?.tasks.map((task) => [task.taskId, task.state, task.attempt])).toEqual([
        ['b', 'none', 0],
        ['a', 'none', 0],
      ])
      expect(snapshot?.outcomes).toEqual([])
      expect(await store.snapshot('nobody')).toBeNull()
    })

    it('finds the run that a due instant has already', async () => {
      const first = newRun('sales')
      await store.createRun(first, { now: NOW })
      const second = await store.createRun({ ...first, id: 'sales-other' }, { now: NOW })
      expect(second).toEqual({ outcome: 'exists', runId: first.id })
    })

    it('repeats an idempotent request, and refuses the key for another one', async () => {
      const first = newRun('sales')
      const key = { key: 'k1', requestHash: 'h1' }
      expect(await store.createRun(first, { now: NOW, idempotency: key })).toEqual({ outcome: 'created' })
      const again = newRun('sales', { dueAt: NOW + 1 })
      expect(await store.createRun(again, { now: NOW, idempotency: key })).toEqual({
        outcome: 'repeated',
        runId: first.id,
      })
      const other = { key: 'k1', requestHash: 'h2' }
      expect(await store.createRun(again, { now: NOW, idempotency: other })).toEqual({ outcome: 'key_conflict' })
      expect(await store.runOfKey('k1')).toEqual({ runId: first.id, requestHash: 'h1' })
      expect(await store.runOfKey('k2')).toBeNull()
      expect(await store.run(again.id)).toBeNull()
    })

    it('makes one run of many requests with one key at once', async () => {
      const create = (_: unknown, index: number) =>
        store.createRun(newRun('sales', { dueAt: NOW + index }), {
          now: NOW,
          idempotency: { key: 'k', requestHash: 'h' },
        })
      const outcomes = (await Promise.all(Array.from({ length: 10 }, create))).map((result) => result.outcome)
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'repeated')).toHaveLength(9)
    })

    const scheduled = async (dueAt: number, changes: Parameters<typeof newRun>[1]) => {
      const run = newRun('sales', { kind: 'scheduled', dueAt, ...changes })
      await store.createRun(run, { now: NOW })
      return run.id
    }

    it('starts runs, earliest due first, up to max_active_runs of each DAG', async () => {
      for (const dueAt of [NOW + 2, NOW, NOW + 1])
        await store.createRun(newRun('sales', { dueAt, maxActiveRuns: 2 }), { now: NOW })
      const stock = newRun('stock')
      await store.createRun(stock, { now: NOW })
      const first = newRun('sales', { dueAt: NOW }).id
      const second = newRun('sales', { dueAt: NOW + 1 }).id
      expect((await store.startRuns(NOW + 9, 10)).sort()).toEqual([first, second, stock.id].sort())
      expect(await store.run(first)).toMatchObject({ state: 'running', startedAt: NOW + 9, revision: 1, reason: '' })
      const waiting = await store.run(newRun('sales', { dueAt: NOW + 2 }).id)
      expect(waiting).toMatchObject({ state: 'queued', reason: 'waits: 2 of 2 runs of sales are active' })
      expect(await store.startRuns(NOW, 10)).toEqual([])
    })

    it('starts runs of a newer version that may have more at once, though older ones wait before them', async () => {
      const older = await scheduled(NOW, { maxActiveRuns: 1 })
      expect(await store.startRuns(NOW, 10)).toEqual([older])
      await scheduled(NOW + 1, { maxActiveRuns: 1 })
      const newer = [await scheduled(NOW + 2, { maxActiveRuns: 3 }), await scheduled(NOW + 3, { maxActiveRuns: 3 })]
      await scheduled(NOW + 4, { maxActiveRuns: 3 })
      expect(await store.startRuns(NOW, 10)).toEqual(newer)
      expect(await store.startRuns(NOW, 10)).toEqual([])
    })

    it('tells the first of a DAG at once why they wait, and all of them when asked to', async () => {
      const runs: string[] = []
      for (let index = 0; index < 104; index += 1) runs.push(await scheduled(NOW + index, { maxActiveRuns: 1 }))
      const reasonOf = async (run: string | undefined) => (await store.run(run ?? ''))?.reason
      const full = 'waits: 1 of 1 runs of sales are active'
      await store.startRuns(NOW, 10)
      expect([await reasonOf(runs[1]), await reasonOf(runs[98])]).toEqual([full, full])
      expect(await reasonOf(runs[103])).toBe('')
      await store.startRuns(NOW, 10, 'all')
      expect(await reasonOf(runs[103])).toBe(full)
    })

    it('never starts more than the limit when many start at once', async () => {
      for (let index = 0; index < 10; index++) {
        await store.createRun(newRun('sales', { dueAt: NOW + index, maxActiveRuns: 3 }), { now: NOW })
      }
      const started = await Promise.all(Array.from({ length: 8 }, () => store.startRuns(NOW, 10)))
      expect(started.flat()).toHaveLength(3)
    })

    it('holds back runs of a paused DAG, but not those made by hand', async () => {
      await store.setPaused('sales', true, 'by mira', NOW)
      const scheduled = newRun('sales', { kind: 'scheduled', dueAt: NOW })
      const manual = newRun('sales', { kind: 'manual', dueAt: NOW + 1 })
      await store.createRun(scheduled, { now: NOW })
      await store.createRun(manual, { now: NOW })
      expect(await store.startRuns(NOW, 10)).toEqual([manual.id])
      expect(await store.run(scheduled.id)).toMatchObject({ state: 'queued', reason: 'waits: sales is paused' })
    })

    const ends = async (runId: string, state: 'success' | 'failed') => {
      const { revision } = (await store.run(runId)) ?? { revision: -1 }
      await store.applyDecision(runId, revision, { ...NO_CHANGE, run: { state } }, NOW)
    }

    it('leaves out scheduled runs that overlap with `skip`, but neither those by hand nor those that were cleared', async () => {
      const first = await scheduled(NOW, { overlap: 'skip' })
      await store.startRuns(NOW, 10)
      expect(await store.cancelOverlapping()).toEqual([])
      const second = await scheduled(NOW + 1, { overlap: 'skip' })
      await store.createRun(newRun('sales', { dueAt: NOW + 2, overlap: 'skip' }), { now: NOW })
      expect(await store.cancelOverlapping()).toEqual([second])
      expect(await store.run(second)).toMatchObject({
        ...{ state: 'queued', cancelRequested: true, revision: 1, reason: 'skipped: 1 of 1 runs of sales were active' },
      })
      expect(await store.runsToSettle(NOW, 10)).toEqual([first, second].sort())
      expect(await store.cancelOverlapping()).toEqual([])
      await ends(first, 'failed')
      await store.applyDecision(first, 2, { ...NO_CHANGE, run: { state: 'queued' } }, NOW)
      expect(await store.startRuns(NOW, 10)).toEqual([first])
    })

    it('cancels the scheduled run under way for a later one with `cancel_running`, and leaves out those between', async () => {
      const [first, second, third] = [
        await scheduled(NOW, { overlap: 'cancel_running' }),
        await scheduled(NOW + 1, { overlap: 'cancel_running' }),
        await scheduled(NOW + 2, { overlap: 'cancel_running' }),
      ]
      await store.startRuns(NOW, 10)
      expect((await store.cancelOverlapping()).sort()).toEqual([first, second].sort())
      expect(await store.run(first)).toMatchObject({ state: 'running', reason: `cancelled: ${third} is due` })
      expect(await store.run(second)).toMatchObject({ reason: `skipped: ${third} was due before it could start` })
      expect(await store.cancelOverlapping()).toEqual([])
      await ends(first, 'failed')
      expect(await store.startRuns(NOW, 10)).toEqual([third])
    })

    it('starts a run that depends on the past once the one before has ended well', async () => {
      const changes = { maxActiveRuns: 3, dependsOnPast: 'run' } as const
      const [first, second] = [await scheduled(NOW, changes), await scheduled(NOW + 1, changes)]
      expect(await store.startRuns(NOW, 10)).toEqual([first])
      expect((await store.run(second))?.reason).toMatch(/^waits: depends on the past, .* (is running|waits itself)$/)
      expect(await store.nextRun(first)).toBeNull()
      await ends(first, 'failed')
      expect(await store.startRuns(NOW, 10)).toEqual([])
      await ends(first, 'success')
      expect(await store.startRuns(NOW, 10)).toEqual([second])
    })

    it('passes over runs under way when only tasks depend on the past', async () => {
      const changes = { maxActiveRuns: 3, dependsOnPast: 'tasks' } as const
      const [first, second, third] = [
        await scheduled(NOW, changes),
        await scheduled(NOW + 1, changes),
        await scheduled(NOW + 2, changes),
      ]
      for (const run of [first, second]) expect(await store.startRuns(NOW, 10)).toEqual([run])
      expect(await store.nextRun(first)).toBe(second)
      await ends(first, 'failed')
      expect(await store.startRuns(NOW, 10)).toEqual([])
      await ends(second, 'success')
      expect(await store.startRuns(NOW, 10)).toEqual([third])
    })

    it('finds runs whose time is over', async () => {
      const run = await scheduled(NOW, { runTimeoutMs: 500, taskIds: ['a'] })
      await store.startRuns(NOW, 10)
      await moveTasks(store, run, 'scheduled', ['a'])
      expect(await store.nextRetryAt()).toBe(NOW + 500)
      expect(await store.runsToSettle(NOW + 499, 10)).toEqual([])
      expect(await store.runsToSettle(NOW + 500, 10)).toEqual([run])
    })

    it('finds runs to settle: nothing moving, or a retry whose time has come', async () => {
      const idle = await runningRun(store, 'sales')
      const retrying = await runningRun(store, 'stock', { taskIds: ['a'] })
      const run = await store.run(retrying)
      await store.applyDecision(
        retrying,
        run?.revision ?? -1,
        {
          tasks: [
            {
              taskId: 'a',
              expect: { state: 'none', attempt: 0, generation: 1 },
              set: { state: 'up_for_retry', notBefore: NOW + 500, reason: 'retry 1 of 3' },
            },
          ],
          expand: [],
          run: null,
          settled: [],
          stop: [],
          wakeAt: NOW + 500,
        },
        NOW,
      )
      expect(await store.nextRetryAt()).toBe(NOW + 500)
      expect(await store.runsToSettle(NOW, 10)).toEqual([idle])
      expect((await store.runsToSettle(NOW + 500, 10)).sort()).toEqual([idle, retrying].sort())
      await moveTasks(store, idle, 'scheduled')
      expect(await store.runsToSettle(NOW, 10)).toEqual([])
    })

    it('finds a run that was left unsettled although a task of it runs, until a step says otherwise', async () => {
      const run = await runningRun(store, 'sales')
      await moveTasks(store, run, 'scheduled', ['a'])
      expect(await store.runsToSettle(NOW, 10)).toEqual([])
      expect(await store.applyDecision(run, 2, { ...NO_CHANGE, run: { unsettled: true } }, NOW)).toBe('applied')
      expect((await store.snapshot(run))?.run).toMatchObject({ state: 'running', revision: 3, unsettled: true })
      expect(await store.runsToSettle(NOW, 10)).toEqual([run])
      await moveTasks(store, run, 'scheduled', ['b'])
      expect(await store.runsToSettle(NOW, 10)).toEqual([run])
      await store.applyDecision(run, 4, { ...NO_CHANGE, run: { unsettled: false } }, NOW)
      expect(await store.runsToSettle(NOW, 10)).toEqual([])
    })

    it('finds each of many runs at one of the next looks, whatever stays as it is, and DAGs in turn', async () => {
      const sales = await Promise.all(
        [0, 1, 2, 3, 4].map((later) => runningRun(store, 'sales', { dueAt: NOW + later, maxActiveRuns: 9 })),
      )
      const stock = await Promise.all(
        [0, 1].map((later) => runningRun(store, 'stock', { dueAt: NOW + later, maxActiveRuns: 9 })),
      )
      const all = [...sales, ...stock]
      const looks: string[][] = []
      let turn = FIRST_TURN
      const look = async (limit: number) => {
        const found = await store.runsToSettle(NOW, limit, turn)
        turn = nextTurn(turn, found, limit)
        return found
      }
      // nothing is done about any of them
      while (looks.length < 4) looks.push(await look(2))
      expect(looks.map((found) => found.map(dagOfRun))).toEqual(looks.map(() => ['sales', 'stock']))
      expect(new Set(looks.flat())).toEqual(new Set([...sales.slice(0, 4), ...stock]))
      // one at a time a DAG has its turn too
      expect([await look(1), await look(1)]).toEqual([[sales[4]], [stock[0]]])
      expect((await look(10)).sort()).toEqual(all.sort())
      expect(turn).toBe(FIRST_TURN)
    })

    it('looks at no run that waits for the run before, for as long as it does', async () => {
      const changes = { maxActiveRuns: 3, dependsOnPast: 'tasks' } as const
      const [first, second] = [await scheduled(NOW, changes), await scheduled(NOW + 1, changes)]
      for (const _ of [first, second]) await store.startRuns(NOW, 10)
      await moveTasks(store, first, 'failed', ['a'])
      await moveTasks(store, first, 'running', ['b'])
      expect(await store.runsToSettle(NOW, 10)).toEqual([second])
      const past = { runId: first, state: 'running' as const, tasks: { a: 'failed' as const } }
      const reason = waitsForPast(task('a', [], { dependsOnPast: true }), past) ?? ''
      await moveTasks(store, second, 'none', ['a'], reason)
      expect(await store.runsToSettle(NOW, 10)).toEqual([])
    })

    it('finds a run with a task that waits for the run before, once that has ended well or is cleared, or another reason is to be told', async () => {
      const changes = { maxActiveRuns: 3, dependsOnPast: 'tasks' } as const
      const [first, second] = [await scheduled(NOW, changes), await scheduled(NOW + 1, changes)]
      await store.startRuns(NOW, 10)
      await store.startRuns(NOW, 10)
      await moveTasks(store, first, 'running', ['a', 'b'])
      await moveTasks(store, second, 'scheduled', ['b'])
      const past = (state: 'running' | 'failed') => ({ runId: first, state: 'running' as const, tasks: { a: state } })
      const waits = async (state: 'running' | 'failed') => {
        const reason = waitsForPast(task('a', [], { dependsOnPast: true }), past(state)) ?? ''
        await moveTasks(store, second, 'none', ['a'], reason)
      }
      const found = async () => (await store.runsToSettle(NOW, 10)).includes(second)
      const seen: [string, boolean][] = []
      for (const says of ['running', 'failed'] as const) {
        await waits(says)
        for (const state of ['running', 'failed', 'upstream_failed', 'skipped', 'success'] as const) {
          await moveTasks(store, first, state, ['a'])
          seen.push([state, await found()])
        }
      }
      const ended = [
        ['skipped', true],
        ['success', true],
      ]
      // what a person may have to do about it is said as soon as there is something, and no longer
      const untold = (is: boolean) => [
        ['running', !is],
        ['failed', is],
        ['upstream_failed', is],
      ]
      expect(seen).toEqual([...untold(true), ...ended, ...untold(false), ...ended])
      // waits for a task of its own run
      await moveTasks(store, second, 'none', ['a'], 'waits for b')
      expect(await found()).toBe(false)
      await moveTasks(store, first, 'failed', ['a'])
      await waits('failed')
      expect(await found()).toBe(false)
      await ends(first, 'failed')
      await store.applyDecision(
        first,
        (await store.run(first))?.revision ?? -1,
        { ...NO_CHANGE, run: { state: 'queued' } },
        NOW,
      )
      expect(await found()).toBe(true)
    })
  })
}
