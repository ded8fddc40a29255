import type { Instant } from '../../../json.js'
import type { Database, SqlRow } from '../database.js'

export interface MetricCounts {
  runs: Record<string, number>
  tasks: Record<string, number>
  dags: number
  paused: number
  problems: number
  /** due instant of the DAG that waits longest for its run; null when none is overdue */
  earliestDue: Instant | null
  workers: { id: string; slots: number; busy: number }[]
  silent: number
  pools: { pool: string; size: number; taken: number }[]
  /** messages of alerts that are still to be sent, those that were given up, and when the oldest of the first was made */
  messagesWaiting: number
  messagesDead: number
  messageSince: Instant | null
  /** SLAs of runs and tasks that are still at work: those that were missed, and the others that will hardly be kept */
  slasMissed: number
  slasAtRisk: number
}

/** What the metrics say, from partial indexes of what is active: the history's length does not matter. */
export async function metricCounts(db: Database, now: Instant, aliveSince: Instant): Promise<MetricCounts> {
  const [row] = await db.query<MetricCounts & SqlRow>(
    `with late as (
       select s.missed_at is not null as missed
       from slas s join runs r using (run_id) left join task_runs t on t.run_id = s.run_id and t.task_id = s.task_id
       where s.closed_at is null and (s.at_risk_at is not null or s.missed_at is not null)
         and coalesce(t.state, r.state) not in ('success', 'failed', 'skipped', 'upstream_failed', 'cancelled'))
     select
       (select coalesce(jsonb_object_agg(state, n), '{}') from (
         select state, count(*) as n from runs where state in ('queued', 'running') group by state) r) as runs,
       (select jsonb_object_agg(state, n) from (
         select 'scheduled' as state, count(*) as n from task_runs where state = 'scheduled'
         union all select 'queued', count(*) from task_runs where state = 'queued'
         union all select 'running', count(*) from task_runs where state = 'running'
         union all select 'up_for_retry', count(*) from task_runs where state = 'up_for_retry'
         union all select 'deferred', (select count(*) from task_runs where state = 'deferred' and waits_for is not null)
           + (select count(*) from task_runs where state = 'deferred' and not_before is not null and waits_for is null)) t) as tasks,
       (select count(*) from dags where present) as dags,
       (select count(*) from dags where present and paused) as paused,
       (select count(*) from dag_problems where problem->>'severity' = 'error') as problems,
       (select count(*) from alert_messages where state = 'waiting') as "messagesWaiting",
       (select count(*) from alert_messages where state = 'dead') as "messagesDead",
       (select min(created_at) from alert_messages where state = 'waiting') as "messageSince",
       (select count(*) from late where missed) as "slasMissed",
       (select count(*) from late where not missed) as "slasAtRisk",
       (select min(next_due_at) from dags where present and not paused and next_due_at <= $1) as "earliestDue",
       (select coalesce(jsonb_agg(jsonb_build_object('id', worker_id, 'slots', slots, 'busy', busy)), '[]')
         from workers where heartbeat_at >= $2) as workers,
       (select count(*) from workers where heartbeat_at < $2) as silent,
       (select coalesce(jsonb_agg(jsonb_build_object('pool', p.pool, 'size', p.size, 'taken', coalesce(t.n, 0))), '[]')
         from pools p left join (
           select pool, count(*) as n from task_runs where state in ('queued', 'running') group by pool
         ) t on t.pool = p.pool) as pools`,
    [new Date(now), new Date(aliveSince)],
  )
  if (row === undefined) throw new Error('the counts gave no row')
  return row
}
