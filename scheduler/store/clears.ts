import type { ClearChoice, ClearStore } from './clear-store.js'
import { type Database, sqlInstant } from './database.js'

/** Each page begins where the one before has ended: `greatest` leaves out a null. */
const RUNS_TO_CLEAR = `
select run_id from runs
where dag_id = $1 and interval_end >= greatest($2::timestamptz, (select interval_end from runs where run_id = $6)) and interval_end <= $3
  and interval_start >= $2 and state in ('success', 'failed', 'cancelled') and (state <> 'success' or not $5) and ended_at < $4
  and ($6::text is null or (interval_end, run_id) > ((select interval_end from runs where run_id = $6), $6))
order by interval_end, run_id limit $7`

/** Runs that are to be cleared together. */
export class ClearQueries implements ClearStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async runsToClear(dagId: string, choice: ClearChoice, limit: number): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(RUNS_TO_CLEAR, [
      dagId,
      sqlInstant(choice.from),
      sqlInstant(choice.to),
      sqlInstant(choice.endedBefore),
      choice.notWell,
      choice.after,
      limit,
    ])
    return rows.map((row) => row.run_id)
  }
}
