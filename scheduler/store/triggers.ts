import type { Instant } from '../../json.js'
import type { TriggerEvent } from '../core/model.js'
import { type Database, type SqlStatement, type SqlValue, sqlInstant, sqlInstantOrNull } from './database.js'
import { INSERT_RUNS, INSERT_SLAS, INSERT_TASKS, NEW_RUN_COLUMNS, newRunRow } from './new-run-rows.js'
import { json, jsonInstant } from './rows.js'

import { SET_BACK_MS } from './set-back.js'

import {
  LONGEST_LOOK_PAUSE_MS,
  type PendingTrigger,
  type TableLook,
  type TriggerSource,
  type TriggerStore,
} from './trigger-store.js'

/** Events of one source that one reading takes; also the most that one run stands for. */
const EVENTS_OF_SOURCE = 1_000
const PENDING_SHOWN = 100_000

const SOURCE_COLUMNS = 's.dag_id, s.kind, s.source, s.files, s.since, s.position, s.position_at, s.looked_at, s.problem'

/** One looker at a time, so that no two take the same table. The number is any but those of other locks. */
const LOCK_LOOKERS = 'select pg_advisory_xact_lock(7158303)'

const CLAIM_LOOKS = `
with due as materialized (
  select distinct kind, source, case when kind = 'file' then dag_id end as owner
  from trigger_sources where next_look_at <= $1 or next_look_at > $1 + ${LONGEST_LOOK_PAUSE_MS + SET_BACK_MS} * interval '1 ms'
)
update trigger_sources s set next_look_at = $2 from due
where s.kind = due.kind and s.source = due.source and (due.owner is null or s.dag_id = due.owner)
returning ${SOURCE_COLUMNS}`

/**
 * Versions count anew in a table that was made anew: events of the former table of the name, all seen before its first commit, give
 * their numbers free. Done before and apart from the next statement, which must find them free.
 */
const FREE_NUMBERS = `
update trigger_events e set event_key = e.event_key || '~' || e.event_id
from trigger_sources s
where s.kind = 'table' and s.source = $1 and (s.position > $2 or s.position_at = $4)
  and e.dag_id = s.dag_id and e.kind = 'table' and e.source = s.source and e.event_key ~ '^[0-9]+$' and e.seen_at < $3`

const RECORD_VERSIONS = `
with waiting as materialized (
  select dag_id, source, since, position, coalesce(position > $5::bigint or position_at = $7, false) as is_another
  from trigger_sources where kind = 'table' and source = $1 order by dag_id for update
), seen as (
  select * from jsonb_to_recordset($2::jsonb) as v(version bigint, "committedAt" timestamptz, before bigint, dag text)
), told as (
  insert into trigger_events (dag_id, kind, source, event_key, detail, seen_at)
  select w.dag_id, 'table', w.source, v.version::text,
    jsonb_build_object('table', w.source, 'version', v.version, 'from_version', v.before), $4
  from waiting w cross join seen v
  where case when w.position is null then v."committedAt" > w.since when w.is_another then true else v.version > w.position end
    and v.dag is distinct from w.dag_id
  order by v.version
  on conflict on constraint one_event do nothing returning 1
), moved as (
  update trigger_sources s set position = case when w.is_another then $3 else greatest(s.position, $3) end,
    position_at = case when w.is_another or w.position is null or w.position < $3 then $6
      when w.position = $3 then coalesce($6, s.position_at) else s.position_at end,
    looked_at = $4, problem = ''
  from waiting w where s.kind = 'table' and s.source = w.source and s.dag_id = w.dag_id
)
select count(*)::int as events from told`

const RECORD_FILES = `
with source as materialized (
  select dag_id, source from trigger_sources where kind = 'file' and dag_id = $1 and source = $2 for update
), told as (
  insert into trigger_events (dag_id, kind, source, event_key, detail, seen_at)
  select source.dag_id, 'file', source.source, f.key, jsonb_build_object('files', f.files), $5
  from source, rows from (jsonb_to_recordset($3::jsonb) as (key text, files jsonb)) with ordinality as f(key, files, place)
  order by f.place
  on conflict on constraint one_event do update set gone_at = null
  returning xmax = 0 as is_new
), gone as (
  update trigger_events e set gone_at = $5 from source
  where e.kind = 'file' and e.dag_id = source.dag_id and e.source = source.source and e.event_key = any($4::text[])
), moved as (
  update trigger_sources s set looked_at = $5, problem = '' from source
  where s.kind = 'file' and s.dag_id = source.dag_id and s.source = source.source
)
select count(*)::int as events from told where is_new`

const SET_LOOK = `
update trigger_sources s set problem = $2, looked_at = $4, next_look_at = coalesce($3, s.next_look_at)
from jsonb_to_recordset($1::jsonb) as i("dagId" text, kind text, source text)
where s.dag_id = i."dagId" and s.kind = i.kind and s.source = i.source`

const PENDING = `
select d.dag_id, d.version, e.event_id, e.kind, e.source, e.detail, e.seen_at,
  exists (select 1 from runs r where r.dag_id = d.dag_id and r.state = 'queued' and r.kind = 'triggered') as is_waiting
from (
  select d.dag_id, d.version from dags d
  where d.present and not d.paused and ($1::text is null or d.dag_id > $1)
    and d.dag_id in (select dag_id from trigger_events where run_id is null and dropped_at is null)
  order by d.dag_id limit $2
) d join trigger_sources s using (dag_id)
cross join lateral (
  select * from trigger_events e
  where e.dag_id = s.dag_id and e.kind = s.kind and e.source = s.source and e.run_id is null and e.dropped_at is null
  order by e.event_id limit ${EVENTS_OF_SOURCE}
) e
order by d.dag_id, e.event_id`

/** Events are locked first and counted again once they are: another scheduler may have fired them in between. */
const FIRE = `
with input as materialized (
  select * from jsonb_to_recordset($1::jsonb) as i(events bigint[], ${NEW_RUN_COLUMNS})
), pending as materialized (
  select event_id from trigger_events
  where event_id in (select unnest(events) from input) and run_id is null and dropped_at is null
  order by event_id for update
), slot as materialized (
  select * from input i
  where cardinality(i.events) = (select count(*) from pending where event_id = any(i.events))
), made as (${INSERT_RUNS('null::int')}
), tasks as (${INSERT_TASKS}
), promised as (${INSERT_SLAS}
), taken as (
  update trigger_events e set run_id = made.run_id
  from made join slot using (run_id) where e.event_id = any(slot.events)
)
select run_id from made`

interface SourceRow extends Record<string, unknown> {
  dag_id: string
  kind: TriggerSource['kind']
  source: string
  files: TriggerSource['files']
  since: Instant
  position: number | null
  position_at: Instant | null
  looked_at: Instant | null
  problem: string
}

interface EventRow extends Record<string, unknown> {
  event_id: number
  kind: TriggerEvent['kind']
  source: string
  seen_at: Instant
}

interface PendingRow extends EventRow {
  dag_id: string
  version: string
  detail: TriggerEvent['detail']
  is_waiting: boolean
}

/** What DAGs wait for, what has happened, and the runs that it starts. */
export class TriggerQueries implements TriggerStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async triggerSources(dagId: string | null): Promise<TriggerSource[]> {
    const rows = await this.#database.query<SourceRow>(
      `select ${SOURCE_COLUMNS} from trigger_sources s where $1::text is null or dag_id = $1 order by dag_id, kind, source`,
      [dagId],
    )
    return rows.map(toSource)
  }

  async claimLooks(now: Instant, everyMs: number): Promise<TriggerSource[]> {
    const claim: SqlStatement = { sql: CLAIM_LOOKS, params: [sqlInstant(now), sqlInstant(now + everyMs)] }
    const results = this.#database.exclusive
      ? [await this.#database.query<SourceRow>(claim.sql, claim.params)]
      : await this.#database.transaction([{ sql: LOCK_LOOKERS, params: [] }, claim])
    return ((results.at(-1) ?? []) as SourceRow[]).map(toSource)
  }

  async nextTriggerLook(): Promise<Instant | null> {
    const [row] = await this.#database.query<{ at: Instant | null }>(
      'select min(next_look_at) as at from trigger_sources',
    )
    return row?.at ?? null
  }

  async recordVersions(table: string, look: TableLook, now: Instant): Promise<number> {
    const { versions, position, positionAt = null, anew = null } = look
    const seen = versions.map((version) => ({ ...version, committedAt: jsonInstant(version.committedAt) }))
    const [at, former] = [sqlInstantOrNull(positionAt), sqlInstantOrNull(anew?.former ?? null)]
    const params = [table, json(seen), position, sqlInstant(now), anew?.newest ?? null, at, former]
    if (anew === null) return this.#recorded(RECORD_VERSIONS, params)
    const freeing = { sql: FREE_NUMBERS, params: [table, anew.newest, sqlInstant(anew.since), former] }
    const results = await this.#database.transaction([freeing, { sql: RECORD_VERSIONS, params }])
    return Number(results.at(-1)?.[0]?.events ?? 0)
  }

  async recordFiles(
    { dagId, source }: { dagId: string; source: string },
    { files, gone }: Parameters<TriggerStore['recordFiles']>[1],
    now: Instant,
  ): Promise<number> {
    return this.#recorded(RECORD_FILES, [dagId, source, json(files), gone, sqlInstant(now)])
  }

  async #recorded(sql: string, params: readonly SqlValue[]): Promise<number> {
    const [row] = await this.#database.query<{ events: number }>(sql, params)
    return row?.events ?? 0
  }

  async knownFiles({ dagId, source }: { dagId: string; source: string }): Promise<string[]> {
    const rows = await this.#database.query<{ event_key: string }>(
      `select event_key from trigger_events where dag_id = $1 and kind = 'file' and source = $2 and gone_at is null`,
      [dagId, source],
    )
    return rows.map((row) => row.event_key)
  }

  async setLook(
    sources: Parameters<TriggerStore['setLook']>[0],
    { problem, lookAgainAt }: Parameters<TriggerStore['setLook']>[1],
    now: Instant,
  ): Promise<void> {
    const keys = sources.map(({ dagId, kind, source }) => ({ dagId, kind, source }))
    await this.#database.query(SET_LOOK, [json(keys), problem, sqlInstantOrNull(lookAgainAt), sqlInstant(now)])
  }

  async pendingTriggers(after: string | null, limit: number): Promise<PendingTrigger[]> {
    const rows = await this.#database.query<PendingRow>(PENDING, [after, limit])
    const found = new Map<string, PendingTrigger>()
    for (const row of rows) {
      const { dag_id: dagId, version, is_waiting: isWaiting } = row
      const pending = found.get(dagId) ?? { dagId, version, isWaiting, events: [] }
      pending.events.push({ ...toEvent(row), detail: row.detail })
      found.set(dagId, pending)
    }
    return [...found.values()]
  }

  async pendingEvents(dagId: string): ReturnType<TriggerStore['pendingEvents']> {
    const rows = await this.#database.query<EventRow>(
      `select event_id, kind, source, seen_at from trigger_events
        where dag_id = $1 and run_id is null and dropped_at is null order by event_id limit ${PENDING_SHOWN}`,
      [dagId],
    )
    return rows.map(toEvent)
  }

  async fireTriggers(fires: Parameters<TriggerStore['fireTriggers']>[0], now: Instant): Promise<string[]> {
    const input = fires.map(({ run, events }) => ({ ...newRunRow(run), events }))
    const rows = await this.#database.query<{ run_id: string }>(FIRE, [json(input), sqlInstant(now)])
    return rows.map((row) => row.run_id)
  }

  async dropEvents(dagId: string, events: readonly number[], now: Instant): Promise<number> {
    const rows = await this.#database.query(
      `update trigger_events set dropped_at = $3
        where dag_id = $1 and event_id = any($2::bigint[]) and run_id is null and dropped_at is null returning 1`,
      [dagId, events, sqlInstant(now)],
    )
    return rows.length
  }
}

function toSource(row: SourceRow): TriggerSource {
  return {
    dagId: row.dag_id,
    kind: row.kind,
    source: row.source,
    files: row.files,
    since: row.since,
    position: row.position === null ? null : Number(row.position),
    positionAt: row.position_at,
    lookedAt: row.looked_at,
    problem: row.problem,
  }
}

function toEvent(row: EventRow): Pick<TriggerEvent, 'id' | 'kind' | 'source' | 'seenAt'> {
  return { id: Number(row.event_id), kind: row.kind, source: row.source, seenAt: row.seen_at }
}
