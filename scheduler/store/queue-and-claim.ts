import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ClaimRow, takingPicked } from './claims.js'
import type { Database, SqlStatement } from './database.js'
import { LoneFirst } from './lone-first.js'
import { LONE_HAS_ROOM, QUEUED_NOW, type QueuedRow } from './queueing.js'

/**
 * Queues and claims the task that is ready, where it is the only one and none waits in these queues: half of what the two
 * statements for it take, and one change of its row instead of two. No row: there are others, or none, or no room.
 */
const QUEUE_AND_CLAIM_LONE = `
with ready as materialized (
  select run_id, task_id, dag_id, pool, pool_slots, state from task_runs where state = 'scheduled' limit 2
), picked as (
  select t.run_id, t.task_id from ready c join task_runs t on t.run_id = c.run_id and t.task_id = c.task_id and t.state = c.state
    join runs r on r.run_id = c.run_id join pools p on p.pool = c.pool
  where (select count(*) from ready) = 1 and ${LONE_HAS_ROOM} and t.queue = any($3::text[])
    and not exists (select from task_runs where state = 'queued' and queue = any($3::text[]))
    and $2 = (select coalesce(max(epoch), $2) from epochs) and $6::int > 0
${takingPicked(`${QUEUED_NOW}, `)}`

interface Held {
  statement: SqlStatement
  answer(rows: Promise<QueuedRow[]> | null): void
}

/**
 * Where the store works in order, a hop asks to queue what has become ready and, right behind it, to claim it. The first of
 * the two waits for the second, no longer than for this turn of the event loop, and both are asked as one.
 */
export class QueueAndClaim {
  readonly #database: Database
  readonly #lone = new LoneFirst()
  #held: Held | null = null

  constructor(database: Database) {
    this.#database = database
  }

  /** Rows of `statement`; null when no claim has come in this turn, and nothing was asked. */
  queue(statement: SqlStatement): Promise<QueuedRow[] | null> {
    if (this.#held !== null) return Promise.resolve(null)
    return new Promise((answer) => {
      const held: Held = { statement, answer }
      this.#held = held
      setImmediate(() => {
        if (this.#held !== held) return
        this.#held = null
        answer(null)
      })
    })
  }

  /** Rows of `statement`; null when nothing waits for it, and nothing was asked. */
  claim(statement: SqlStatement): Promise<ClaimRow[]> | null {
    const held = this.#held
    if (held === null) return null
    this.#held = null
    const both = this.#both(held.statement, statement)
    held.answer(both.then(({ queued }) => queued))
    // what was queued is told of first
    return both.then(async ({ claimed }) => {
      await nextTurn()
      return claimed
    })
  }

  async #both(queue: SqlStatement, claim: SqlStatement): Promise<{ queued: QueuedRow[]; claimed: ClaimRow[] }> {
    const lone = { sql: QUEUE_AND_CLAIM_LONE, params: claim.params }
    const answer = await this.#lone.ask(this.#database, lone, [queue, claim])
    if ('lone' in answer) {
      const claimed = answer.lone as ClaimRow[]
      return {
        queued: claimed.map(({ queue, priority, ...row }) => ({ ...row, queue, priority, more: false })),
        claimed,
      }
    }
    const [queued = [], claimed = []] = answer.general
    return { queued: queued as QueuedRow[], claimed: claimed as ClaimRow[] }
  }
}
