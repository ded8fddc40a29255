import { describe, expect, it } from 'vitest'
import type { Trigger } from '../../../../scheduler/dag/model.js'
import { SET_BACK_MS } from '../../../../scheduler/store/set-back.js'
import type { Store, TableWrite } from '../../../../scheduler/store/store.js'
import { LONGEST_LOOK_PAUSE_MS } from '../../../../scheduler/store/trigger-store.js'
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

const onTable = (...sources: string[]): Trigger => ({ kind: 'table', sources, mode: 'any', batch: false })
const onDag = (...sources: string[]): Trigger => ({ kind: 'dag', sources, mode: 'any', batch: false })
const onFile = (...sources: string[]): Trigger => ({
  kind: 'file',
  sources,
  connection: null,
  stableMs: 2_000,
  marker: null,
  batch: false,
})
const waiting = (id: string, ...triggers: Trigger[]) => dagNamed(id, { triggers })
const seen = (version: number, committedAt = NOW + version) => ({
  version,
  committedAt,
  before: version - 1,
  dag: null,
})
const fileOf = (key: string) => ({ key, files: [`/landing/${key}`] })
const LANDING = { dagId: 'load', source: 'landing/*.csv' }

async function pending(store: Store, dagId: string) {
  const found = (await store.pendingTriggers(null, 100)).find((one) => one.dagId === dagId)
  return (found?.events ?? []).map(({ detail }) => detail)
}

const fired = (dagId: string, events: number[], number = 1) => ({
  run: newRun(dagId, { id: `${dagId}-${number}`, kind: 'triggered', dueAt: NOW + number, taskIds: ['a'] }),
  events,
})

function write(table: string, version: number): TableWrite {
  return {
    table,
    version,
    versionBefore: version === 0 ? null : version - 1,
    operation: 'append',
    rowsAdded: 1,
    rowsUpdated: 0,
    rowsRemoved: 0,
    rowsTotal: 1,
    bytes: 10,
    committedAt: NOW,
  }
}

export function triggersSuite(fresh: FreshStore): void {
  describe('what DAGs wait for', () => {
    it('follows the registered versions, and ends with their files', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales'), onFile('landing/*.csv'), onDag('bronze')))
      const names = async () => (await store.triggerSources(null)).map(({ kind, source }) => `${kind} ${source}`)
      expect(await names()).toEqual(['dag bronze', 'file landing/*.csv', 'table silver.sales'])
      expect((await store.triggerSources('load'))[1]).toMatchObject({
        files: { connection: null, stableMs: 2_000, marker: null },
        since: NOW,
        position: null,
      })
      await store.recordVersions('silver.sales', { versions: [seen(1)], position: 1 }, NOW)
      await register(store, { ...waiting('load', onTable('silver.stock')), version: 'two' })
      expect(await names()).toEqual(['table silver.stock'])
      expect(await store.pendingEvents('load')).toEqual([])
      await store.registerDags({ dags: [], broken: ['load.yaml'], problems: [], nextDue: {} }, NOW)
      expect(await names()).toEqual(['table silver.stock'])
      await register(store)
      expect(await names()).toEqual([])
    })

    it('is looked at by one scheduler at a time, a table once for all DAGs', async () => {
      const store = await fresh()
      await register(
        store,
        waiting('one', onTable('silver.sales')),
        waiting('two', onTable('silver.sales'), onDag('one')),
      )
      expect((await store.claimLooks(NOW, 5_000)).map(({ dagId }) => dagId).sort()).toEqual(['one', 'two'])
      expect(await store.claimLooks(NOW + 4_999, 5_000)).toEqual([])
      // so far off that the clock must have been set back
      const longest = LONGEST_LOOK_PAUSE_MS + SET_BACK_MS
      expect(await store.claimLooks(NOW + 5_000 - longest, 5_000)).toEqual([])
      expect(await store.claimLooks(NOW - longest, 5_000)).toHaveLength(2)
      expect(await store.claimLooks(NOW, 5_000)).toHaveLength(2)
      expect(await store.nextTriggerLook()).toBe(NOW + 5_000)
      const later = waiting('late', onTable('silver.sales'))
      await store.registerDags(
        { dags: [later], broken: ['one.yaml', 'two.yaml'], problems: [], nextDue: {} },
        NOW + 4_999,
      )
      expect((await store.claimLooks(NOW + 4_999, 5_000)).map(({ dagId }) => dagId).sort()).toEqual([
        'late',
        'one',
        'two',
      ])
      expect(await store.claimLooks(NOW + 5_000, 5_000)).toEqual([])
      const [source] = await store.triggerSources('late')
      if (source === undefined) throw new Error('no source')
      await store.setLook([source], { problem: 'the bucket does not answer', lookAgainAt: NOW + 5_500 }, NOW + 5_100)
      expect(await store.nextTriggerLook()).toBe(NOW + 5_500)
      expect((await store.triggerSources('late'))[0]).toMatchObject({
        problem: 'the bucket does not answer',
        lookedAt: NOW + 5_100,
      })
    })
  })

  describe('events', () => {
    it('are versions after what was there, each known once', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')))
      const look = { versions: [seen(6, NOW - 1), seen(7, NOW + 1)], position: 7 }
      expect(await store.recordVersions('silver.sales', look, NOW + 5)).toBe(1)
      expect(await store.recordVersions('silver.sales', look, NOW + 6)).toBe(0)
      expect(await store.recordVersions('silver.sales', { versions: [seen(9, NOW - 1)], position: 9 }, NOW + 7)).toBe(1)
      expect(await pending(store, 'load')).toEqual([
        { table: 'silver.sales', version: 7, from_version: 6 },
        { table: 'silver.sales', version: 9, from_version: 8 },
      ])
      expect((await store.triggerSources('load'))[0]).toMatchObject({ position: 9, lookedAt: NOW + 7 })
    })

    it('are all versions of a table that was not there, whatever its clock says, but none of the DAG itself', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')))
      await store.recordVersions('silver.sales', { versions: [], position: -1 }, NOW)
      const own = { ...seen(1), dag: 'load' }
      await store.recordVersions('silver.sales', { versions: [seen(0, NOW - 99), own], position: 1 }, NOW)
      expect(await pending(store, 'load')).toMatchObject([{ version: 0 }])
    })

    it('are those of a table that was dropped and made anew, from its first version on', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')))
      const versions = [1, 2, 3].map((version) => seen(version, NOW + version))
      expect(await store.recordVersions('silver.sales', { versions, position: 3 }, NOW + 5)).toBe(3)
      // while there is no table nothing is forgotten: it may be that nobody can see it
      await store.recordVersions('silver.sales', { versions: [], position: -1 }, NOW + 6)
      expect((await store.triggerSources('load'))[0]?.position).toBe(3)
      const anew = { newest: 1, since: NOW + 10, former: null }
      const look = { versions: [seen(0, NOW + 10), seen(1, NOW + 11)], position: 1, anew }
      expect(await store.recordVersions('silver.sales', look, NOW + 20)).toBe(2)
      expect((await store.triggerSources('load'))[0]?.position).toBe(1)
      expect((await pending(store, 'load')).map((detail) => 'version' in detail && detail.version)).toEqual([
        1, 2, 3, 0, 1,
      ])
      // known now, and the next ones are new again
      expect(await store.recordVersions('silver.sales', { versions: [seen(1, NOW + 11)], position: 1 }, NOW + 21)).toBe(
        0,
      )
      const next = { versions: [seen(2, NOW + 12)], position: 2 }
      expect(await store.recordVersions('silver.sales', next, NOW + 22)).toBe(1)
    })

    it('are those of a table made anew that has as many versions as the one before it', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')))
      const first = { versions: [seen(0, NOW + 1)], position: 0, positionAt: NOW + 1 }
      expect(await store.recordVersions('silver.sales', first, NOW + 2)).toBe(1)
      const [{ positionAt } = { positionAt: null }] = await store.triggerSources('load')
      expect(positionAt).toBe(NOW + 1)
      const anew = { newest: 0, since: NOW + 10, former: NOW + 1 }
      const look = { versions: [{ ...seen(0, NOW + 10), before: null }], position: 0, positionAt: NOW + 10, anew }
      expect(await store.recordVersions('silver.sales', look, NOW + 11)).toBe(1)
      expect(await store.triggerSources('load')).toMatchObject([{ position: 0, positionAt: NOW + 10 }])
      // another scheduler's look at the same, and a listing from before
      expect(await store.recordVersions('silver.sales', look, NOW + 12)).toBe(0)
      expect(await store.recordVersions('silver.sales', { versions: [], position: -1 }, NOW + 13)).toBe(0)
      expect(await store.triggerSources('load')).toMatchObject([{ position: 0, positionAt: NOW + 10 }])
      expect(await pending(store, 'load')).toHaveLength(2)
    })

    it('are known with the outcome that made the table anew, under a number that was told before', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')), waiting('sales'), waiting('again'))
      const writeAt = async (dagId: string, at: number) => {
        await queuedRun(store, dagId, { taskIds: ['a'] })
        const claim = await claimOne(store)
        const writes = [{ ...write('silver.sales', 0), committedAt: at }]
        await store.recordOutcomes([{ ...outcomeOf(claim), facts: { ...NO_FACTS, writes } }], at + 1)
      }
      await writeAt('sales', NOW)
      const [first] = await store.pendingEvents('load')
      await store.fireTriggers([fired('load', [first?.id ?? -1])], NOW + 2)
      expect(await pending(store, 'load')).toEqual([])
      await writeAt('again', NOW + 100)
      expect(await pending(store, 'load')).toEqual([{ table: 'silver.sales', version: 0, from_version: null }])
      const look = { versions: [{ ...seen(0, NOW + 100), dag: 'again' }], position: 0, positionAt: NOW + 100 }
      expect(await store.recordVersions('silver.sales', look, NOW + 103)).toBe(0)
    })

    it('of a listing that was older than the last are no new ones', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')))
      const versions = [1, 2, 3].map((version) => seen(version, NOW + version))
      await store.recordVersions('silver.sales', { versions, position: 3 }, NOW + 5)
      const late = { versions: versions.slice(0, 2), position: 2, anew: { newest: 2, since: NOW + 1, former: null } }
      expect(await store.recordVersions('silver.sales', late, NOW + 6)).toBe(0)
      expect(await store.recordVersions('silver.sales', { versions, position: 3 }, NOW + 7)).toBe(0)
    })

    it('are known with the outcome that wrote the version; the look that finds it too adds none', async () => {
      const store = await fresh()
      await register(store, waiting('load', onTable('silver.sales')), waiting('sales', onTable('silver.sales')))
      await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const outcome = {
        ...outcomeOf(claim),
        facts: { ...NO_FACTS, writes: [write('silver.sales', 3), write('silver.x', 0)] },
      }
      await store.recordOutcomes([outcome], NOW + 1)
      expect(await pending(store, 'load')).toEqual([{ table: 'silver.sales', version: 3, from_version: 2 }])
      expect(await pending(store, 'sales')).toEqual([])
      await store.recordVersions('silver.sales', { versions: [{ ...seen(3), dag: 'sales' }], position: 3 }, NOW + 9)
      expect(await pending(store, 'load')).toHaveLength(1)
      expect(await pending(store, 'sales')).toEqual([])
    })

    it('are runs that end well, once each, and not those of a part of the tasks', async () => {
      const store = await fresh()
      await register(store, waiting('load', onDag('sales')), dagNamed('sales', { maxActiveRuns: 9 }))
      const whole = await runningRun(store, 'sales', { id: 'sales-1', maxActiveRuns: 9 })
      const part = await runningRun(store, 'sales', {
        id: 'sales-2',
        dueAt: NOW + 1,
        onlyTasks: ['a'],
        maxActiveRuns: 9,
      })
      const bad = await runningRun(store, 'sales', { id: 'sales-3', dueAt: NOW + 2, maxActiveRuns: 9 })
      const end = async (runId: string, state: 'success' | 'failed' | 'running') => {
        const revision = (await store.run(runId))?.revision ?? -1
        expect(await store.applyDecision(runId, revision, { ...NO_CHANGE, run: { state } }, NOW)).toBe('applied')
      }
      await end(whole, 'success')
      await end(part, 'success')
      await end(bad, 'failed')
      await end(whole, 'running')
      await end(whole, 'success')
      expect(await pending(store, 'load')).toEqual([{ dag: 'sales', run: whole }])
    })

    it('are files, each known once; those that are gone are forgotten with their runs, unless they came back', async () => {
      const store = await fresh()
      await register(store, waiting('load', onFile(LANDING.source)))
      expect(await store.recordFiles(LANDING, { files: [fileOf('one'), fileOf('two')], gone: [] }, NOW)).toBe(2)
      expect(await store.recordFiles(LANDING, { files: [fileOf('two'), fileOf('three')], gone: [] }, NOW)).toBe(1)
      expect(await pending(store, 'load')).toEqual(
        ['one', 'two', 'three'].map((key) => ({ files: [`/landing/${key}`] })),
      )
      const ids = (await store.pendingEvents('load')).map(({ id }) => id)
      const [runId = ''] = await store.fireTriggers([fired('load', ids)], NOW)
      await store.recordFiles(LANDING, { files: [], gone: ['one', 'two'] }, NOW + 1)
      expect((await store.knownFiles(LANDING)).sort()).toEqual(['three'])
      expect(await store.recordFiles(LANDING, { files: [fileOf('two')], gone: [] }, NOW + 2)).toBe(0)
      expect((await store.knownFiles(LANDING)).sort()).toEqual(['three', 'two'])
      await store.startRuns(NOW, 10)
      await store.applyDecision(runId, 1, { ...NO_CHANGE, run: { state: 'success', endedAt: NOW + 3 } }, NOW)
      expect(await store.removeRuns([runId], NOW + 10)).toEqual([runId])
      expect(await store.recordFiles(LANDING, { files: [fileOf('one'), fileOf('two')], gone: [] }, NOW)).toBe(1)
    })
  })

  describe('triggered runs', () => {
    const three = async (store: Store) => {
      await register(store, waiting('load', onFile(LANDING.source)))
      await store.recordFiles(LANDING, { files: ['a', 'b', 'c'].map(fileOf), gone: [] }, NOW)
      return (await store.pendingEvents('load')).map(({ id }) => id) as [number, number, number]
    }

    it('stand for their events, whoever else fires them', async () => {
      const store = await fresh()
      const [a, b, c] = await three(store)
      const both = await Promise.all([
        store.fireTriggers([fired('load', [a, b], 1)], NOW),
        store.fireTriggers([fired('load', [b, c], 2)], NOW),
      ])
      expect(both.flat()).toHaveLength(1)
      expect(await pending(store, 'load')).toHaveLength(1)
      expect(await store.run(both.flat()[0] ?? '')).toMatchObject({ kind: 'triggered', state: 'queued', trigger: null })
      expect((await store.pendingTriggers(null, 100))[0]).toMatchObject({ isWaiting: true, version: 'version-of-load' })
    })

    it('carry what started them to page and worker', async () => {
      const store = await fresh()
      const [a] = await three(store)
      await store.setPools({ default: 9 })
      const trigger = { kind: 'file' as const, file: '/landing/a', files: ['/landing/a'] }
      const { run, events } = fired('load', [a])
      const [runId = ''] = await store.fireTriggers([{ run: { ...run, trigger }, events }], NOW)
      await store.startRuns(NOW, 10)
      await moveTasks(store, runId, 'scheduled')
      await store.queueReady(NOW, 10)
      expect((await store.run(runId))?.trigger).toEqual(trigger)
      expect((await claimOne(store)).trigger).toEqual(trigger)
      await store.createRun({ ...newRun('load', { id: 'load-hook', dueAt: NOW + 9 }), trigger }, { now: NOW })
      expect((await store.run('load-hook'))?.trigger).toEqual(trigger)
    })

    it('are not made of a paused DAG, nor of events that were dropped', async () => {
      const store = await fresh()
      const [a, b, c] = await three(store)
      await store.setPaused('load', true, 'paused', NOW)
      expect(await store.pendingTriggers(null, 100)).toEqual([])
      expect(await store.pendingEvents('load')).toHaveLength(3)
      expect(await store.dropEvents('load', [a, b], NOW)).toBe(2)
      expect(await store.dropEvents('load', [b], NOW)).toBe(0)
      await store.setPaused('load', false, '', NOW)
      expect((await store.pendingTriggers(null, 100))[0]?.events.map(({ id }) => id)).toEqual([c])
      expect(await store.pendingTriggers('load', 100)).toEqual([])
      expect(await store.fireTriggers([fired('load', [a, c])], NOW)).toEqual([])
    })
  })
}
