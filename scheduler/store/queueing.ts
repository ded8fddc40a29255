import type { Instant } from '../../json.js'
import { type Database, type SqlStatement, sqlInstant } from './database.js'
import { LoneFirst } from './lone-first.js'
import { among, EVERY_RUN, type OnlyRuns, type Restriction } from './only-runs.js'
import type { QueueAndClaim } from './queue-and-claim.js'
import type { QueuedTask } from './store.js'

/** One queuer at a time, so that the counts below stay true until the write (READ COMMITTED takes a snapshot a statement). */
const LOCK_POOLS = 'select 1 from pools order by pool for update'

/** Why a task `t` of `place p` and `runs r` is left behind; null when it is not because of room. */
const SENTENCE = `case
  when p.size is null then 'pool ' || p.pool || ' is not defined in sluice.yaml'
  when t.pool_slots > p.size then 'needs ' || t.pool_slots || ' slots of pool ' || p.pool || ', which has ' || p.size
  when p.in_pool >= p.size then 'pool ' || p.pool || ' is full, ' || p.in_pool || ' of ' || p.size
  when p.in_pool + t.pool_slots > p.size
    then 'needs ' || t.pool_slots || ' slots of pool ' || p.pool || ', ' || p.in_pool || ' of ' || p.size || ' are taken'
  when p.in_dag >= r.max_active_tasks then p.in_dag || ' of ' || r.max_active_tasks || ' tasks of ' || p.dag_id || ' are active'
  end`

/** What changes with an attempt that takes its place. */
export const QUEUED_NOW = 'attempt = t.attempt + 1, tries = t.tries + 1, cancel_requested = false'

/** True of a ready task `c` of `runs r` and `pools p` that has nobody to take turns with. */
export const LONE_HAS_ROOM = `r.state = 'running'
    and c.pool_slots <= p.size - (
      select coalesce(sum(t.pool_slots), 0) from task_runs t where t.pool = c.pool and t.state in ('queued', 'running'))
    and (select count(*) from task_runs t where t.dag_id = c.dag_id and t.state in ('queued', 'running')) < r.max_active_tasks`

/**
 * Ready tasks get a turn: the first of each DAG, then the second of each, higher priority before that. Then each DAG is cut
 * at its `max_active_tasks` and each pool at its free places. Pools that are full drop out before the DAGs are cut, so
 * that a DAG does not spend its places on tasks that cannot go. A task that takes several slots of its pool holds up those
 * behind it until they are free, or it would never have its turn beside many small ones. No more tasks are looked at than the pools have room for,
 * and DAGs and pools with ready tasks are found by jumps through the index, so that a wide fan-out costs little at each step. `state` goes along
 * to the update: the constant would lead the planner to look through all ready tasks for each one chosen.
 */
const queueing = (of: Restriction): string => `
with recursive head as (
  (select dag_id, pool from task_runs where state = 'scheduled' order by dag_id, pool limit 1)
  union all
  select n.dag_id, n.pool from head h cross join lateral (
    select dag_id, pool from task_runs where state = 'scheduled' and (dag_id, pool) > (h.dag_id, h.pool) order by dag_id, pool limit 1
  ) n
), room as materialized (
  select p.pool, p.size, p.size - (select coalesce(sum(t.pool_slots), 0) from task_runs t where t.pool = p.pool and t.state in ('queued', 'running')${of('t.run_id')}) as free
  from pools p
), busy as materialized (
  select d.dag_id, (select count(*) from task_runs t where t.dag_id = d.dag_id and t.state in ('queued', 'running')${of('t.run_id')}) as active
  from (select distinct dag_id from head) d
), candidate as materialized (
  select t.* from head h join room using (pool) cross join lateral (
    select s.run_id, s.task_id, s.dag_id, s.pool, s.pool_slots, s.priority, s.since, s.position, s.state
    from task_runs s where s.state = 'scheduled' and s.dag_id = h.dag_id and s.pool = h.pool and s.pool_slots <= room.size${of('s.run_id')}
    order by s.priority desc, s.since, s.run_id, s.position limit least(room.free, $2)
  ) t where room.free > 0
), ready as materialized (
  select c.*, r.max_active_tasks from candidate c join runs r using (run_id) where r.state = 'running'
), turned as (
  select ready.*, row_number() over (partition by dag_id, priority order by since, run_id, position) as turn from ready
), in_dag as (
  select turned.*, row_number() over (partition by dag_id order by priority desc, turn) as place from turned
), allowed as (
  select in_dag.*, sum(pool_slots) over (
    partition by pool order by priority desc, turn, since, run_id, position rows unbounded preceding) as pool_place
  from in_dag join busy using (dag_id) where active + place <= max_active_tasks
), chosen as materialized (
  select run_id, task_id, dag_id, pool, pool_slots, state from allowed join room using (pool) where pool_place <= free
  order by priority desc, turn, since, run_id, position limit $2
), place as materialized (
  select h.dag_id, h.pool, room.size,
    room.size - room.free + (select coalesce(sum(c.pool_slots), 0) from chosen c where c.pool = h.pool) as in_pool,
    busy.active + (select count(*) from chosen c where c.dag_id = h.dag_id) as in_dag
  from head h join busy using (dag_id) left join room using (pool)
), queued as (
  update task_runs t set state = 'queued', ${QUEUED_NOW}, since = $1,
    reason = 'waits for a worker of queue ' || t.queue
  from chosen c where t.run_id = c.run_id and t.task_id = c.task_id and t.state = c.state
  returning t.run_id, t.task_id, t.attempt, t.queue, t.priority, t.position
)`

/** All ready tasks that are left behind are looked at for this, however many there are. */
const telling = (of: Restriction): string => `, told as (
  update task_runs t set reason = ${SENTENCE}
  from place p, runs r
  where t.state = 'scheduled' and p.dag_id = t.dag_id and p.pool = t.pool and r.run_id = t.run_id and r.state = 'running'
    and (t.run_id, t.task_id) not in (select run_id, task_id from chosen) and t.reason <> ${SENTENCE}${of('t.run_id')}
)`

const QUEUED = `
select run_id, task_id, attempt, queue, priority, exists (
    select 1 from ready join place p using (dag_id, pool)
    where p.in_pool + ready.pool_slots <= p.size and p.in_dag < max_active_tasks
      and (ready.run_id, ready.task_id) not in (select run_id, task_id from chosen)
  ) as more
from queued order by priority desc, run_id, position`

/**
 * The same where just one task is ready, which then has nobody to take turns with: a chain of tasks is queued like this in a
 * third of the time. No row: there are others, or none, or no room.
 */
const QUEUE_LONE = `
with ready as materialized (
  select run_id, task_id, dag_id, pool, pool_slots, state from task_runs where state = 'scheduled' limit 2
), chosen as materialized (
  select c.run_id, c.task_id, c.state from ready c join runs r using (run_id) join pools p using (pool)
  where (select count(*) from ready) = 1 and ${LONE_HAS_ROOM} and $2::int > 0
)
update task_runs t set state = 'queued', ${QUEUED_NOW}, since = $1,
  reason = 'waits for a worker of queue ' || t.queue
from chosen c where t.run_id = c.run_id and t.task_id = c.task_id and t.state = c.state
returning t.run_id, t.task_id, t.attempt, t.queue, t.priority, false as more`

const QUEUE_READY = `${queueing(EVERY_RUN)}${QUEUED}`
const QUEUE_AND_TELL = `${queueing(EVERY_RUN)}${telling(EVERY_RUN)}${QUEUED}`
const QUEUE_ONLY = `${queueing(among('$3'))}${telling(among('$3'))}${QUEUED}`

export interface QueuedRow extends Record<string, unknown> {
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
  readonly #beforeClaim: Pick<QueueAndClaim, 'queue'>
  readonly #only: OnlyRuns | null
  readonly #lone = new LoneFirst()

  constructor(database: Database, beforeClaim: Pick<QueueAndClaim, 'queue'>, only: OnlyRuns | null) {
    this.#database = database
    this.#beforeClaim = beforeClaim
    this.#only = only
  }

  async queueReady(now: Instant, limit: number, tell = true, claimFollows = false): Promise<QueuedTask[]> {
    const queued: QueuedTask[] = []
    // A pool that fills up in one pass leaves places of its DAGs to tasks of other pools: they go in the next pass.
    for (let left = limit; left > 0; ) {
      const isFirst = left === limit
      const rows = await this.#pass(tell ? QUEUE_AND_TELL : QUEUE_READY, now, left, claimFollows && isFirst)
      const late = isFirst ? {} : { late: true as const }
      queued.push(...rows.map((row) => ({ ...toQueuedTask(row), ...late })))
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

  async #pass(sql: string, now: Instant, limit: number, claimFollows: boolean): Promise<QueuedRow[]> {
    const only = this.#only
    const statement: SqlStatement =
      only === null
        ? { sql, params: [sqlInstant(now), limit] }
        : { sql: QUEUE_ONLY, params: [sqlInstant(now), limit, only.ids()] }
    if (this.#database.exclusive) {
      // one that is alone among those that are ready may be of another run
      if (only !== null) return this.#database.query<QueuedRow>(statement.sql, statement.params)
      const withClaim = claimFollows ? await this.#beforeClaim.queue(statement) : null
      return withClaim ?? this.#lone.rows(this.#database, { ...statement, sql: QUEUE_LONE }, statement)
    }
    // a claim is what acts on it, and is kept together with it
    const results = await this.#database.transaction([{ sql: LOCK_POOLS, params: [] }, statement], 'with_next')
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
