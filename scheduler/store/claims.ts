import type { Instant, Json } from '../../json.js'
import { type Database, type SqlStatement, type SqlValue, sqlInstant } from './database.js'
import { LoneFirst } from './lone-first.js'
import { among, EVERY_RUN, type OnlyRuns, type Restriction } from './only-runs.js'
import { recordOutcomes } from './outcomes.js'
import type { QueueAndClaim } from './queue-and-claim.js'
import { json } from './rows.js'
import { laterOf } from './set-back.js'
import type { ClaimedTask, ClaimRef, ClaimStore, EarlierAttempt, WorkerInfo } from './store.js'

/**
 * The end of a statement whose `picked` are given to the worker. A claim may wait for its turn while a task ends and the next is queued in
 * its place: in the history that one begins no earlier than it was queued, or the two would seem to have run at once.
 * @param also what else changes in their rows
 */
export const takingPicked = (also = ''): string => `
), claimed as (
  update task_runs t set ${also}state = 'running', reason = '', since = greatest($4, t.since), started_at = greatest($4, t.since),
    ended_at = null, claim_token = gen_random_uuid()::text, worker_id = $1, epoch = $2, lease_until = $5, progress = null
  from picked p where t.run_id = p.run_id and t.task_id = p.task_id
  returning t.*
), begun as (
  insert into attempts (run_id, task_id, attempt, generation, claim_token, worker_id, claimed_at)
  select run_id, task_id, attempt, generation, claim_token, worker_id, started_at from claimed
)
select c.run_id, c.dag_id, r.version, c.task_id, c.attempt, c.tries, c.generation, c.claim_token, c.lease_until, c.handle, c.woken, c.item,
  c.queue, c.priority, c.started_at, r.due_at, r.interval_start, r.interval_end, r.params, r.triggered_by, r.trigger, r.no_checks
from claimed c join runs r using (run_id) order by c.priority desc, c.run_id, c.position`

/**
 * DAGs take turns: of equal priority the DAG with the fewest running tasks goes first, so that one with thousands of queued
 * tasks keeps nobody waiting.
 * @param beyond each DAG offers so many more tasks than asked for, because other workers may be locking the first ones
 */
const claiming = (beyond: number, of: Restriction): string => `
with recursive waiting as (
  (select queue, dag_id from task_runs where state = 'queued' and queue = any($3::text[]) order by queue, dag_id limit 1)
  union all
  select n.queue, n.dag_id from waiting w cross join lateral (
    select queue, dag_id from task_runs
    where state = 'queued' and queue = any($3::text[]) and (queue, dag_id) > (w.queue, w.dag_id)
    order by queue, dag_id limit 1
  ) n
), offered as (
  select t.run_id, t.task_id, t.priority, t.since, a.running + row_number() over (partition by t.dag_id order by t.priority desc, t.since) as turn
  from waiting w
  cross join lateral (
    select run_id, task_id, dag_id, priority, since from task_runs
    where state = 'queued' and queue = w.queue and dag_id = w.dag_id${of('run_id')}
    order by priority desc, since limit $6 + ${beyond}
  ) t
  cross join lateral (
    -- alone in the queue a DAG waits for nobody's turn
    select count(*) as running from task_runs
    where dag_id = w.dag_id and state in ('queued', 'running') and state = 'running' and (select count(*) from waiting) > 1
  ) a
), first as (
  select run_id, task_id, turn from offered order by priority desc, turn, since limit $6 + ${beyond}
), picked as (
  select t.run_id, t.task_id from first f join task_runs t using (run_id, task_id) join runs r using (run_id)
  where t.state = 'queued' and r.state = 'running' and $2 = (select coalesce(max(epoch), $2) from epochs)
  order by t.priority desc, f.turn, t.since, t.run_id, t.position limit $6 for update of t skip locked
${takingPicked()}`

/**
 * The same where just one task waits in these queues, so that nobody takes turns: a chain of tasks is claimed like this in
 * half of the time. No row: there are others, or none.
 */
const CLAIM_LONE = `
with waiting as materialized (
  select run_id, task_id, state from task_runs where state = 'queued' and queue = any($3::text[]) limit 2
), picked as (
  select t.run_id, t.task_id from waiting w join task_runs t on t.run_id = w.run_id and t.task_id = w.task_id and t.state = w.state
    join runs r on r.run_id = w.run_id
  where (select count(*) from waiting) = 1 and r.state = 'running' and $2 = (select coalesce(max(epoch), $2) from epochs) and $6::int > 0
${takingPicked()}`

/**
 * Asks for the plan that was kept. PostgreSQL would go on making a new one for each claim, which takes longer than claiming,
 * where it expects the kept one to cost more: that one was made for ten queues, and often while the tables were empty.
 */
const AS_PLANNED: SqlStatement = { sql: "select set_config('plan_cache_mode', 'force_generic_plan', true)", params: [] }

const CLAIM_ALONE = claiming(0, EVERY_RUN)
const CLAIM_BESIDE_OTHERS = claiming(256, EVERY_RUN)
const CLAIM_ONLY = claiming(0, among('$7'))

/*
 * `between` in the inputs below holds for every row. It tells the planner to expect few, so that it looks the rows up by
 * key: it would read the whole table otherwise, or keep doing so with a plan made while the table was small.
 */

const HEARTBEAT = `
with alive as (
  insert into workers (worker_id, epoch, host, pid, queues, slots, busy, started_at, heartbeat_at)
  values ($1, $2, $3, $4, $5::text[], $6, $7, $8, $9)
  on conflict (worker_id) do update set epoch = excluded.epoch, host = excluded.host, pid = excluded.pid,
    queues = excluded.queues, slots = excluded.slots, busy = excluded.busy, heartbeat_at = ${laterOf('workers.heartbeat_at', 'excluded.heartbeat_at')}
), claim as (
  select * from jsonb_to_recordset($10::jsonb) as c("runId" text, "taskId" text, attempt int, "claimToken" text)
  where attempt between 0 and 2147483647
), extended as (
  update task_runs t set lease_until = ${laterOf('t.lease_until', '$11::timestamptz')} from claim c
  where t.run_id = c."runId" and t.task_id = c."taskId" and t.attempt = c.attempt and t.claim_token = c."claimToken"
    and t.state = 'running' and t.lease_until is not null
  returning t.run_id, t.task_id, t.attempt, t.cancel_requested
)
-- one row at least, so that a worker without claims is told of its epoch too
select over.epoch_over, extended.*
from (select $2 < (select coalesce(max(epoch), $2) from epochs) as epoch_over) over left join extended on true`

const GIVE_BACK = `
with back as (
  update task_runs t set state = 'queued', reason = 'waits for a worker of queue ' || t.queue, since = $5,
    started_at = null, claim_token = null, worker_id = null, lease_until = null
  where t.state = 'running' and t.worker_id = $1 and t.epoch = $2 and t.lease_until is not null and not t.cancel_requested
    -- what was claimed after this was asked for is not meant, however late it comes
    and t.started_at >= $3 and t.started_at < $5 and t.claim_token <> all($4::text[])
  returning t.run_id, t.task_id, t.attempt
), never_begun as (
  delete from attempts a using back b
  where a.run_id = b.run_id and a.task_id = b.task_id and a.attempt = b.attempt and a.result is null
)
select run_id as "runId", task_id as "taskId", attempt from back`

const REAP_EXPIRED = `
with gone as (
  update task_runs set lease_until = null where state = 'running' and lease_until < $1
  returning run_id, task_id, attempt, worker_id
), lost as (
  update attempts a set result = 'lost', ended_at = $1, reason = 'worker ' || g.worker_id || ' was not heard of since ' ||
    to_char(coalesce(w.heartbeat_at, a.claimed_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  from gone g left join workers w on w.worker_id = g.worker_id
  where a.run_id = g.run_id and a.task_id = g.task_id and a.attempt = g.attempt and a.result is null
)
select distinct run_id from gone order by run_id`

const BEGIN_EPOCH = `
with begun as (
  insert into epochs (reason, started_at) values ($1, $2) returning epoch
), gone as (
  update task_runs set lease_until = null where state = 'running' and lease_until is not null
  returning run_id, task_id, attempt
), lost as (
  update attempts a set result = 'lost', ended_at = $2, reason = $1
  from gone g where a.run_id = g.run_id and a.task_id = g.task_id and a.attempt = g.attempt and a.result is null
)
select (select epoch from begun) as epoch, array(select distinct run_id from gone order by run_id) as runs`

const DONE_BEFORE = `
select a.run_id as "runId", a.task_id as "taskId", a.attempt, a.outputs, (
    select coalesce(jsonb_agg(jsonb_build_object('table', r.table_name, 'version', r.version, 'rows', r.row_count) order by r.table_name), '[]')
    from table_reads r where r.run_id = a.run_id and r.task_id = a.task_id and r.attempt = a.attempt
  ) as reads, (
    select coalesce(jsonb_agg(jsonb_build_object('table', w.table_name, 'version', w.version) order by w.table_name, w.version), '[]')
    from table_versions w where w.run_id = a.run_id and w.task_id = a.task_id and w.attempt = a.attempt
  ) as writes
from attempts a join task_runs t using (run_id, task_id)
where a.input_key = $1 and a.result = 'success'
  and t.state = 'success' and t.attempt = a.attempt and t.generation = a.generation
order by a.ended_at desc, a.run_id desc, a.task_id desc limit 1`

/** How often a worker must be heard of to be listed: ten heartbeats of the longest usual interval. */
const WORKER_SHOWN_MS = 100_000

export interface ClaimRow extends Record<string, unknown> {
  run_id: string
  dag_id: string
  version: string
  task_id: string
  attempt: number
  tries: number
  generation: number
  claim_token: string
  lease_until: Instant
  handle: Json
  woken: Json
  item: Json
  queue: string
  priority: number
  started_at: Instant
  due_at: Instant
  interval_start: Instant
  interval_end: Instant
  params: ClaimedTask['params']
  triggered_by: string
  trigger: ClaimedTask['trigger']
  no_checks: boolean
}

/** Claims of attempts: who runs what, until when, and how it ended. */
export class ClaimQueries implements Omit<ClaimStore, 'queueReady' | 'staleQueued'> {
  readonly #database: Database
  readonly #behindQueueing: Pick<QueueAndClaim, 'claim'>
  readonly #only: OnlyRuns | null
  readonly #lone = new LoneFirst()

  constructor(database: Database, behindQueueing: Pick<QueueAndClaim, 'claim'>, only: OnlyRuns | null) {
    this.#database = database
    this.#behindQueueing = behindQueueing
    this.#only = only
  }

  async claim(
    worker: { id: string; epoch: number; queues: string[] },
    { now, leaseMs, limit }: { now: Instant; leaseMs: number; limit: number },
  ): Promise<ClaimedTask[]> {
    const params = [worker.id, worker.epoch, worker.queues, sqlInstant(now), sqlInstant(now + leaseMs), limit]
    return (await this.#claimed(params)).map(toClaimedTask)
  }

  #claimed(params: readonly SqlValue[]): Promise<ClaimRow[]> {
    if (this.#only !== null) return this.#database.query<ClaimRow>(CLAIM_ONLY, [...params, this.#only.ids()])
    return this.#database.exclusive ? this.#claimAlone(params) : this.#claimBesideOthers(params)
  }

  #claimAlone(params: readonly SqlValue[]): Promise<ClaimRow[]> {
    const general = { sql: CLAIM_ALONE, params }
    const lone = { sql: CLAIM_LONE, params }
    return this.#behindQueueing.claim(general) ?? this.#lone.rows<ClaimRow>(this.#database, lone, general)
  }

  async #claimBesideOthers(params: readonly SqlValue[]): Promise<ClaimRow[]> {
    const [, rows = []] = await this.#database.transaction([AS_PLANNED, { sql: CLAIM_BESIDE_OTHERS, params }])
    return rows as ClaimRow[]
  }

  async giveBack(
    worker: { id: string; epoch: number },
    { since, known, now }: Parameters<ClaimStore['giveBack']>[1],
  ): ReturnType<ClaimStore['giveBack']> {
    return this.#database.query(GIVE_BACK, [worker.id, worker.epoch, sqlInstant(since), known, sqlInstant(now)])
  }

  async heartbeat(
    worker: WorkerInfo,
    claims: ClaimRef[],
    { now, leaseMs }: { now: Instant; leaseMs: number },
  ): Promise<{ lost: ClaimRef[]; cancel: ClaimRef[]; epochOver: boolean }> {
    const rows = await this.#database.query<{
      epoch_over: boolean
      run_id: string | null
      task_id: string | null
      attempt: number | null
      cancel_requested: boolean | null
    }>(HEARTBEAT, [
      worker.id,
      worker.epoch,
      worker.host,
      worker.pid,
      worker.queues,
      worker.slots,
      worker.busy,
      sqlInstant(worker.startedAt),
      sqlInstant(now),
      json(claims),
      sqlInstant(now + leaseMs),
    ])
    const ours = new Map(rows.map((row) => [`${row.run_id}/${row.task_id}/${row.attempt}`, row.cancel_requested]))
    const standing = (claim: ClaimRef) => ours.get(`${claim.runId}/${claim.taskId}/${claim.attempt}`)
    return {
      lost: claims.filter((claim) => standing(claim) === undefined),
      cancel: claims.filter((claim) => standing(claim) === true),
      epochOver: rows[0]?.epoch_over === true,
    }
  }

  async recordOutcomes(
    outcomes: Parameters<ClaimStore['recordOutcomes']>[0],
    now: Instant,
  ): Promise<('recorded' | 'lost_claim')[]> {
    return recordOutcomes(this.#database, outcomes, now)
  }

  async doneBefore(inputKey: string): Promise<EarlierAttempt | null> {
    const [row] = await this.#database.query<Record<string, unknown> & EarlierAttempt>(DONE_BEFORE, [inputKey])
    return row ?? null
  }

  async saveHandle(claim: ClaimRef, handle: Json, _now: Instant): Promise<'saved' | 'lost_claim'> {
    return this.#save('handle', claim, handle)
  }

  async saveProgress(claim: ClaimRef, progress: Json, _now: Instant): Promise<'saved' | 'lost_claim'> {
    return this.#save('progress', claim, progress)
  }

  async #save(column: 'handle' | 'progress', claim: ClaimRef, value: Json): Promise<'saved' | 'lost_claim'> {
    const rows = await this.#database.query(
      `update task_runs set ${column} = $5::jsonb where run_id = $1 and task_id = $2 and attempt = $3 and claim_token = $4
        and state = 'running' and lease_until is not null returning 1`,
      [claim.runId, claim.taskId, claim.attempt, claim.claimToken, json(value)],
    )
    return rows.length === 1 ? 'saved' : 'lost_claim'
  }

  async reapExpired(now: Instant): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(REAP_EXPIRED, [sqlInstant(now)])
    return rows.map((row) => row.run_id)
  }

  async currentEpoch(): Promise<number> {
    const [row] = await this.#database.query<{ epoch: number }>('select coalesce(max(epoch), 0) as epoch from epochs')
    if (row === undefined) throw new Error('the newest epoch gave no row')
    return Number(row.epoch)
  }

  async nextLeaseEnd(): Promise<Instant | null> {
    const [row] = await this.#database.query<{ next: Instant | null }>(
      "select min(lease_until) as next from task_runs where state = 'running' and lease_until is not null",
    )
    return row?.next ?? null
  }

  async beginEpoch(reason: string, now: Instant): Promise<{ epoch: number; runs: string[] }> {
    const [row] = await this.#database.query<{ epoch: number; runs: string[] }>(BEGIN_EPOCH, [reason, sqlInstant(now)])
    if (row === undefined) throw new Error('a new epoch could not be begun')
    return row
  }

  async removeWorker(workerId: string): Promise<void> {
    await this.#database.query('delete from workers where worker_id = $1', [workerId])
  }

  async workers(now: Instant): Promise<WorkerInfo[]> {
    const rows = await this.#database.query<Record<string, unknown> & { heartbeat_at: Instant; started_at: Instant }>(
      'select * from workers where heartbeat_at > $1 order by worker_id',
      [sqlInstant(now - WORKER_SHOWN_MS)],
    )
    return rows.map((row) => ({
      id: String(row.worker_id),
      epoch: Number(row.epoch),
      host: String(row.host),
      pid: Number(row.pid),
      queues: row.queues as string[],
      slots: Number(row.slots),
      busy: Number(row.busy),
      startedAt: row.started_at,
      heartbeatAt: row.heartbeat_at,
    }))
  }
}

function toClaimedTask(row: ClaimRow): ClaimedTask {
  return {
    runId: row.run_id,
    dagId: row.dag_id,
    version: row.version,
    taskId: row.task_id,
    attempt: row.attempt,
    tries: row.tries,
    generation: row.generation,
    claimToken: row.claim_token,
    leaseUntil: row.lease_until,
    dueAt: row.due_at,
    intervalStart: row.interval_start,
    intervalEnd: row.interval_end,
    params: row.params,
    triggeredBy: row.triggered_by,
    trigger: row.trigger,
    noChecks: row.no_checks,
    handle: row.handle,
    woken: row.woken,
    item: row.item,
    claimedAt: row.started_at,
  }
}
