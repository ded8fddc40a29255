import type { Instant, JsonObject } from '../../json.js'
import type { Weight } from '../../operators/operator.js'
import type { ChildWait } from '../../operators/wait.js'
import type { ParentTask } from '../core/model.js'
import { type Database, sqlInstant } from './database.js'
import { among, EVERY_RUN, type OnlyRuns, type Restriction } from './only-runs.js'
import { json } from './rows.js'
import { SET_BACK_MS } from './set-back.js'
import type { ChildToMake, DueLook, LookResult, WaitStore } from './wait-store.js'

/** `$1` now, `$2` runs, `$3` what they hang on; both null for all. */
const WAITING = `
with waiting as materialized (
  select run_id, task_id, queue, waits_for as w from task_runs
  where state = 'deferred' and waits_for is not null and woken is null and waits_for ->> 'kind' <> 'approval'
    and ($2::text[] is null or run_id = any($2) or waits_for ->> 'on' = any($3::text[]))
)`

/** The planner gets each way of asking by itself, or it would read every deferred task for one run. */
const WAITING_SOME = `
with waiting as materialized (
  select run_id, task_id, queue, waits_for as w from task_runs
  where run_id = any($2::text[]) and state = 'deferred' and waits_for is not null and woken is null
  union
  select run_id, task_id, queue, waits_for as w from task_runs
  where waits_for ->> 'on' = any($3::text[]) and state = 'deferred' and waits_for is not null and woken is null
)`

const WAKE_WAITING = `, met as (
  select w.run_id, w.task_id, jsonb_build_object('run', r.run_id, 'state', r.state) as woken
  from waiting w join idempotency_keys k on k.key = w.w ->> 'key' join runs r on r.run_id = k.run_id
  where w.w ->> 'kind' = 'child' and (w.w -> 'wait' = 'false' or r.state in ('success', 'failed', 'cancelled'))
  union all
  select w.run_id, w.task_id, jsonb_build_object('run', r.run_id, 'state', r.state)
  from waiting w cross join lateral (
    select run_id, state from runs
    where dag_id = w.w ->> 'dag' and interval_end = (w.w -> 'interval' ->> 'end')::timestamptz
      and interval_start = (w.w -> 'interval' ->> 'start')::timestamptz and w.w -> 'states' ? state
    order by due_at desc, run_id desc limit 1
  ) r where w.w ->> 'kind' = 'run' and w.w -> 'interval' <> 'null'
  union all
  select w.run_id, w.task_id, jsonb_build_object('run', r.run_id, 'state', r.state)
  from waiting w cross join lateral (
    select run_id, state from runs where dag_id = w.w ->> 'dag' order by due_at desc, run_id desc limit 1
  ) r where w.w ->> 'kind' = 'run' and w.w -> 'interval' = 'null' and w.w -> 'states' ? r.state
), looked_at as (
  insert into looks (key, queue, condition, table_name, every_ms, seen, next_look_at)
  select distinct on (w ->> 'key') w ->> 'key', queue,
    jsonb_strip_nulls(jsonb_build_object('weight', w -> 'weight')) || jsonb_build_object('operator', w -> 'operator',
      'condition', w -> 'condition', 'folder', w -> 'folder'),
    w ->> 'table', (w ->> 'everyMs')::bigint, w -> 'seen',
    $1::timestamptz + coalesce(w ->> 'firstMs', w ->> 'everyMs')::bigint * interval '1 ms'
  from waiting where w ->> 'kind' = 'look' and not exists (select 1 from looks l where l.key = w ->> 'key')
  order by w ->> 'key'
  on conflict (key) do nothing
), locked as materialized (
  -- rows are locked in one order everywhere, so that two writers cannot wait for each other
  select t.run_id, t.task_id, met.woken from task_runs t join met using (run_id, task_id)
  where t.state = 'deferred' and t.woken is null order by t.run_id, t.task_id for update of t
), woken as (
  update task_runs t set not_before = $1, woken = locked.woken from locked
  where t.run_id = locked.run_id and t.task_id = locked.task_id
  returning t.run_id
)
select distinct run_id from woken order by run_id`

const CHILDREN_TO_MAKE = `
select t.run_id, t.task_id, t.attempt, t.generation, t.waits_for, r.interval_start, r.interval_end
from task_runs t join runs r using (run_id)
where t.state = 'deferred' and t.waits_for is not null and t.waits_for ->> 'kind' = 'child' and t.woken is null
  and r.state = 'running' and not r.cancel_requested
  and not exists (select 1 from idempotency_keys k where k.key = t.waits_for ->> 'key')
order by t.run_id, t.task_id limit $1`

const CHILDREN_TO_CANCEL = `
select c.run_id, c.parent_run_id, c.parent_task_id, c.parent_generation
from runs c join task_runs p on p.run_id = c.parent_run_id and p.task_id = c.parent_task_id
where c.parent_waits and c.state in ('queued', 'running') and not c.cancel_requested
  and (p.state = 'cancelled' or p.generation <> c.parent_generation)
order by c.run_id limit $1`

/** Looks `l` that a task of these runs waits for; all looks for all runs, since those that nobody waits for are to go. */
const wantedBy = (of: Restriction): string =>
  of === EVERY_RUN
    ? ''
    : ` and exists (select from task_runs o where o.state = 'deferred' and o.waits_for ->> 'on' = 'look:' || l.key${of('o.run_id')})`

const dueLooks = (of: Restriction): string => `
with due as (
  select key from looks l
  where queue = any($2::text[]) and coalesce(condition ->> 'weight', 'light') = $5${wantedBy(of)} and (
    next_look_at <= $1
    or next_look_at > $1 + ${SET_BACK_MS} * interval '1 ms' and next_look_at > $1 + (every_ms + ${SET_BACK_MS}) * interval '1 ms')
  order by next_look_at, key limit $4 for update skip locked
), judged as materialized (
  select key, exists (
    select 1 from task_runs t where t.state = 'deferred' and t.waits_for is not null and t.waits_for ->> 'on' = 'look:' || due.key
  ) as wanted from due
), gone as (
  delete from looks l using judged j where l.key = j.key and not j.wanted
)
update looks l set next_look_at = $3 from judged j where l.key = j.key and j.wanted
returning l.key, l.condition, l.seen`

const nextLook = (of: Restriction): string => `
select min(next_look_at) as at from looks l
where queue = any($1::text[]) and coalesce(condition ->> 'weight', 'light') = $2${wantedBy(of)}`

const [DUE_LOOKS, NEXT_LOOK] = [dueLooks(EVERY_RUN), nextLook(EVERY_RUN)]
const [DUE_LOOKS_ONLY, NEXT_LOOK_ONLY] = [dueLooks(among('$6')), nextLook(among('$3'))]

const RECORD_LOOKS = `
with result as (
  select * from jsonb_to_recordset($2::jsonb) as r(key text, met jsonb, seen jsonb, detail text)
), kept as (
  update looks l set seen = r.seen, detail = r.detail, looked_at = $1,
    next_look_at = $1::timestamptz + l.every_ms * interval '1 ms'
  from result r where l.key = r.key
), locked as materialized (
  select t.run_id, t.task_id, r.met from result r join task_runs t on t.waits_for ->> 'on' = 'look:' || r.key
  where r.met is not null and t.state = 'deferred' and t.waits_for is not null and t.woken is null
  order by t.run_id, t.task_id for update of t
), woken as (
  update task_runs t set not_before = $1, woken = locked.met from locked
  where t.run_id = locked.run_id and t.task_id = locked.task_id
  returning t.run_id
)
select distinct run_id from woken order by run_id`

/** What deferred tasks wait for: runs, children, looks outside. */
export class WaitQueries implements WaitStore {
  readonly #database: Database
  readonly #only: OnlyRuns | null

  constructor(database: Database, only: OnlyRuns | null) {
    this.#database = database
    this.#only = only
  }

  async wakeWaiting(which: Parameters<WaitStore['wakeWaiting']>[0], now: Instant): Promise<string[]> {
    const sql = `${which === null ? WAITING : WAITING_SOME}${WAKE_WAITING}`
    const rows = await this.#database.query(sql, [sqlInstant(now), which?.runs ?? null, which?.on ?? null])
    return rows.map((row) => String(row.run_id))
  }

  async wakeTask(
    { runId, taskId, attempt }: Parameters<WaitStore['wakeTask']>[0],
    woken: JsonObject,
    now: Instant,
  ): Promise<'woken' | 'moved'> {
    const rows = await this.#database.query(
      `update task_runs set not_before = $4, woken = $5::jsonb
       where run_id = $1 and task_id = $2 and attempt = $3 and state = 'deferred' and woken is null returning 1`,
      [runId, taskId, attempt, sqlInstant(now), json(woken)],
    )
    return rows.length === 1 ? 'woken' : 'moved'
  }

  async childrenToMake(limit: number): Promise<ChildToMake[]> {
    const rows = await this.#database.query<ChildRow>(CHILDREN_TO_MAKE, [limit])
    return rows.map((row) => ({
      runId: row.run_id,
      taskId: row.task_id,
      attempt: row.attempt,
      generation: row.generation,
      wait: row.waits_for,
      intervalStart: row.interval_start,
      intervalEnd: row.interval_end,
    }))
  }

  async childrenToCancel(limit: number): Promise<{ runId: string; parent: ParentTask }[]> {
    const rows = await this.#database.query<{
      run_id: string
      parent_run_id: string
      parent_task_id: string
      parent_generation: number
    }>(CHILDREN_TO_CANCEL, [limit])
    return rows.map((row) => ({
      runId: row.run_id,
      parent: {
        runId: row.parent_run_id,
        taskId: row.parent_task_id,
        generation: row.parent_generation,
        waits: true,
      },
    }))
  }

  async dueLooks(
    queues: readonly string[],
    { now, leaseMs, limit, weight }: Parameters<WaitStore['dueLooks']>[1],
  ): Promise<DueLook[]> {
    const params = [sqlInstant(now), queues, sqlInstant(now + leaseMs), limit, weight]
    const [sql, all] = this.#only === null ? [DUE_LOOKS, params] : [DUE_LOOKS_ONLY, [...params, this.#only.ids()]]
    return this.#database.query<DueLook & Record<string, unknown>>(sql, all)
  }

  async nextLookAt(queues: readonly string[], weight: Weight): Promise<Instant | null> {
    const params = [queues, weight]
    const [sql, all] = this.#only === null ? [NEXT_LOOK, params] : [NEXT_LOOK_ONLY, [...params, this.#only.ids()]]
    const [row] = await this.#database.query<{ at: Instant | null }>(sql, all)
    return row?.at ?? null
  }

  async recordLooks(results: readonly LookResult[], now: Instant): Promise<string[]> {
    if (results.length === 0) return []
    const rows = await this.#database.query(RECORD_LOOKS, [sqlInstant(now), json(results)])
    return rows.map((row) => String(row.run_id))
  }

  async hastenLooks(tables: readonly string[], now: Instant): Promise<boolean> {
    const rows = await this.#database.query(
      `update looks set next_look_at = $1
       where table_name <> '' and table_name = any($2::text[]) and next_look_at > $1 returning 1`,
      [sqlInstant(now), tables],
    )
    return rows.length > 0
  }
}

interface ChildRow extends Record<string, unknown> {
  run_id: string
  task_id: string
  attempt: number
  generation: number
  waits_for: ChildWait
  interval_start: Instant
  interval_end: Instant
}
