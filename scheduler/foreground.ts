import { OnlyRuns } from './store/only-runs.js'
import type { OpenStore } from './store/open-store.js'
import type { Store } from './store/store.js'

/** However many there are: those that are ours may come last. */
const ALL = 2_147_483_647

/**
 * The store for a Sluice that is there for the runs triggered here and those that they start, and ends with them. All
 * others stand still, as what would be started of them would be cut off: they are not started, queued, claimed, woken or
 * settled, take no place of a pool or a DAG, and are gone on with by the next Sluice that is there for all.
 */
export async function onlyTriggeredHere({ store, database }: Pick<OpenStore, 'store' | 'database'>): Promise<Store> {
  const { sqlStore } = await import('./store/open-store.js')
  const ours = new OnlyRuns()
  const seen = sqlStore(database, () => store.close(), ours)
  return {
    ...seen,
    async createRun(run, options) {
      const result = await seen.createRun(run, options)
      if (result.outcome === 'created') ours.add(run.id)
      return result
    },
    runsToSettle: async (now) => (await seen.runsToSettle(now, ALL)).filter((run) => ours.has(run)),
    // each decision about a run of ours says when it is looked at again
    nextRetryAt: async () => null,
    wakeWaiting: (_, now) => seen.wakeWaiting({ runs: ours.ids(), on: [] }, now),
    childrenToMake: async () => (await seen.childrenToMake(ALL)).filter(({ runId }) => ours.has(runId)),
    childrenToCancel: async () => (await seen.childrenToCancel(ALL)).filter(({ parent }) => ours.has(parent.runId)),
    recordLooks: async (results, now) => (await seen.recordLooks(results, now)).filter((run) => ours.has(run)),
    staleQueued: async (before) => (await seen.staleQueued(before, ALL)).filter(({ runId }) => ours.has(runId)),
    cancelOverlapping: async () => [],
    dueDags: async () => [],
    nextDueAt: async () => null,
    backfillsToAdvance: async () => [],
    triggerSources: async () => [],
    pendingTriggers: async () => [],
  }
}
