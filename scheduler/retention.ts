import type { Instant } from '../json.js'
import type { AlertStore } from './store/alert-store.js'
import type { RetentionStore } from './store/retention-store.js'
import type { LogStore } from './worker/log-store.js'

/** Runs of one statement; their logs are removed side by side. */
const BATCH = 100
/** Alerts of one statement. */
const ALERTS = 1_000

export interface Pruning {
  store: RetentionStore & Pick<AlertStore, 'removeAlerts'>
  logs: Pick<LogStore, 'remove'>
  /** what ended before is removed */
  before: Instant
  /** only counts */
  dryRun: boolean
}

/**
 * Removes ended runs with all that belongs to them, and alerts as old, a batch at a time, beside a Sluice that works on the same store. Of each
 * run the logs go first: one that is interrupted between the two is still there and is removed whole the next time, while
 * logs without a run would be found by nobody.
 * @returns how many runs were removed, or with `dryRun` how many there are
 */
export async function pruneRuns({ store, logs, before, dryRun }: Pruning): Promise<number> {
  let count = 0
  for (let after: string | null = null; ; ) {
    const runs = await store.endedRuns(before, { after, limit: BATCH })
    const last = runs.at(-1)
    if (last === undefined) break
    after = last
    if (dryRun) count += runs.length
    else {
      await Promise.all(runs.map((runId) => logs.remove(runId)))
      count += (await store.removeRuns(runs, before)).length
    }
  }
  while (!dryRun && (await store.removeAlerts(before, ALERTS)) === ALERTS);
  return count
}
