import type { Instant } from '../../json.js'
import { type Database, type SqlStatement, sqlInstant } from './database.js'
import type { QueuedTask } from './store.js'

/** One queuer at a time, so that the counts below stay true until the write (READ COMMITTED takes a snapshot a statement). */
const LOCK_POOLS = 'select 1 from pools order by pool for update'

/**
 * Ready tasks get a turn: the first of each DAG, then the second of each, higher priority before that. Then each DAG is cut
 * at its `max_active_tasks` and each pool at its free places. Pools that are full drop out before the DAGs are cut, so
 * that a DAG does not spend its places on tasks that cannot go.
 */
const QUEUE_READY = `
with ready as (
  select t.run_id, t.task_id, t.dag_id, t.pool, t.queue, t.priority, t.since, t.position, t.reason, r.max_active_tasks
  from (select distinct dag_id from task_runs where state = 'scheduled') d
  cross join lateral (
    select * from task_runs s where s.state = 'scheduled' and s.dag_id = d.dag_id
    order by s.priority desc, s.since, s.run_id, s.position limit $2
  ) t join runs r using (run_id) where r.state = 'running'
), room as (
  select p.pool, p.size, p.size - (select count(*) from task_runs t where t.pool = p.pool and t.state in ('queued', 'running')) as free
  from pools p where p.pool in (select pool from ready)
), busy as (
  select d.dag_id, (select count(*) from task_runs t where t.dag_id = d.dag_id and t.state in ('queued', 'running')) as active
  from (select distinct dag_id from ready) d
), turned as (
  select ready.*, row_number() over (partition by dag_id, priority order by since, run_id, position) as turn
  from ready join room using (pool) where room.free > 0
), in_dag as (
  select turned.*, row_number() over (partition by dag_id order by priority desc, turn) as place from turned
), allowed as (
  select in_dag.*, row_number() over (partition by pool order by priority desc, turn, since, run_id, position) as pool_place
  from in_dag join busy using (dag_id) where active + place <= max_active_tasks
), chosen as (
  select run_id, task_id, dag_id, pool from allowed join room using (pool) where pool_place <= free
  order by priority desc, turn, since limit $2
), pool_left as (
  select room.pool, room.size, room.free - count(chosen.pool) as free
  from room left join chosen using (pool) group by room.pool, room.size, room.free
), dag_left as (
  select busy.dag_id, busy.active + count(chosen.dag_id) as active
  from busy left join chosen using (dag_id) group by busy.dag_id, busy.active
), behind as (
  select ready.*, pool_left.size, pool_left.free, dag_left.active
  from ready join dag_left using (dag_id) left join pool_left using (pool)
  where not exists (select 1 from chosen c where c.run_id = ready.run_id and c.task_id = ready.task_id)
), queued as (
  update task_runs t set state = 'queued', attempt = t.attempt + 1, tries = t.tries + 1, cancel_requested = false, since = $1,
    reason = 'waits for a worker of queue ' || t.queue
  from chosen c where t.run_id = c.run_id and t.task_id = c.task_id and t.state = 'scheduled'
  returning t.run_id, t.task_id, t.attempt, t.queue, t.priority, t.position
), told as (
  update task_runs t set reason = w.sentence
  from (
    select run_id, task_id, reason, case
      when size is null then 'pool ' || pool || ' is not defined in sluice.yaml'
      when free <= 0 then 'pool ' || pool || ' is full, ' || size || ' of ' || size
      else max_active_tasks || ' of ' || max_active_tasks || ' tasks of ' || dag_id || ' are active' end as sentence
    from behind
  ) w
  where w.reason <> w.sentence and t.run_id = w.run_id and t.task_id = w.task_id and t.state = 'scheduled'
)
select run_id, task_id, attempt, queue, priority,
  exists (select 1 from behind where free > 0 and active < max_active_tasks) as more
from queued order by priority desc, run_id, position`

interface QueuedRow extends Record<string, unknown> {
  run_id: string
  task_id: string
  attempt: number
  queue: string
  priority: number
  /** there is room for tasks that this pass has left behind */
  more: boolean
}

/** Ready tasks take their places in pools and DAGs here. */
export class QueueingQueries {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async queueReady(now: Instant, limit: number): Promise<QueuedTask[]> {
    const queued: QueuedTask[] = []
    // A pool that fills up in one pass leaves places of its DAGs to tasks of other pools: they go in the next pass.
    for (let left = limit; left > 0; ) {
      const rows = await this.#pass(now, left)
      queued.push(...rows.map(toQueuedTask))
      left -= rows.length
      if (rows[0]?.more !== true) break
    }
    return queued
  }

  async staleQueued(before: Instant, limit: number): Promise<QueuedTask[]> {
    const rows = await this.#database.query<QueuedRow>(
      `select run_id, task_id, attempt, queue, priority from task_runs where state = 'queued' and since < $1
        order by since, run_id, position limit $2`,
      [sqlInstant(before), limit],
    )
    return rows.map(toQueuedTask)
  }

  async #pass(now: Instant, limit: number): Promise<QueuedRow[]> {
    const statement: SqlStatement = { sql: QUEUE_READY, params: [sqlInstant(now), limit] }
    if (this.#database.exclusive) return this.#database.query<QueuedRow>(statement.sql, statement.params)
    const results = await this.#database.transaction([{ sql: LOCK_POOLS, params: [] }, statement])
    return (results[1] ?? []) as QueuedRow[]
  }
}

function toQueuedTask(row: QueuedRow): QueuedTask {
  return {
    runId: row.run_id,
    taskId: row.task_id,
    attempt: row.attempt,
    queue: row.queue,
    priority: row.priority,
  }
}
