import type { Instant } from '../../json.js'
import { type Database, type SqlStatement, sqlInstant } from './database.js'
import { makingSlasDue } from './slas.js'
import type { StartStore } from './store.js'

/** One starter at a time, so that the counts of active runs stay true until the write. The number is any but that of migrations. */
const LOCK_STARTERS = 'select pg_advisory_xact_lock(7158302)'

/** The runs of one DAG that follow each other: those of its schedule, and those of one backfill. */
const SAME_STREAM = (a: string, b: string) =>
  `${a}.dag_id = ${b}.dag_id and ${a}.kind = ${b}.kind and ${a}.backfill_id is not distinct from ${b}.backfill_id`

/**
 * The run that the queued run `r` waits for because it depends on the past: the latest before it, of those that have
 * ended or wait when only tasks depend on it, of all when the run as a whole does. One that is cleared and queued comes first.
 */
const HELD_BY = `(
  select case p.state when 'queued' then p.run_id || ' waits itself' when 'running' then p.run_id || ' is running'
    when 'failed' then p.run_id || ' failed, clear or mark it'
    when 'cancelled' then p.run_id || ' was cancelled, clear or mark it' end
  from runs p where ${SAME_STREAM('p', 'r')} and p.due_at < r.due_at and (p.state <> 'running' or r.depends_on_past = 'run')
  order by p.due_at desc limit 1)`

/** `state` goes along to the update: the constant would lead the planner to look through all queued runs for each. */
const START_RUNS = `
with dag as materialized (
  select d.dag_id, d.paused, (select count(*) from runs a where a.dag_id = d.dag_id and a.state = 'running') as active
  from dags d where d.dag_id in (select dag_id from runs where state = 'queued')
), held as materialized (
  select * from (
    select r.run_id, ${HELD_BY} as past from runs r where r.state = 'queued' and r.depends_on_past <> 'no' and r.kind <> 'manual'
  ) looked where past is not null
), ready as (
  select r.run_id, r.dag_id, r.state, r.max_active_runs, dag.active,
    row_number() over (partition by r.dag_id order by r.kind = 'backfill', r.due_at, r.run_id) as place
  from runs r join dag using (dag_id) left join backfills b using (backfill_id)
  where r.state = 'queued' and (r.kind = 'manual' or not dag.paused) and b.state is distinct from 'paused'
    and not r.cancel_requested and r.run_id not in (select run_id from held)
), chosen as materialized (
  select run_id, dag_id, state from ready where active + place <= max_active_runs order by place, run_id limit $2
), started as (
  update runs r set state = 'running', started_at = $1, reason = '', revision = revision + 1
  from chosen c where r.run_id = c.run_id and r.state = c.state returning r.run_id
), ${makingSlasDue('join started using (run_id)', 's.deadline_at is null', '$1')}, after as materialized (
  select dag_id, paused, active + (select count(*) from chosen where chosen.dag_id = dag.dag_id) as active from dag
), told as (
  update runs set reason = w.sentence
  from (
    select * from (
      select r.run_id, r.state, r.reason, case
        when after.paused and r.kind <> 'manual' then 'waits: ' || r.dag_id || ' is paused'
        when b.state = 'paused' then 'waits: backfill ' || r.backfill_id || ' is paused'
        when held.past is not null then 'waits: depends on the past, ' || held.past
        when after.active >= r.max_active_runs
          then 'waits: ' || after.active || ' of ' || r.max_active_runs || ' runs of ' || r.dag_id || ' are active'
        end as sentence
      from runs r join after using (dag_id) left join backfills b using (backfill_id) left join held using (run_id)
      where r.state = 'queued' and not r.cancel_requested and r.run_id not in (select run_id from chosen)
    ) left_behind where reason <> sentence limit greatest($2, 500)
  ) w
  where runs.run_id = w.run_id and runs.state = w.state
)
select run_id from started`

/** A run that was started before and cleared since (its revision has moved) was asked for by a person and waits like any. */
const CANCEL_OVERLAPPING = `
with dag as materialized (
  select d.dag_id, (select count(*) from runs a where a.dag_id = d.dag_id and a.state = 'running') as active
  from dags d where not d.paused and d.dag_id in (select dag_id from runs where state = 'queued' and overlap <> 'queue')
), late as materialized (
  select r.run_id, r.dag_id, r.overlap, r.max_active_runs, dag.active,
    row_number() over (partition by r.dag_id order by r.due_at desc, r.run_id desc) as age
  from runs r join dag using (dag_id)
  where r.state = 'queued' and r.overlap <> 'queue' and r.kind = 'scheduled' and r.revision = 0 and active >= r.max_active_runs
), dropped as (
  select run_id, 'skipped: ' || active || ' of ' || max_active_runs || ' runs of ' || dag_id || ' were active' as sentence
  from late where overlap = 'skip'
  union all
  select late.run_id, 'skipped: ' || newest.run_id || ' was due before it could start'
  from late join late newest using (dag_id) where late.overlap = 'cancel_running' and late.age > 1 and newest.age = 1
  union all
  select oldest.run_id, 'cancelled: ' || late.run_id || ' is due'
  from late cross join lateral (
    select run_id from runs a where a.dag_id = late.dag_id and a.state = 'running' and a.kind = 'scheduled'
    order by a.due_at limit 1
  ) oldest
  where late.overlap = 'cancel_running' and late.age = 1
    and not exists (select 1 from runs a where a.dag_id = late.dag_id and a.state = 'running' and a.cancel_requested)
)
update runs r set cancel_requested = true, reason = d.sentence, revision = revision + 1
from dropped d where r.run_id = d.run_id and r.state in ('queued', 'running') and not r.cancel_requested
returning r.run_id`

/** Which queued runs start, and which give way. */
export class StartQueries implements StartStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async startRuns(now: Instant, limit: number): Promise<string[]> {
    return this.#alone({ sql: START_RUNS, params: [sqlInstant(now), limit] })
  }

  async cancelOverlapping(): Promise<string[]> {
    return this.#alone({ sql: CANCEL_OVERLAPPING, params: [] })
  }

  async nextRun(runId: string): Promise<string | null> {
    const [row] = await this.#database.query<{ run_id: string }>(
      `select n.run_id from runs r join runs n on ${SAME_STREAM('n', 'r')} and n.due_at > r.due_at and n.state = 'running'
        where r.run_id = $1 order by n.due_at limit 1`,
      [runId],
    )
    return row?.run_id ?? null
  }

  async #alone(statement: SqlStatement): Promise<string[]> {
    const results = this.#database.exclusive
      ? [await this.#database.query(statement.sql, statement.params)]
      : await this.#database.transaction([{ sql: LOCK_STARTERS, params: [] }, statement])
    return (results.at(-1) ?? []).map((row) => String(row.run_id))
  }
}
