import type { Instant } from '../../json.js'
import { type Database, type SqlStatement, sqlInstant } from './database.js'
import { among, EVERY_RUN, type OnlyRuns, type Restriction } from './only-runs.js'
import { makingSlasOfStartedDue } from './slas.js'
import type { StartStore } from './store.js'

/** One starter at a time, so that the counts of active runs stay true until the write. The number is any but that of migrations. */
const LOCK_STARTERS = 'select pg_advisory_xact_lock(7158302)'

/** Runs of a line that are told each time why they wait; those behind them are told now and then. */
const TOLD_FIRST = 100
const ALL = 2_147_483_647

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

/**
 * A line is what waits of one DAG with one limit: the first of each line are looked at, as many as it has room for, so that
 * thousands that wait cost no more than one. `state` and an array of ids go to the update: a constant would lead the planner to
 * look through all queued runs, and a join through all runs.
 */
const starting = (of: Restriction): string => `
with recursive line as (
  (select dag_id, max_active_runs from runs where state = 'queued' order by dag_id, max_active_runs limit 1)
  union all
  select n.dag_id, n.max_active_runs from line l cross join lateral (
    select dag_id, max_active_runs from runs
    where state = 'queued' and (dag_id, max_active_runs) > (l.dag_id, l.max_active_runs)
    order by dag_id, max_active_runs limit 1
  ) n
), dag as materialized (
  select d.dag_id, d.paused, (select count(*) from runs a where a.dag_id = d.dag_id and a.state = 'running'${of('a.run_id')}) as active
  from dags d where d.dag_id in (select dag_id from line)
), ready as (
  select f.*, dag.active, row_number() over (partition by f.dag_id order by f.late, f.due_at, f.run_id) as place
  from line l join dag using (dag_id) cross join lateral (
    select r.run_id, r.dag_id, r.state, r.max_active_runs, r.kind = 'backfill' as late, r.due_at from runs r
    where r.state = 'queued' and r.dag_id = l.dag_id and r.max_active_runs = l.max_active_runs
      and (r.kind = 'manual' or not dag.paused) and not r.cancel_requested${of('r.run_id')}
      and not exists (select 1 from backfills b where b.backfill_id = r.backfill_id and b.state = 'paused')
      and (r.depends_on_past = 'no' or r.kind = 'manual' or ${HELD_BY} is null)
    order by r.kind = 'backfill', r.due_at, r.run_id limit greatest(least(l.max_active_runs - dag.active, $2), 0)
  ) f
), chosen as materialized (
  select run_id, dag_id, state from ready where active + place <= max_active_runs order by place, run_id limit $2
), started as (
  update runs r set state = 'running', started_at = $1, reason = '', revision = revision + 1
  where r.run_id = any (array(select run_id from chosen)) and r.state = (select state from chosen limit 1) returning r.run_id
), ${makingSlasOfStartedDue('$1')}, after as materialized (
  select dag_id, paused, active + (select count(*) from chosen where chosen.dag_id = dag.dag_id) as active from dag
), told as (
  update runs set reason = w.sentence
  from (
    select * from (
      select r.run_id, r.state, r.reason, case
        when after.paused and r.kind <> 'manual' then 'waits: ' || r.dag_id || ' is paused'
        when b.state = 'paused' then 'waits: backfill ' || r.backfill_id || ' is paused'
        when r.past is not null then 'waits: depends on the past, ' || r.past
        when after.active >= r.max_active_runs
          then 'waits: ' || after.active || ' of ' || r.max_active_runs || ' runs of ' || r.dag_id || ' are active'
        end as sentence
      from line l join after using (dag_id) cross join lateral (
        select r.*, case when r.depends_on_past <> 'no' and r.kind <> 'manual' then ${HELD_BY} end as past from runs r
        where r.state = 'queued' and r.dag_id = l.dag_id and r.max_active_runs = l.max_active_runs${of('r.run_id')}
        order by r.kind = 'backfill', r.due_at, r.run_id limit $3
      ) r left join backfills b using (backfill_id)
      where not r.cancel_requested and r.run_id not in (select run_id from chosen)
    ) left_behind where reason <> sentence limit 1000
  ) w
  where runs.run_id = w.run_id and runs.state = w.state
)
select run_id from started`

const START_RUNS = starting(EVERY_RUN)
const START_ONLY = starting(among('$4'))

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
  readonly #only: OnlyRuns | null

  constructor(database: Database, only: OnlyRuns | null) {
    this.#database = database
    this.#only = only
  }

  async startRuns(now: Instant, limit: number, told: 'first' | 'all' = 'first'): Promise<string[]> {
    const toldOfEach = told === 'all' ? ALL : TOLD_FIRST
    const params = [sqlInstant(now), limit, toldOfEach]
    if (this.#only === null) return this.#alone({ sql: START_RUNS, params })
    return this.#alone({ sql: START_ONLY, params: [...params, this.#only.ids()] })
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
