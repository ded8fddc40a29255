import type { Instant } from '../../json.js'

/** Runs that ended long ago, and their end. */
export interface RetentionStore {
  /**
   * Runs that ended before `before`, in the order of their ids. Runs of a backfill that is running or paused are left
   * out: it counts them.
   * @param options.after only ids behind this one; null for the first
   */
  endedRuns(before: Instant, options: { after: string | null; limit: number }): Promise<string[]>
  /**
   * Removes those of these runs that `endedRuns` would still name, with their tasks, attempts, reads, check results and
   * idempotency keys. What is known of table versions stays, and still names the run. Returns the ids that were removed.
   */
  removeRuns(runIds: readonly string[], before: Instant): Promise<string[]>
}
