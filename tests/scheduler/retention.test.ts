import { describe, expect, it } from 'vitest'
import { pruneRuns } from '../../scheduler/retention.js'
import type { Store } from '../../scheduler/store/store.js'
import { createMemoryStore } from '../simulation/memory-store/index.js'
import { NO_CHANGE, NOW, runningRun } from './store/suite/subject.js'

const RUNS = 250

async function withEndedRuns(): Promise<{ store: Store; runs: string[] }> {
  const store = createMemoryStore()
  const runs: string[] = []
  for (let index = 0; index < RUNS; index++) {
    const runId = await runningRun(store, 'sales', { dueAt: NOW + index, maxActiveRuns: RUNS })
    const revision = (await store.run(runId))?.revision ?? -1
    await store.applyDecision(runId, revision, { ...NO_CHANGE, run: { state: 'failed', endedAt: NOW } }, NOW)
    runs.push(runId)
  }
  return { store, runs }
}

describe('pruning', () => {
  it('removes every run that ended before, with its logs, batch after batch', async () => {
    const { store, runs } = await withEndedRuns()
    const logless: string[] = []
    const logs = { remove: async (runId: string) => void logless.push(runId) }
    expect(await pruneRuns({ store, logs, before: NOW + 1, dryRun: false })).toBe(RUNS)
    expect(logless).toEqual(runs)
    expect(await store.endedRuns(NOW + 1, { after: null, limit: 10 })).toEqual([])
  })

  it('only counts when it is asked to', async () => {
    const { store } = await withEndedRuns()
    const logs = { remove: async () => Promise.reject(new Error('removed although it should only count')) }
    expect(await pruneRuns({ store, logs, before: NOW + 1, dryRun: true })).toBe(RUNS)
    expect(await store.endedRuns(NOW + 1, { after: null, limit: 1_000 })).toHaveLength(RUNS)
  })

  it('keeps the runs whose logs it could not remove, so that the next time finds both', async () => {
    const { store } = await withEndedRuns()
    let removed = 0
    const logs = {
      remove: async () => {
        removed += 1
        if (removed > 120) throw new Error('the object store is away')
      },
    }
    await expect(pruneRuns({ store, logs, before: NOW + 1, dryRun: false })).rejects.toThrow('object store is away')
    expect(await store.endedRuns(NOW + 1, { after: null, limit: 1_000 })).toHaveLength(RUNS - 100)
    const again = { remove: async () => undefined }
    expect(await pruneRuns({ store, logs: again, before: NOW + 1, dryRun: false })).toBe(RUNS - 100)
  })

  it('goes on behind a run that was cleared meanwhile', async () => {
    const { store, runs } = await withEndedRuns()
    const cleared = runs[0] ?? ''
    const clear = async () => {
      const run = await store.run(cleared)
      if (run?.state !== 'failed') return
      await store.applyDecision(cleared, run.revision, { ...NO_CHANGE, run: { state: 'running', endedAt: null } }, NOW)
    }
    expect(await pruneRuns({ store, logs: { remove: clear }, before: NOW + 1, dryRun: false })).toBe(RUNS - 1)
    expect((await store.run(cleared))?.state).toBe('running')
  })
})
