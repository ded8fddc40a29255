import type { Instant } from '../../json.js'
import { type Database, sqlInstant } from './database.js'
import type { RetentionStore } from './retention-store.js'

/** Of `runs r`, with the instant as $1. */
const REMOVABLE = `r.state in ('success', 'failed', 'cancelled') and r.ended_at < $1 and not exists (
  select 1 from backfills b where b.backfill_id = r.backfill_id and b.state in ('running', 'paused'))`

/** By key, so that each batch goes on where the one before has ended, however many runs there are. */
const ENDED_RUNS = `
select r.run_id from runs r where ($2::text is null or r.run_id > $2) and ${REMOVABLE} order by r.run_id limit $3`

/** The runs are locked first: one that somebody clears meanwhile is no longer ended, and stays. */
const REMOVE_RUNS = `
with ended as materialized (
  select r.run_id from runs r where r.run_id = any($2::text[]) and ${REMOVABLE} order by r.run_id for update
), keys as (
  delete from idempotency_keys k using ended where k.run_id = ended.run_id
), events as (
  -- a file that is still there is known as long as it is
  delete from trigger_events e using ended where e.run_id = ended.run_id and (e.kind <> 'file' or e.gone_at < $1)
)
delete from runs r using ended where r.run_id = ended.run_id returning r.run_id`

/** Removes what is too old to be kept. */
export class RetentionQueries implements RetentionStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async endedRuns(before: Instant, { after, limit }: { after: string | null; limit: number }): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(ENDED_RUNS, [sqlInstant(before), after, limit])
    return rows.map((row) => row.run_id)
  }

  async removeRuns(runIds: readonly string[], before: Instant): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(REMOVE_RUNS, [sqlInstant(before), runIds])
    return rows.map((row) => row.run_id)
  }
}
