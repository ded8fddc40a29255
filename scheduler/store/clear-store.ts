import type { Instant } from '../../json.js'

/** Which runs of a DAG a clear of a range takes. */
export interface ClearChoice {
  /** those whose interval lies in `[from, to)` */
  from: Instant
  to: Instant
  /** and that ended before: what ran again since is not taken a second time */
  endedBefore: Instant
  /** only those that failed or were cancelled */
  notWell: boolean
  /** only those behind this run; null for the first */
  after: string | null
}

export interface ClearStore {
  /** Ids of ended runs, the earliest interval first. */
  runsToClear(dagId: string, choice: ClearChoice, limit: number): Promise<string[]>
}
