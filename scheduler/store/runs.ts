import type { Instant, JsonObject } from '../../json.js'
import type { Decision, Run, TaskRun } from '../core/model.js'
import { PAST_REASONS } from '../core/past.js'
import { ALERT_EVENTS, raisingAlerts } from './alerts.js'
import { type Database, type Durability, type SqlStatement, sqlInstant } from './database.js'
import { keepingLeftWork, leavingWork } from './left-work.js'
import { json, jsonInstant, RUN_COLUMNS, type RunRow, type TaskRow, toRun, toTaskRun } from './rows.js'
import { FIRST_TURN } from './settle-turn.js'
import { insertingSlas, lookingAtSlas, newSlaRow } from './slas.js'
import { ALL_TASKS, PAST_RUN } from './snapshots.js'
import type { NewRun, RunStore, StartStore } from './store.js'

const CREATE_RUN = `
with known_key as (
  select request_hash, run_id from idempotency_keys where key = $2
), clash as (
  select run_id from runs where run_id = $3 or (dag_id = $4 and due_at = $7 and kind = $6) limit 1
), run as (
  insert into runs (run_id, dag_id, version, kind, state, due_at, interval_start, interval_end, params, triggered_by,
    only_tasks, no_checks, max_active_runs, max_active_tasks, created_at, parent_run_id, parent_task_id, parent_generation,
    parent_waits, trigger, overlap, depends_on_past, run_timeout_ms)
  select $3, $4, $5, $6, 'queued', $7, $8, $9, $10::jsonb, $11, $12::text[], $13, $14, $15, $1, $18, $19, $20, $21, $23::jsonb,
    $24, $25, $26
  where not exists (select 1 from known_key) and not exists (select 1 from clash)
  on conflict do nothing
  returning run_id
), tasks as (
  insert into task_runs (run_id, task_id, dag_id, position, state, pool, pool_slots, queue, priority, since, reason)
  select run.run_id, t."taskId", $4, t.position, 'none', t.pool, coalesce(t."poolSlots", 1), t.queue, t.priority, $1,
    'waits for the run to start'
  from run, jsonb_to_recordset($16::jsonb)
    as t("taskId" text, position int, pool text, "poolSlots" int, queue text, priority int)
), promised as (${insertingSlas('(select run_id, $4::text as dag_id, $22::jsonb as slas from run)', '$1::timestamptz')}
), key as (
  insert into idempotency_keys (key, request_hash, run_id, created_at)
  select $2, $17, run.run_id, $1 from run where $2::text is not null
), audited as (
  insert into audit (at, user_name, action, target, detail)
  select $1, a."user", a.action, a.target, a.detail
  from run, jsonb_to_record($27::jsonb) as a("user" text, action text, target text, detail jsonb) where $27::jsonb is not null
)
select case
    when exists (select 1 from run) then 'created'
    when exists (select 1 from known_key where request_hash = $17) then 'repeated'
    when exists (select 1 from known_key) then 'key_conflict'
    when exists (select 1 from clash) then 'exists'
    else 'raced' end as outcome,
  coalesce((select run_id from known_key), (select run_id from clash)) as run_id`

/** The run's row and then those of its tasks are locked first, so that no claim slips between the look and the write. */
const LOCK_RUN_AND_TASKS = `
with run as materialized (select run_id from runs where run_id = $1 for update)
select 1 from run cross join lateral (
  select 1 from task_runs t where t.run_id = run.run_id and t.task_id = any($2::text[]) order by t.task_id for update
) tasks`

/*
 * The run's id goes along with each change, so that rows can be found by their whole key only. With `$1` in its place the
 * planner may read all tasks of the run for each change: with 5,000 tasks a decision took 10 ms instead of 1. What `between`
 * says holds for every row; it tells the planner to expect few.
 */
const APPLYING_DECISION = `
with heard as materialized (
  select $1::text as run_id, s.* from jsonb_to_recordset($6::jsonb) as s("taskId" text, attempt int, result text)
  where attempt between 0 and 2147483647
), change as materialized (
  select $1::text as run_id, c.* from jsonb_to_recordset($4::jsonb) as c("taskId" text, expect jsonb, set jsonb)
  where length("taskId") between 0 and 2147483647
), run as (
  update runs set revision = revision + 1,
    state = coalesce($5::jsonb ->> 'state', state),
    started_at = case when $5::jsonb ? 'startedAt' then ($5::jsonb ->> 'startedAt')::timestamptz else started_at end,
    ended_at = case when $5::jsonb ? 'endedAt' then ($5::jsonb ->> 'endedAt')::timestamptz else ended_at end,
    reason = coalesce($5::jsonb ->> 'reason', reason),
    cancel_requested = coalesce(($5::jsonb ->> 'cancelRequested')::boolean, cancel_requested),
    timed_out = coalesce(($5::jsonb ->> 'timedOut')::boolean, timed_out),
    unsettled = coalesce(($5::jsonb ->> 'unsettled')::boolean, unsettled)
  where run_id = $1 and revision = $2
    and (select count(*) from change) = (
      select count(*) from change c join task_runs t on t.run_id = c.run_id and t.task_id = c."taskId"
      where t.state = c.expect ->> 'state' and t.attempt = (c.expect ->> 'attempt')::int
        and t.generation = (c.expect ->> 'generation')::int)
    and (select count(*) from heard) = (
      select count(*) from heard h join attempts a on a.run_id = h.run_id and a.task_id = h."taskId" and a.attempt = h.attempt
      where a.result = h.result)
  returning run_id
), changed as (
  update task_runs t set
    state = c.set ->> 'state',
    tries = coalesce((c.set ->> 'tries')::int, t.tries),
    generation = coalesce((c.set ->> 'generation')::int, t.generation),
    not_before = case when c.set ? 'notBefore' then (c.set ->> 'notBefore')::timestamptz else t.not_before end,
    started_at = case when c.set ? 'startedAt' then (c.set ->> 'startedAt')::timestamptz else t.started_at end,
    ended_at = case when c.set ? 'endedAt' then (c.set ->> 'endedAt')::timestamptz else t.ended_at end,
    reason = c.set ->> 'reason',
    cancel_requested = coalesce((c.set ->> 'cancelRequested')::boolean, t.cancel_requested),
    outputs = coalesce(c.set -> 'outputs', t.outputs),
    waits_for = case when c.set ? 'waitsFor' then nullif(c.set -> 'waitsFor', 'null') else t.waits_for end,
    woken = case when c.set ->> 'state' = 'deferred' or c.set ? 'generation' then null
      -- nothing has come: the attempt that is to say so is told what the last look has found
      when t.state = 'deferred' and t.woken is null and c.set ->> 'state' = 'scheduled' and t.waits_for ->> 'kind' = 'look'
        then (select jsonb_build_object('in_vain', l.detail) from looks l where l.key = t.waits_for ->> 'key' and l.detail <> '')
      else t.woken end,
    since = case when t.state = c.set ->> 'state' then t.since else $3 end,
    claim_token = case when c.set ->> 'state' = 'running' then t.claim_token end,
    worker_id = case when c.set ->> 'state' = 'running' then t.worker_id end,
    lease_until = case when c.set ->> 'state' = 'running' then t.lease_until end,
    handle = case when c.set ? 'generation' or c.set ->> 'state' in ('failed', 'cancelled') then null
      -- saved by an attempt under which the task was cleared: not for the next generation
      when t.state = 'running' and c.set ->> 'state' = 'none' then null
      else t.handle end,
    progress = case when c.set ? 'generation' then null else t.progress end
  from change c, run where t.run_id = c.run_id and t.task_id = c."taskId"
), ended as (
  update attempts a set result = 'cancelled', ended_at = $3, settled = true, reason = c.set ->> 'reason'
  from change c, run
  where c.expect ->> 'state' = 'running' and c.set ->> 'state' <> 'running' and a.result is null
    and a.run_id = c.run_id and a.task_id = c."taskId" and a.attempt = (c.expect ->> 'attempt')::int
), told as (
  -- a run of a part of the tasks is no success of the DAG
  insert into trigger_events (dag_id, kind, source, event_key, detail, seen_at)
  select s.dag_id, 'dag', r.dag_id, r.run_id, jsonb_build_object('dag', r.dag_id, 'run', r.run_id), $3
  from run join runs r using (run_id) join trigger_sources s on s.kind = 'dag' and s.source = r.dag_id
  where $5::jsonb ->> 'state' = 'success' and r.only_tasks is null
  on conflict on constraint one_event do nothing
), settled as (
  update attempts a set settled = true
  from run, heard h
  where a.run_id = h.run_id and a.task_id = h."taskId" and a.attempt = h.attempt and a.result is not null
)`

const EXPANDING = `, item as materialized (
  select $1::text as run_id, i.*, "taskId" || '.' || index as id
  from jsonb_to_recordset($7::jsonb) as i("taskId" text, index int, value jsonb, state text, generation int, reason text)
  where index between 0 and 2147483647
), kept as (
  insert into task_runs (run_id, task_id, dag_id, position, state, generation, attempt, pool, pool_slots, queue, priority, since, reason,
    item_of, item_index, item)
  select t.run_id, i.id, t.dag_id, t.position, i.state, i.generation,
    coalesce((select max(a.attempt) from attempts a where a.run_id = t.run_id and a.task_id = i.id), 0),
    t.pool, t.pool_slots, t.queue, t.priority, $3, i.reason, t.task_id, i.index, i.value
  from run cross join item i join task_runs t on t.run_id = i.run_id and t.task_id = i."taskId"
  on conflict (run_id, task_id) do update set state = excluded.state, generation = excluded.generation, tries = 0,
    since = excluded.since, reason = excluded.reason, item = excluded.item, not_before = null, started_at = null,
    ended_at = null, cancel_requested = false, outputs = '{}', handle = null, progress = null, claim_token = null,
    worker_id = null, lease_until = null, waits_for = null, woken = null
), expanded as materialized (
  select $1::text as run_id, unnest($8::text[]) as item_of
), dropped as (
  delete from task_runs t using run, expanded e
  where t.run_id = e.run_id and t.item_of = e.item_of and not exists (select 1 from item i where i.id = t.task_id)
)`

/** What most decisions do without: items of `for_each`, alerts, SLAs, work left outside. Its parameters come in this order. */
interface Extras {
  expands: boolean
  raises: boolean
  looks: boolean
  leaves: boolean
}

function applyStatement({ expands, raises, looks, leaves }: Extras): string {
  let next = expands ? 9 : 7
  const raising = () => `, event as (
  select * from jsonb_to_recordset($${next++}::jsonb) as i(${ALERT_EVENTS})
), ${raisingAlerts('run cross join event e', '$3::timestamptz')}`
  const parts = [
    APPLYING_DECISION,
    expands ? EXPANDING : '',
    raises ? raising() : '',
    looks ? `, ${lookingAtSlas(`$${next++}`, '$3::timestamptz')}` : '',
    leaves ? `, ${keepingLeftWork(`$${next}`, '$3::timestamptz')}` : '',
  ]
  return `${parts.join('')}\nselect run_id from run`
}

/** The texts are made once, and so are their plans. */
const APPLY_DECISION = new Map<string, string>()

function applying(extras: Extras): string {
  const key = `${extras.expands} ${extras.raises} ${extras.looks} ${extras.leaves}`
  const known = APPLY_DECISION.get(key)
  if (known !== undefined) return known
  const made = applyStatement(extras)
  APPLY_DECISION.set(key, made)
  return made
}

/** of a running run with `run_timeout` */
const TIMES_OUT = "started_at + run_timeout_ms * interval '1 millisecond'"

/** Whether the row says that its task waits for the run before (core/past.ts). @param task alias of its `task_runs` */
const saysPast = (task: string): string =>
  `(${PAST_REASONS.map((begin) => `starts_with(${task}.reason, '${begin} ' || ${task}.task_id || ' of ')`).join(' or ')})`

/**
 * Tasks that say that they wait for the run before, and wait for it no longer, or for something else of it: whoever was to wake their
 * run may have been killed. What is decided about the run gives them another reason, so that each is found once.
 */
const NO_LONGER_WAIT_FOR_PAST = `
  select t.run_id from runs r join task_runs t using (run_id) left join lateral (${PAST_RUN}
  ) past on true left join task_runs before on before.run_id = past.run_id and before.task_id = t.task_id
  where r.state = 'running' and r.depends_on_past <> 'no' and t.state = 'none' and t.item_of is null
    and ${saysPast('t')}
    and (past.run_id is null or past.state = 'queued' or coalesce(before.state in ('success', 'skipped'), true)
      or starts_with(t.reason, '${PAST_REASONS[0]} ') = (before.state in ('failed', 'upstream_failed', 'cancelled')))`

/**
 * Nothing of a run moves, and not because it waits for the run before, which may take days: there the query above looks. A `not exists`
 * behind an `or` would be planned with a hash of all tasks.
 */
const NOTHING_MOVES = `
  select run_id from runs r where state = 'running' and not exists (
    select 1 from task_runs t where t.run_id = r.run_id
      and (t.state in ('scheduled', 'queued', 'running', 'up_for_retry') or t.state = 'deferred' and t.attempt > 0))
    and (depends_on_past = 'no' or (
      select 1 from task_runs t where t.run_id = r.run_id and t.state = 'none' and t.item_of is null and ${saysPast('t')} limit 1) is null)`

/** An id of a DAG has no dash. */
const DAG_OF_FOUND = "split_part(run_id, '-', 1)"

/*
 * Each DAG in turn, beginning behind `$4`, and of each the runs behind the one that `$3` names. Who is not among the first then is so
 * at a later look, however many are found each time and stay as they are.
 */
const RUNS_TO_SETTLE = `
select run_id from (
  select distinct run_id from attempts where result is not null and not settled
  union
  select run_id from task_runs join runs using (run_id)
    where runs.state = 'running' and task_runs.state = 'up_for_retry' and not_before <= $1
  union
  select run_id from task_runs join runs using (run_id)
    where runs.state = 'running' and task_runs.state = 'deferred' and not_before <= $1
  union
  select run_id from runs where state = 'running' and run_timeout_ms is not null and not cancel_requested and ${TIMES_OUT} <= $1
  union
  select run_id from runs where state in ('queued', 'running') and cancel_requested
  union
  select run_id from runs where unsettled
  union${NO_LONGER_WAIT_FOR_PAST}
  union${NOTHING_MOVES}
) found
order by row_number() over (partition by ${DAG_OF_FOUND} order by run_id <= coalesce($3::jsonb ->> ${DAG_OF_FOUND}, ''), run_id),
  ${DAG_OF_FOUND} <= $4, run_id limit $2`

/** Runs and the states of their tasks: made once, and moved only by whoever has seen their newest revision. */
export class RunQueries implements Omit<RunStore, 'advanceDue' | 'snapshot' | keyof StartStore> {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async createRun(run: NewRun, options: Parameters<RunStore['createRun']>[1]): ReturnType<RunStore['createRun']> {
    const { now, idempotency, audit } = options
    const tasks = run.tasks.map((task, position) => ({ ...task, position }))
    // "raced": another transaction committed the same key between our look and our insert; its row is visible now.
    for (let look = 0; look < 3; look++) {
      const [row] = await this.#database.query<{ outcome: string; run_id: string | null }>(CREATE_RUN, [
        sqlInstant(now),
        idempotency?.key ?? null,
        run.id,
        run.dagId,
        run.version,
        run.kind,
        sqlInstant(run.dueAt),
        sqlInstant(run.intervalStart),
        sqlInstant(run.intervalEnd),
        json(run.params),
        run.triggeredBy,
        run.onlyTasks,
        run.noChecks,
        run.maxActiveRuns,
        run.maxActiveTasks,
        json(tasks),
        idempotency?.requestHash ?? null,
        run.parent?.runId ?? null,
        run.parent?.taskId ?? null,
        run.parent?.generation ?? null,
        run.parent?.waits ?? null,
        json(run.slas.map(newSlaRow)),
        run.trigger == null ? null : json(run.trigger),
        run.overlap,
        run.dependsOnPast,
        run.runTimeoutMs,
        audit === undefined ? null : json(audit),
      ])
      switch (row?.outcome) {
        case 'created':
        case 'key_conflict':
          return { outcome: row.outcome }
        case 'exists':
        case 'repeated':
          return { outcome: row.outcome, runId: row.run_id ?? run.id }
      }
    }
    throw new Error(`the run ${run.id} can neither be created nor found`)
  }

  async runOfKey(key: string): Promise<{ runId: string; requestHash: string } | null> {
    const [row] = await this.#database.query<{ runId: string; requestHash: string }>(
      'select run_id as "runId", request_hash as "requestHash" from idempotency_keys where key = $1',
      [key],
    )
    return row ?? null
  }

  async run(runId: string): Promise<Run | null> {
    const [row] = await this.#database.query<RunRow>(`select ${RUN_COLUMNS} from runs where run_id = $1`, [runId])
    return row === undefined ? null : toRun(row)
  }

  async taskRuns(runId: string): Promise<TaskRun[]> {
    const rows = await this.#database.query<TaskRow>(ALL_TASKS, [runId])
    return rows.map(toTaskRun)
  }

  async outputsOf(runId: string, tasks: readonly string[]): Promise<Record<string, JsonObject>> {
    const rows = await this.#database.query<{ task_id: string; outputs: JsonObject }>(
      'select task_id, outputs from task_runs where run_id = $1 and task_id = any($2::text[])',
      [runId, tasks],
    )
    return Object.fromEntries(rows.map(({ task_id, outputs }) => [task_id, outputs]))
  }

  async applyDecision(
    runId: string,
    revision: number,
    decision: Decision,
    now: Instant,
    durable?: Durability,
  ): Promise<'applied' | 'conflict'> {
    const changes = decision.tasks.map(({ taskId, expect, set }) => ({ taskId, expect, set: withTextInstants(set) }))
    const { alerts = [], expand, slas } = decision
    const left = leavingWork(decision)
    const apply: SqlStatement = {
      sql: applying({
        expands: expand.length > 0,
        raises: alerts.length > 0,
        looks: slas !== undefined,
        leaves: left.length > 0,
      }),
      params: [
        runId,
        revision,
        sqlInstant(now),
        json(changes),
        json(withTextInstants(decision.run ?? {})),
        json(decision.settled),
        ...(expand.length === 0 ? [] : [json(expand.flatMap(itemRows)), expand.map(({ taskId }) => taskId)]),
        ...(alerts.length === 0 ? [] : [json(alerts)]),
        ...(slas === undefined ? [] : [slas.map((taskId) => taskId ?? '')]),
        ...(left.length === 0 ? [] : [left]),
      ],
    }
    const lock = { sql: LOCK_RUN_AND_TASKS, params: [runId, decision.tasks.map(({ taskId }) => taskId)] }
    const results = this.#database.exclusive
      ? [await this.#database.query(apply.sql, apply.params)]
      : await this.#database.transaction([lock, apply], durable)
    return (results.at(-1) ?? []).length === 1 ? 'applied' : 'conflict'
  }

  async runsToSettle(now: Instant, limit: number, { runs, dag } = FIRST_TURN): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(RUNS_TO_SETTLE, [
      sqlInstant(now),
      limit,
      json(runs),
      dag,
    ])
    return rows.map((row) => row.run_id)
  }

  async nextRetryAt(): Promise<Instant | null> {
    const [row] = await this.#database.query<{ at: Instant | null }>(
      `select least((select min(not_before) from task_runs where state = 'up_for_retry'),
        (select min(not_before) from task_runs where state = 'deferred' and not_before is not null),
        (select min(${TIMES_OUT}) from runs where state = 'running' and run_timeout_ms is not null and not cancel_requested)) as at`,
    )
    return row?.at ?? null
  }
}

const INSTANTS = ['notBefore', 'startedAt', 'endedAt'] as const

function withTextInstants(set: object): Record<string, unknown> {
  const result: Record<string, unknown> = { ...set }
  for (const key of INSTANTS) {
    const value = result[key]
    if (typeof value === 'number') result[key] = jsonInstant(value)
  }
  return result
}

function itemRows({ taskId, items }: Decision['expand'][number]): object[] {
  return items.map((item, index) => ({ taskId, index, ...item }))
}
