import type { Instant } from '../../../json.js'
import type { Database, SqlRow } from '../database.js'

const ATTENTION = `(select count(*) from dags d cross join lateral (
    select state from runs r where r.dag_id = d.dag_id and r.state in ('success', 'failed', 'cancelled')
    order by r.due_at desc, r.run_id desc limit 1
  ) last where last.state = 'failed' and d.present)
  + (select count(distinct problem->>'file') from dag_problems where problem->>'severity' = 'error') as attention`

/** Things that need a look: DAGs whose last finished run failed, and files that do not load. On every page. */
export async function attentionCount(db: Database): Promise<number> {
  const [row] = await db.query<{ attention: number }>(`select ${ATTENTION}`)
  return row?.attention ?? 0
}

export interface NowCounts {
  /** as attentionCount says */
  attention: number
  running: number
  queuedRuns: number
  waitingTasks: number
  oldestWait: Instant | null
  doneToday: number
  failedToday: number
}

/** Counts of the home page; `since` bounds what counts as done lately. */
export async function nowCounts(db: Database, since: Instant): Promise<NowCounts> {
  const [row] = await db.query<NowCounts & SqlRow>(
    `select
       (select count(*) from runs where state in ('queued', 'running') and state = 'running') as running,
       (select count(*) from runs where state in ('queued', 'running') and state = 'queued') as "queuedRuns",
       waiting.tasks as "waitingTasks", waiting.oldest as "oldestWait",
       done.success as "doneToday", done.failed as "failedToday", ${ATTENTION}
     from (
       select sum(tasks)::bigint as tasks, min(oldest) as oldest from (
         select count(*) as tasks, min(since) as oldest from task_runs where state = 'scheduled'
         union all select count(*), min(since) from task_runs where state = 'queued'
       ) both_kinds
     ) waiting, (
       select count(*) filter (where state = 'success') as success, count(*) filter (where state = 'failed') as failed
       from runs where due_at >= $1 and ended_at >= $1
     ) done`,
    [new Date(since)],
  )
  if (row === undefined) throw new Error('the counts gave no row')
  return row
}

export interface FailedDag {
  dagId: string
  runId: string
  timezone: string | null
  endedAt: Instant
  /** how many finished runs in a row have failed, counted up to 20 */
  inARow: number
  taskId: string | null
  reason: string
}

/** DAGs whose last finished run failed, most failures in a row first, with the task that failed first. */
export function failedDags(db: Database, limit: number): Promise<FailedDag[]> {
  return db.query<FailedDag & SqlRow>(
    `select d.dag_id as "dagId", last.run_id as "runId", v.spec#>>'{schedule,timezone}' as timezone,
       last.ended_at as "endedAt", streak.length as "inARow", task.task_id as "taskId",
       coalesce(task.reason, last.reason) as reason
     from dags d
     join dag_versions v on v.version = d.version
     cross join lateral (
       select * from runs r where r.dag_id = d.dag_id and r.state in ('success', 'failed', 'cancelled')
       order by r.due_at desc, r.run_id desc limit 1
     ) last
     cross join lateral (
       select count(*) filter (where good_before = 0) as length from (
         select count(*) filter (where state = 'success') over (order by due_at desc, run_id desc) as good_before
         from (select * from runs r where r.dag_id = d.dag_id and r.state in ('success', 'failed')
               order by r.due_at desc, r.run_id desc limit 20) recent
       ) marked
     ) streak
     left join lateral (
       select task_id, reason from task_runs t where t.run_id = last.run_id and t.state = 'failed'
       order by t.ended_at nulls last, t.position limit 1
     ) task on true
     where last.state = 'failed' and d.present
     order by streak.length desc, last.ended_at desc limit $1`,
    [limit],
  )
}

export interface NextRun {
  dagId: string
  dueAt: Instant
  timezone: string | null
  lastState: string | null
  medianMs: number | null
}

/** What is due next, with how long it usually takes. */
export function nextRuns(db: Database, limit: number): Promise<NextRun[]> {
  return db.query<NextRun & SqlRow>(
    `select d.dag_id as "dagId", d.next_due_at as "dueAt", v.spec#>>'{schedule,timezone}' as timezone,
       past.last_state as "lastState", past.median as "medianMs"
     from (select * from dags where present and not paused and next_due_at is not null order by next_due_at, dag_id limit $1) d
     join dag_versions v on v.version = d.version
     cross join lateral (
       select (array_agg(state order by due_at desc) filter (where state in ('success', 'failed', 'cancelled')))[1] as last_state,
         percentile_cont(0.5) within group (order by extract(epoch from ended_at - started_at) * 1000)
           filter (where state = 'success')::float8 as median
       from (select * from runs r where r.dag_id = d.dag_id order by r.due_at desc, r.run_id desc limit 20) recent
     ) past
     order by d.next_due_at, d.dag_id`,
    [limit],
  )
}

export interface PoolUse {
  pool: string
  size: number
  taken: number
  waiting: number
  firstDag: string | null
  firstTask: string | null
  firstSince: Instant | null
}

/** Each pool with what it holds and who is first in line. */
export function pools(db: Database): Promise<PoolUse[]> {
  return db.query<PoolUse & SqlRow>(
    `select p.pool, p.size, coalesce(taken.tasks, 0) as taken, coalesce(waiting.tasks, 0) as waiting,
       waiting.dag_id as "firstDag", waiting.task_id as "firstTask", waiting.since as "firstSince"
     from pools p
     left join (select pool, count(*) as tasks from task_runs where state in ('queued', 'running') group by pool) taken
       on taken.pool = p.pool
     left join (
       select distinct on (pool) pool, count(*) over (partition by pool) as tasks, dag_id, task_id, since
       from task_runs where state = 'scheduled' order by pool, priority desc, since
     ) waiting on waiting.pool = p.pool
     order by coalesce(waiting.tasks, 0) desc, coalesce(taken.tasks, 0)::float8 / greatest(p.size, 1) desc, p.pool`,
  )
}

export interface StuckTask {
  dagId: string
  runId: string
  taskId: string
  queue: string
  since: Instant
}

/** Queued tasks whose queue no living worker serves, one per DAG and task, longest wait first. */
export function unservedTasks(db: Database, aliveSince: Instant, limit: number): Promise<StuckTask[]> {
  return db.query<StuckTask & SqlRow>(
    `select distinct on (since, dag_id, task_id) dag_id as "dagId", run_id as "runId", task_id as "taskId", queue, since
     from task_runs t
     where state = 'queued' and not exists (
       select from workers w where t.queue = any(w.queues) and w.heartbeat_at >= $1)
     order by since, dag_id, task_id limit $2`,
    [new Date(aliveSince), limit],
  )
}
