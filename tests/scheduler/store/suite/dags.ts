import { beforeEach, describe, expect, it } from 'vitest'
import type { AlertEvent } from '../../../../scheduler/core/alert.js'
import type { Dag, Problem } from '../../../../scheduler/dag/model.js'
import { FILE_DISAPPEARED, type Store } from '../../../../scheduler/store/store.js'
import { dagNamed, type FreshStore, NOW, register } from './subject.js'

const PROBLEM: Problem = {
  file: 'sales.yaml',
  line: 3,
  column: 1,
  path: 'shedule',
  severity: 'error',
  message: 'unknown key',
  hint: 'did you mean schedule',
}

function broke(file: string, now: number): AlertEvent {
  return {
    ...{ key: `file_broken ${file} ${now}`, kind: 'file_broken', subject: file, payload: {} },
    ...{ dagId: null, runId: null, taskId: null, destinations: ['email ops@example.com'], after: null },
  }
}

export function dagsSuite(fresh: FreshStore): void {
  describe('DAGs', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })

    it('tells of a broken file once, however many read it, and of each time it breaks', async () => {
      const at = (now: number) => broke('sales.yaml', now)
      const reads = (now: number, problems: Problem[]) =>
        store.registerDags({ dags: [], broken: ['sales.yaml'], problems, nextDue: {}, alerts: [at(now)] }, now)
      const told = async () => {
        const alerts = await store.listAlerts({ dagId: null, acknowledged: null, before: null, limit: 9 })
        return alerts.map(({ kind, subject }) => `${kind} ${subject}`)
      }
      const warned = { ...PROBLEM, severity: 'warning' as const }
      await store.registerDags({ dags: [], broken: [], problems: [warned], nextDue: {} }, NOW)
      await Promise.all([1, 2, 3].map((later) => reads(NOW + later, [PROBLEM])))
      expect(await told()).toEqual(['file_broken sales.yaml'])
      await store.registerDags({ dags: [], broken: [], problems: [], nextDue: {} }, NOW + 4)
      await reads(NOW + 5, [PROBLEM])
      expect(await told()).toHaveLength(2)
    })

    it('tells of a file that can be used again once, but not of one that has gone or was never told of', async () => {
      const told = async () => {
        const alerts = await store.listAlerts({ dagId: null, acknowledged: null, before: null, limit: 9 })
        return alerts.map(({ kind, subject, deliveries }) => `${kind} ${subject} ${deliveries[0]?.destination}`)
      }
      const reads = (files: string[], broken: string[], now: number) => {
        const alerts = broken.flatMap((file) => (file === 'quiet.yaml' ? [] : broke(file, now)))
        const problems = broken.map((file) => ({ ...PROBLEM, file }))
        const dags = files.map((file) => dagNamed(file.replace('.yaml', ''), { file }))
        return store.registerDags({ dags, broken, problems, nextDue: {}, alerts, mendedTo: ['webhook chat'] }, now)
      }
      await reads([], ['sales.yaml', 'gone.yaml', 'quiet.yaml', 'sub/_defaults.yaml', 'sub/my_defaults.yaml'], NOW)
      await reads(['other.yaml'], ['sales.yaml'], NOW + 1)
      expect((await told()).slice(0, -4)).toEqual(['file_mended sub/_defaults.yaml webhook chat'])
      await Promise.all([2, 3].map((later) => reads(['sales.yaml', 'quiet.yaml', 'gone.yaml'], [], NOW + later)))
      expect((await told()).slice(0, -5)).toEqual(['file_mended sales.yaml webhook chat'])
      await reads([], ['sales.yaml'], NOW + 4)
      await reads(['sales.yaml'], [], NOW + 5)
      const [mended, broken] = ['file_mended sales.yaml webhook chat', 'file_broken sales.yaml email ops@example.com']
      expect((await told()).slice(0, -6)).toEqual([mended, broken])
      expect(await told()).toHaveLength(8)
    })

    it('registers a DAG and keeps each version for ever', async () => {
      await register(store, dagNamed('sales'))
      await register(store, dagNamed('sales', { version: 'second', description: 'now with returns' }))
      expect((await store.dag('sales'))?.version).toBe('second')
      expect(await store.dagVersion('version-of-sales')).toEqual(dagNamed('sales'))
      expect((await store.dagVersion('second'))?.description).toBe('now with returns')
      expect(await store.dagVersion('never')).toBeNull()
    })

    it('keeps the last good version of a broken file, and its problems until the next reading', async () => {
      await register(store, dagNamed('sales'))
      await store.registerDags({ dags: [], broken: ['sales.yaml'], problems: [PROBLEM], nextDue: {} }, NOW)
      expect(await store.dag('sales')).toMatchObject({ present: true, paused: false, version: 'version-of-sales' })
      expect(await store.problems()).toEqual([PROBLEM])
      await register(store, dagNamed('sales'))
      expect(await store.problems()).toEqual([])
    })

    it('pauses a DAG whose file has gone, and resumes it when the file comes back', async () => {
      await register(store, dagNamed('sales'), dagNamed('stock'))
      await register(store, dagNamed('stock'))
      expect(await store.dag('sales')).toMatchObject({ present: false, paused: true, pauseReason: FILE_DISAPPEARED })
      expect(await store.dag('stock')).toMatchObject({ present: true, paused: false })
      await register(store, dagNamed('sales'), dagNamed('stock'))
      expect(await store.dag('sales')).toMatchObject({ present: true, paused: false, pauseReason: '' })
    })

    it('leaves a DAG paused that a person had paused before its file went', async () => {
      await register(store, dagNamed('sales'))
      await store.setPaused('sales', true, 'by mira: month end', NOW)
      await register(store)
      await register(store, dagNamed('sales'))
      expect(await store.dag('sales')).toMatchObject({ present: true, paused: true, pauseReason: 'by mira: month end' })
    })

    it('leaves a DAG paused that a person has paused while its file was away', async () => {
      await register(store, dagNamed('sales'))
      await register(store)
      expect(await store.setPaused('sales', true, 'by mira', NOW)).toBe('changed')
      expect(await store.setPaused('sales', true, 'by lena', NOW)).toBe('unchanged')
      await register(store, dagNamed('sales'))
      expect(await store.dag('sales')).toMatchObject({ present: true, paused: true, pauseReason: 'by mira' })
    })

    it('moves the next due instant only of DAGs that are named', async () => {
      const dags = [dagNamed('sales'), dagNamed('stock')]
      await store.registerDags(
        { dags, broken: [], problems: [], nextDue: { sales: NOW + 1000, stock: NOW + 2000 } },
        NOW,
      )
      await store.registerDags({ dags, broken: [], problems: [], nextDue: { stock: null } }, NOW)
      expect((await store.dag('sales'))?.nextDueAt).toBe(NOW + 1000)
      expect((await store.dag('stock'))?.nextDueAt).toBeNull()
      expect(await store.nextDueAt()).toBe(NOW + 1000)
    })

    it('leaves a DAG alone that another has registered otherwise since, and says so', async () => {
      const second = dagNamed('sales', { version: 'second' })
      const read = (dags: Dag[], version: string, nextDueAt: number, moved: Record<string, number> = {}) => {
        const nextDue = { stock: NOW + 5, ...moved }
        const expect = { sales: { version, nextDueAt } }
        return store.registerDags({ dags, broken: [], problems: [PROBLEM], nextDue, expect }, NOW)
      }
      await store.registerDags({ dags: [second], broken: [], problems: [], nextDue: { sales: NOW + 7 } }, NOW)
      const both = [dagNamed('sales'), dagNamed('stock')]
      expect(await read(both, 'version-of-sales', NOW + 7)).toEqual(['sales'])
      expect(await store.dag('sales')).toMatchObject({ version: 'second', nextDueAt: NOW + 7 })
      expect(await store.dag('stock')).toMatchObject({ nextDueAt: NOW + 5 })
      expect(await store.problems()).toEqual([PROBLEM])
      expect(await read(both, 'second', NOW)).toEqual([])
      expect(await store.dag('sales')).toMatchObject({ version: 'version-of-sales', nextDueAt: NOW + 7 })
      expect(await read([second], 'version-of-sales', NOW, { sales: NOW + 9 })).toEqual(['sales'])
      expect(await read([second], 'version-of-sales', NOW + 7, { sales: NOW + 9 })).toEqual([])
      expect(await store.dag('sales')).toMatchObject({ version: 'second', nextDueAt: NOW + 9 })
      await register(store)
      expect(await read([second], 'second', NOW + 9)).toEqual(['sales'])
      expect(await store.dag('sales')).toMatchObject({ present: false, paused: true })
    })

    it('finds due DAGs, earliest first, and no paused ones', async () => {
      const dags = ['c', 'a', 'b', 'later'].map((id) => dagNamed(id))
      const nextDue = { c: NOW - 3, a: NOW - 2, b: NOW, later: NOW + 1 }
      await store.registerDags({ dags, broken: [], problems: [], nextDue }, NOW)
      await store.setPaused('a', true, 'by mira', NOW)
      expect((await store.dueDags(NOW, 10)).map((dag) => dag.id)).toEqual(['c', 'b'])
      expect((await store.dueDags(NOW, 1)).map((dag) => dag.id)).toEqual(['c'])
    })

    it('moves the next due instant by compare-and-set', async () => {
      await store.registerDags({ dags: [dagNamed('sales')], broken: [], problems: [], nextDue: { sales: NOW } }, NOW)
      expect(await store.setNextDue('sales', NOW + 1, NOW + 5)).toBe('moved')
      expect(await store.setNextDue('sales', NOW, null)).toBe('changed')
      expect(await store.setNextDue('sales', null, NOW + 5)).toBe('changed')
      expect((await store.dag('sales'))?.nextDueAt).toBe(NOW + 5)
    })

    it('tells whether a pause changed anything', async () => {
      await register(store, dagNamed('sales'))
      expect(await store.setPaused('sales', true, 'by mira', NOW)).toBe('changed')
      expect(await store.setPaused('sales', true, 'by lena', NOW)).toBe('unchanged')
      expect((await store.dag('sales'))?.pauseReason).toBe('by mira')
      expect(await store.setPaused('sales', false, '', NOW)).toBe('changed')
      expect(await store.setPaused('nobody', true, '', NOW)).toBe('unknown')
    })
  })
}
