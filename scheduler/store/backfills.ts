import type { Instant } from '../../json.js'
import type { RunState } from '../core/model.js'
import type { Backfill, BackfillChoice, BackfillState, BackfillStore, NewBackfill, SlotRuns } from './backfill-store.js'
import { type Database, sqlInstant, sqlInstantOrNull } from './database.js'
import { INSERT_RUNS, INSERT_SLAS, INSERT_TASKS, NEW_RUN_COLUMNS, newRunRow } from './new-run-rows.js'
import { json } from './rows.js'

const COLUMNS = `b.backfill_id, b.dag_id, b.version, b.state, b.which, b.from_at, b.to_at, b.reverse, b.max_active, b.next_due_at,
  b.slots, b.passed, b.created_by, b.created_at, b.ended_at,
  (select coalesce(jsonb_object_agg(state, n), '{}') from (
    select state, count(*) as n from runs r where r.backfill_id = b.backfill_id group by state
  ) counted) as runs`

const TO_ADVANCE = `
select * from (
  select ${COLUMNS} from backfills b join dags d using (dag_id)
  where b.state = 'running' and d.present and not d.paused
) open
where coalesce((runs ->> 'queued')::int, 0) + coalesce((runs ->> 'running')::int, 0)
  < case when next_due_at is null then 1 else max_active end
order by backfill_id limit $1`

/** The row is locked first: a second scheduler waits, and then finds that the backfill has moved on. */
const ADVANCE = `
with backfill as materialized (
  select backfill_id, dag_id, which from backfills
  where backfill_id = $1 and state = 'running' and next_due_at is not distinct from $3::timestamptz for update
), slot as materialized (
  select r.*, b.backfill_id, b.which from backfill b, jsonb_to_recordset($6::jsonb) as r(${NEW_RUN_COLUMNS})
), made as (${INSERT_RUNS(
  'backfill_id',
  `which = 'all' or not exists (
      select 1 from runs r where r.dag_id = slot.dag_id and r.due_at = slot.due_at and r.kind in ('scheduled', 'backfill')
        and (slot.which = 'missing' or r.state not in ('failed', 'cancelled')))`,
)}
), tasks as (${INSERT_TASKS}
), promised as (${INSERT_SLAS}
), advanced as (
  update backfills b set next_due_at = $4, passed = b.passed + $5,
    state = case when $3::timestamptz is null then 'done' else b.state end,
    ended_at = case when $3::timestamptz is null then $2 else b.ended_at end
  from backfill where b.backfill_id = backfill.backfill_id
)
select coalesce((select array_agg(run_id) from made), '{}') as created from backfill`

interface BackfillRow extends Record<string, unknown> {
  backfill_id: number
  dag_id: string
  version: string
  state: BackfillState
  which: BackfillChoice
  from_at: Instant
  to_at: Instant
  reverse: boolean
  max_active: number
  next_due_at: Instant | null
  slots: number
  passed: number
  created_by: string
  created_at: Instant
  ended_at: Instant | null
  runs: Partial<Record<RunState, number>>
}

/** Runs for intervals of the past, made as there is room for them. */
export class BackfillQueries implements BackfillStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async createBackfill(backfill: NewBackfill, now: Instant): Promise<number> {
    const [row] = await this.#database.query<{ backfill_id: number }>(
      `insert into backfills (dag_id, state, which, from_at, to_at, reverse, max_active, next_due_at, slots, created_by,
        created_at, version, idempotency_key, request_hash)
      values ($1, 'running', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
      on conflict (idempotency_key) where idempotency_key is not null do nothing returning backfill_id`,
      [
        backfill.dagId,
        backfill.which,
        sqlInstant(backfill.from),
        sqlInstant(backfill.to),
        backfill.reverse,
        backfill.maxActive,
        sqlInstant(backfill.nextDueAt),
        backfill.slots,
        backfill.createdBy,
        sqlInstant(now),
        backfill.version,
        backfill.idempotency?.key ?? null,
        backfill.idempotency?.requestHash ?? null,
      ],
    )
    const there = row === undefined ? await this.backfillOfKey(backfill.idempotency?.key ?? '') : null
    if (there !== null) return there.id
    if (row === undefined) throw new Error('a backfill was inserted and has no id')
    return row.backfill_id
  }

  async backfillOfKey(key: string): Promise<{ id: number; requestHash: string } | null> {
    const [row] = await this.#database.query<{ id: number; requestHash: string }>(
      'select backfill_id as id, request_hash as "requestHash" from backfills where idempotency_key = $1',
      [key],
    )
    return row ?? null
  }

  async backfill(id: number): Promise<Backfill | null> {
    const [row] = await this.#database.query<BackfillRow>(
      `select ${COLUMNS} from backfills b where b.backfill_id = $1`,
      [id],
    )
    return row === undefined ? null : toBackfill(row)
  }

  async backfills(dagId: string | null, before: number | null, limit: number): Promise<Backfill[]> {
    const rows = await this.#database.query<BackfillRow>(
      `select ${COLUMNS} from backfills b
        where ($1::text is null or b.dag_id = $1) and ($2::int is null or b.backfill_id < $2)
        order by b.backfill_id desc limit $3`,
      [dagId, before, limit],
    )
    return rows.map(toBackfill)
  }

  async backfillsToAdvance(limit: number): Promise<Backfill[]> {
    return (await this.#database.query<BackfillRow>(TO_ADVANCE, [limit])).map(toBackfill)
  }

  async slotRuns(dagId: string, from: Instant, to: Instant): Promise<SlotRuns[]> {
    const rows = await this.#database.query<{ due_at: Instant; is_good: boolean }>(
      `select due_at, bool_or(state not in ('failed', 'cancelled')) as is_good from runs
        where dag_id = $1 and due_at between $2 and $3 and kind in ('scheduled', 'backfill') group by due_at order by due_at`,
      [dagId, sqlInstant(from), sqlInstant(to)],
    )
    return rows.map((row) => ({ dueAt: row.due_at, isGood: row.is_good }))
  }

  async advanceBackfill(
    id: number,
    expect: Instant | null,
    { nextDueAt, passed, runs }: Parameters<BackfillStore['advanceBackfill']>[2],
    now: Instant,
  ): ReturnType<BackfillStore['advanceBackfill']> {
    const [row] = await this.#database.query<{ created: string[] }>(ADVANCE, [
      id,
      sqlInstant(now),
      sqlInstantOrNull(expect),
      sqlInstantOrNull(nextDueAt),
      passed,
      json(runs.map(newRunRow)),
    ])
    return row === undefined ? { outcome: 'moved' } : { outcome: 'advanced', created: row.created }
  }

  async setBackfillState(
    id: number,
    expect: readonly BackfillState[],
    state: Exclude<BackfillState, 'done'>,
    now: Instant,
  ): Promise<'changed' | 'unchanged' | 'unknown'> {
    const [row] = await this.#database.query<{ known: boolean; changed: boolean }>(
      `with changed as (
        update backfills set state = $3, ended_at = case when $3 = 'cancelled' then $4::timestamptz end
        where backfill_id = $1 and state = any($2::text[]) returning 1
      ) select exists (select 1 from backfills where backfill_id = $1) as known, exists (select 1 from changed) as changed`,
      [id, expect, state, sqlInstant(now)],
    )
    if (row?.known !== true) return 'unknown'
    return row.changed ? 'changed' : 'unchanged'
  }

  async activeRunsOf(backfillId: number): Promise<string[]> {
    const rows = await this.#database.query<{ run_id: string }>(
      `select run_id from runs where backfill_id = $1 and state in ('queued', 'running') order by run_id`,
      [backfillId],
    )
    return rows.map((row) => row.run_id)
  }
}

function toBackfill(row: BackfillRow): Backfill {
  return {
    id: row.backfill_id,
    dagId: row.dag_id,
    version: row.version,
    state: row.state,
    which: row.which,
    from: row.from_at,
    to: row.to_at,
    reverse: row.reverse,
    maxActive: row.max_active,
    nextDueAt: row.next_due_at,
    slots: row.slots,
    passed: row.passed,
    createdBy: row.created_by,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    runs: { queued: 0, running: 0, success: 0, failed: 0, cancelled: 0, ...row.runs },
  }
}
