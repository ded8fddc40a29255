import { beforeEach, describe, expect, it } from 'vitest'
import type { AlertEvent } from '../../../../scheduler/core/alert.js'
import type { Decision } from '../../../../scheduler/core/model.js'
import type { OpenSla, SlaKind } from '../../../../scheduler/core/sla.js'
import type { NewSla, SlaChange } from '../../../../scheduler/store/sla-store.js'
import type { Store } from '../../../../scheduler/store/store.js'
import { dagNamed, type FreshStore, NO_CHANGE, NOW, newRun, register, runningRun } from './subject.js'

const MINUTE = 60_000
const DEADLINE = NOW + 10 * MINUTE

const sla = (changes: Partial<NewSla> = {}): NewSla => ({
  taskId: null,
  sla: 'within 10m',
  warns: false,
  deadlineAt: DEADLINE,
  lookAt: DEADLINE,
  ...changes,
})

function alertOf({ runId, taskId, sla: name, dagId }: OpenSla, kind: SlaKind): AlertEvent {
  return {
    key: `sla_${kind} ${runId} ${taskId} ${name}`,
    kind: `sla_${kind}`,
    subject: dagId,
    dagId,
    runId,
    taskId,
    payload: { sla: name },
    destinations: ['email sales@example.com'],
    after: null,
  }
}

/** What a look would write. */
function changeOf(open: OpenSla, kinds: SlaKind[], changes: Partial<SlaChange> = {}): SlaChange {
  const { runId, taskId, sla: name, revision, dagPaused, deadlineAt } = open
  return {
    runId,
    taskId,
    sla: name,
    revision,
    dagPaused,
    deadlineAt,
    lookAt: null,
    p50At: null,
    p90At: null,
    notices: kinds.map((kind) => ({ kind, alert: alertOf(open, kind) })),
    closed: false,
    ...changes,
  }
}

export function slasSuite(fresh: FreshStore): void {
  describe('SLAs', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })

    const due = async (now = DEADLINE) => store.dueSlas(now, 100)
    const onlyDue = async (now = DEADLINE): Promise<OpenSla> => {
      const [open, ...more] = await due(now)
      if (open === undefined || more.length > 0) throw new Error(`${1 + more.length} SLAs are due`)
      return open
    }
    const alerts = async () =>
      (await store.listAlerts({ dagId: null, acknowledged: null, before: null, limit: 1_000 })).length
    const decide = async (runId: string, decision: Partial<Decision>, now: number) => {
      const run = await store.run(runId)
      expect(await store.applyDecision(runId, run?.revision ?? -1, { ...NO_CHANGE, ...decision }, now)).toBe('applied')
    }
    const ends = (taskId: string): Decision['tasks'][number] => ({
      taskId,
      expect: { state: 'none', attempt: 0, generation: 1 },
      set: { state: 'success', reason: '', endedAt: DEADLINE + 5 },
    })

    it('are made with their run and due at their instant', async () => {
      await runningRun(store, 'sales', { slas: [sla(), sla({ taskId: 'a', sla: 'by 07:00', lookAt: NOW + 1 })] })
      expect(await store.nextSlaLook()).toBe(NOW + 1)
      expect(await due(NOW)).toEqual([])
      const [first, second] = await due()
      expect(first).toEqual({
        runId: newRun('sales').id,
        dagId: 'sales',
        version: 'version-of-sales',
        taskId: 'a',
        sla: 'by 07:00',
        revision: 0,
        deadlineAt: DEADLINE,
        lookAt: NOW + 1,
        sent: [],
        dagPaused: false,
        run: { state: 'running', dueAt: NOW, createdAt: NOW, startedAt: NOW, endedAt: null },
        task: { state: 'none', endedAt: null },
      })
      expect(second).toMatchObject({ taskId: null, task: null, lookAt: DEADLINE })
      expect(await store.dueSlas(DEADLINE, 1)).toHaveLength(1)
    })

    it('are made with runs of schedules and backfills too', async () => {
      await store.registerDags({ dags: [dagNamed('sales')], broken: [], problems: [], nextDue: { sales: NOW } }, NOW)
      const run = newRun('sales', { kind: 'scheduled', slas: [sla(), sla({ taskId: 'b', sla: 'within 5m' })] })
      const { version } = dagNamed('sales')
      await store.advanceDue([{ dagId: 'sales', version, expect: NOW, nextDueAt: null, runs: [run] }], NOW)
      expect((await due()).map(({ taskId }) => taskId).sort()).toEqual(['b', null])
    })

    it('give each kind of notice once, however many look at the same time', async () => {
      await runningRun(store, 'sales', { slas: [sla()] })
      const open = await onlyDue()
      const written = await Promise.all(
        Array.from({ length: 12 }, () => store.settleSlas([changeOf(open, ['missed'])], DEADLINE)),
      )
      expect(written.flat()).toEqual([{ runId: open.runId, taskId: null, sla: open.sla }])
      expect(await alerts()).toBe(1)
      expect(await due()).toEqual([])
      expect(await store.nextSlaLook()).toBeNull()
    })

    it('settle a storm in one step, each SLA for itself', async () => {
      const slas = Array.from({ length: 300 }, (_, index) => sla({ sla: `within ${index}m` }))
      await runningRun(store, 'sales', { slas })
      const open = await store.dueSlas(DEADLINE, 500)
      const stale = open.slice(0, 3).map((one) => changeOf({ ...one, revision: 7 }, ['missed']))
      const good = open.slice(3).map((one) => changeOf(one, ['missed']))
      expect(await store.settleSlas([...stale, ...good], DEADLINE)).toHaveLength(297)
      expect(await alerts()).toBe(297)
      expect((await store.dueSlas(DEADLINE, 500)).map((one) => one.sla).sort()).toEqual(
        open
          .slice(0, 3)
          .map((one) => one.sla)
          .sort(),
      )
    })

    it('remember what was told, and what was found', async () => {
      await runningRun(store, 'sales', { slas: [sla({ warns: true, lookAt: NOW, deadlineAt: null })] })
      const open = await onlyDue(NOW)
      const found = { deadlineAt: DEADLINE, lookAt: DEADLINE, p50At: DEADLINE - 1, p90At: DEADLINE + 1 }
      await store.settleSlas([changeOf(open, ['at_risk'], found)], NOW)
      expect(await due(DEADLINE - 1)).toEqual([])
      expect(await onlyDue()).toMatchObject({ sent: ['at_risk'], deadlineAt: DEADLINE, revision: open.revision + 1 })
      await store.settleSlas([changeOf(await onlyDue(), ['missed', 'recovered'], { closed: true })], DEADLINE)
      await decide(open.runId, { tasks: [ends('a')], slas: [null] }, DEADLINE + 1)
      expect(await due(DEADLINE + 1)).toEqual([])
      expect(await alerts()).toBe(3)
    })

    it('are not settled once their run has changed or their DAG was paused', async () => {
      const runId = await runningRun(store, 'sales', { slas: [sla()] })
      const open = await onlyDue()
      await decide(runId, { tasks: [ends('a')], slas: [null] }, DEADLINE)
      expect(await store.settleSlas([changeOf(open, ['missed'])], DEADLINE)).toEqual([])
      const again = await onlyDue()
      await store.setPaused('sales', true, 'a test', DEADLINE)
      expect(await store.settleSlas([changeOf(again, ['missed'])], DEADLINE)).toEqual([])
      expect(await alerts()).toBe(0)
      expect(await onlyDue()).toMatchObject({ dagPaused: true })
      expect(await store.settleSlas([changeOf(await onlyDue(), [])], DEADLINE)).toHaveLength(1)
    })

    it('are looked at again when the pause ends, and when the file comes back', async () => {
      await runningRun(store, 'sales', { slas: [sla()] })
      await store.setPaused('sales', true, 'a test', NOW)
      await store.settleSlas([changeOf(await onlyDue(), [])], DEADLINE)
      expect(await store.nextSlaLook()).toBeNull()
      await store.setPaused('sales', false, '', DEADLINE + 5)
      expect(await onlyDue(DEADLINE + 5)).toMatchObject({ lookAt: DEADLINE + 5, dagPaused: false })
      await register(store)
      await store.settleSlas([changeOf(await onlyDue(DEADLINE + 5), [])], DEADLINE + 5)
      expect(await due(DEADLINE + 9)).toEqual([])
      await store.registerDags({ dags: [dagNamed('sales')], broken: [], problems: [], nextDue: {} }, DEADLINE + 9)
      expect(await onlyDue(DEADLINE + 9)).toMatchObject({ lookAt: DEADLINE + 9, dagPaused: false })
    })

    it('that count from the start are due once the run has started', async () => {
      await register(store, dagNamed('sales'))
      const run = newRun('sales', {
        slas: [sla(), sla({ sla: 'within 1m from start', deadlineAt: null, lookAt: null })],
      })
      await store.createRun(run, { now: NOW })
      expect(await store.nextSlaLook()).toBe(DEADLINE)
      await store.startRuns(NOW + 3, 100)
      expect(await onlyDue(NOW + 3)).toMatchObject({ deadlineAt: null, run: { startedAt: NOW + 3 } })
    })

    it('are looked at when what they are about ends, the others that may warn after a pause', async () => {
      const slas = [
        sla({ warns: true }),
        sla({ taskId: 'a' }),
        sla({ taskId: 'b' }),
        sla({ taskId: 'b', sla: 'by 07:00', warns: true }),
      ]
      const runId = await runningRun(store, 'sales', { slas })
      await decide(runId, { tasks: [ends('a')], slas: ['a'] }, NOW + 1_000)
      expect(await onlyDue(NOW + 4_999)).toMatchObject({ taskId: 'a', lookAt: NOW + 1_000 })
      expect((await due(NOW + 5_000)).map(({ taskId, sla: name }) => `${taskId} ${name}`).sort()).toEqual([
        'a within 10m',
        'b by 07:00',
        'null within 10m',
      ])
      for (const open of await due(NOW + 5_000)) await store.settleSlas([changeOf(open, [])], NOW + 5_000)
      await decide(runId, { slas: [] }, NOW + 20_000)
      expect((await due(NOW + 20_000)).map(({ lookAt }) => lookAt)).toEqual([NOW + 20_000, NOW + 20_000])
      await decide(runId, { tasks: [ends('b')] }, NOW + 20_000)
    })

    it('go with their run', async () => {
      const runId = await runningRun(store, 'sales', { slas: [sla()] })
      await decide(runId, { run: { state: 'success', endedAt: NOW } }, NOW)
      expect(await store.removeRuns([runId], NOW + 1)).toEqual([runId])
      expect(await store.nextSlaLook()).toBeNull()
    })

    it('are forecast from whole runs that ended well, the newest first', async () => {
      for (const minute of [0, 1, 2]) {
        const runId = await runningRun(store, 'sales', { dueAt: NOW + minute, taskIds: ['a'] })
        const state = minute === 1 ? 'failed' : 'success'
        await decide(runId, { tasks: [ends('a')], run: { state, endedAt: DEADLINE } }, DEADLINE)
      }
      const part = await runningRun(store, 'sales', { dueAt: NOW + 3, taskIds: ['a'], onlyTasks: ['a'] })
      await decide(part, { run: { state: 'success', endedAt: DEADLINE } }, DEADLINE)
      const past = { createdAt: NOW, startedAt: NOW, tasks: [{ taskId: 'a', startedAt: null, endedAt: DEADLINE + 5 }] }
      expect(await store.pastRuns('sales', 10)).toEqual([past, past])
      expect(await store.pastRuns('sales', 1)).toEqual([past])
      expect(await store.pastRuns('other', 10)).toEqual([])
    })
  })
}
