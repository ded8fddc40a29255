import type { Instant } from '../../json.js'
import { NO_ALERTS } from '../core/alerts.js'
import { type Dag, DEFAULTS_FILE, type Problem } from '../dag/model.js'
import { ALERT_EVENTS, raisingAlerts } from './alerts.js'
import { type Database, sqlInstant, sqlInstantOrNull } from './database.js'
import { json, jsonInstant } from './rows.js'
import { makingSlasDue } from './slas.js'
import { type DagStore, FILE_DISAPPEARED, type RegisteredDag } from './store.js'
import { sourcesOf } from './trigger-store.js'

/** Versions kept in memory; a version never changes. */
const CACHED_VERSIONS = 256

const COLUMNS = 'dag_id, file, version, paused, pause_reason, present, next_due_at'

/** One reading at a time, so that each is compared with what the one before it has left. */
const LOCK_READINGS = 'select pg_advisory_xact_lock(7158304)'

const REGISTER = `
with input as (
  select * from jsonb_to_recordset($1::jsonb) as i(dag_id text, file text, version text, spec jsonb, description text,
    owner text, tags text[], has_next boolean, next_due_at timestamptz, expect text,
    expect_due timestamptz, sources jsonb)
), broken_before as (
  select distinct problem ->> 'file' as file from dag_problems where problem ->> 'severity' = 'error'
), broken as (
  select distinct value ->> 'file' as file from jsonb_array_elements($3::jsonb) where value ->> 'severity' = 'error'
), event as (
  -- another scheduler may have told of the same file since this one looked
  select key, kind, subject, "dagId", "runId", "taskId", payload, destinations, after
  from jsonb_to_recordset($6::jsonb) as e(${ALERT_EVENTS})
  where kind <> 'file_broken' or subject not in (select file from broken_before)
  union all
  select 'file_mended ' || file, 'file_mended', file, null, null, null, '{}'::jsonb, $7::text[], 'file_broken'
  from broken_before where $7::text[] is not null and file not in (select file from broken)
    and (file in (select file from input) or regexp_replace(file, '.*/', '') = $8)
), ${raisingAlerts('event e', '$4::timestamptz')}, versions as (
  insert into dag_versions (version, dag_id, spec, created_at)
  select version, dag_id, spec, $4 from input where spec is not null on conflict (version) do nothing
), registered as (
  insert into dags as d (dag_id, file, version, next_due_at, description, owner, tags, registered_at, changed_at)
  select dag_id, file, version, next_due_at, description, owner, tags, $4, $4 from input
  on conflict (dag_id) do update set file = excluded.file, version = excluded.version, present = true,
    description = excluded.description, owner = excluded.owner, tags = excluded.tags,
    next_due_at = case when excluded.dag_id in (select dag_id from input where has_next) then excluded.next_due_at else d.next_due_at end,
    paused = d.paused and d.pause_reason <> $5,
    pause_reason = case when d.pause_reason = $5 then '' else d.pause_reason end,
    changed_at = case when d.version = excluded.version then d.changed_at else $4 end
  where excluded.dag_id not in (select dag_id from input where expect is not null)
    or (d.present and (excluded.dag_id, d.version) in (select dag_id, expect from input where expect is not null)
      and (excluded.dag_id not in (select dag_id from input where has_next) or (excluded.dag_id, coalesce(d.next_due_at, '-infinity'))
        in (select dag_id, coalesce(expect_due, '-infinity') from input where has_next)))
  returning d.dag_id
), ${makingSlasDue('join dags d on d.dag_id = s.dag_id', 'd.paused and d.pause_reason = $5 and d.dag_id in (select dag_id from input)', '$4')}, vanished as (
  update dags set present = false, paused = true, pause_reason = case when paused then pause_reason else $5 end
  where present and file <> all ($2::text[]) and dag_id not in (select dag_id from input)
), waited_for as (
  select i.dag_id, s.* from input i, jsonb_to_recordset(i.sources) as s(kind text, source text, files jsonb)
), begun as (
  insert into trigger_sources (dag_id, kind, source, files, since, next_look_at)
  select dag_id, kind, source, files, $4, case when kind <> 'dag' then $4 end from waited_for
  on conflict (dag_id, kind, source) do update set files = excluded.files
    where trigger_sources.files is distinct from excluded.files
), ended as (
  delete from trigger_sources s
  where not exists (select 1 from waited_for w where w.dag_id = s.dag_id and w.kind = s.kind and w.source = s.source)
    and s.dag_id not in (select dag_id from dags where file = any ($2::text[]) and dag_id not in (select dag_id from input))
  returning dag_id, kind, source
), given_up as (
  delete from trigger_events e using ended
  where e.dag_id = ended.dag_id and e.kind = ended.kind and e.source = ended.source and e.run_id is null
), forgotten as (
  delete from dag_problems where position >= jsonb_array_length($3::jsonb)
), problems as (
  insert into dag_problems (position, problem, seen_at)
  select ordinality - 1, value, $4 from jsonb_array_elements($3::jsonb) with ordinality
  on conflict (position) do update set problem = excluded.problem,
    seen_at = case when dag_problems.problem = excluded.problem then dag_problems.seen_at else excluded.seen_at end
)
select dag_id from input where dag_id not in (select dag_id from registered)`

interface DagRow extends Record<string, unknown> {
  dag_id: string
  file: string
  version: string
  paused: boolean
  pause_reason: string
  present: boolean
  next_due_at: Instant | null
}

/** DAGs as registered, their versions and what is wrong with their files. */
export class DagQueries implements DagStore {
  readonly #database: Database
  readonly #versions = new Map<string, Dag>()

  constructor(database: Database) {
    this.#database = database
  }

  async registerDags(input: Parameters<DagStore['registerDags']>[0], now: Instant): Promise<string[]> {
    const stored = new Set((await this.dags()).map((dag) => dag.version))
    const dags = input.dags.map((dag) => ({
      dag_id: dag.id,
      file: dag.file,
      version: dag.version,
      // most of a reading is as it was: what is stored is not sent again
      spec: stored.has(dag.version) ? null : dag,
      description: dag.description,
      owner: dag.owner,
      tags: dag.tags,
      has_next: Object.hasOwn(input.nextDue, dag.id),
      next_due_at: jsonInstant(input.nextDue[dag.id] ?? null),
      expect: input.expect?.[dag.id]?.version ?? null,
      expect_due: jsonInstant(input.expect?.[dag.id]?.nextDueAt ?? null),
      sources: sourcesOf(dag),
    }))
    const params = [
      json(dags),
      input.broken,
      json(input.problems),
      sqlInstant(now),
      FILE_DISAPPEARED,
      json(input.alerts ?? []),
      input.mendedTo ?? null,
      DEFAULTS_FILE,
    ]
    const results = this.#database.exclusive
      ? [await this.#database.query(REGISTER, params)]
      : await this.#database.transaction([
          { sql: LOCK_READINGS, params: [] },
          { sql: REGISTER, params },
        ])
    return (results.at(-1) ?? []).map((row) => String(row.dag_id))
  }

  async dags(): Promise<RegisteredDag[]> {
    const rows = await this.#database.query<DagRow>(`select ${COLUMNS} from dags order by dag_id`)
    return rows.map(toRegisteredDag)
  }

  async dag(dagId: string): Promise<RegisteredDag | null> {
    const [row] = await this.#database.query<DagRow>(`select ${COLUMNS} from dags where dag_id = $1`, [dagId])
    return row === undefined ? null : toRegisteredDag(row)
  }

  async dagVersion(version: string): Promise<Dag | null> {
    const known = this.#versions.get(version)
    if (known !== undefined) return known
    const [row] = await this.#database.query<{ spec: Dag }>('select spec from dag_versions where version = $1', [
      version,
    ])
    if (row === undefined) return null
    const dag = withDefaults(row.spec)
    this.#versions.set(version, dag)
    const oldest = this.#versions.keys().next()
    if (this.#versions.size > CACHED_VERSIONS && !oldest.done) this.#versions.delete(oldest.value)
    return dag
  }

  async problems(): Promise<Problem[]> {
    const rows = await this.#database.query<{ problem: Problem }>('select problem from dag_problems order by position')
    return rows.map((row) => row.problem)
  }

  async setPaused(
    dagId: string,
    paused: boolean,
    reason: string,
    now: Instant,
  ): Promise<'changed' | 'unchanged' | 'unknown'> {
    const [row] = await this.#database.query<{ known: boolean; changed: boolean }>(
      `with changed as (
        update dags set paused = $2, pause_reason = case when $2 then $3 else '' end
        where dag_id = $1 and (paused <> $2 or ($2 and pause_reason = $5)) returning dag_id
      ), ${makingSlasDue('join changed using (dag_id)', 'not $2', '$4::timestamptz')}
      select exists (select 1 from dags where dag_id = $1) as known, exists (select 1 from changed) as changed`,
      [dagId, paused, reason, sqlInstant(now), FILE_DISAPPEARED],
    )
    if (row?.known !== true) return 'unknown'
    return row.changed ? 'changed' : 'unchanged'
  }

  async setNextDue(dagId: string, expect: Instant | null, nextDueAt: Instant | null): Promise<'changed' | 'moved'> {
    const rows = await this.#database.query(
      'update dags set next_due_at = $3 where dag_id = $1 and next_due_at is not distinct from $2::timestamptz returning 1',
      [dagId, sqlInstantOrNull(expect), sqlInstantOrNull(nextDueAt)],
    )
    return rows.length === 1 ? 'changed' : 'moved'
  }

  async dueDags(now: Instant, limit: number): Promise<RegisteredDag[]> {
    const rows = await this.#database.query<DagRow>(
      `select ${COLUMNS} from dags where present and not paused and next_due_at <= $1 order by next_due_at, dag_id limit $2`,
      [sqlInstant(now), limit],
    )
    return rows.map(toRegisteredDag)
  }

  async nextDueAt(): Promise<Instant | null> {
    const [row] = await this.#database.query<{ at: Instant | null }>(
      'select min(next_due_at) as at from dags where present and not paused',
    )
    return row?.at ?? null
  }

  async setPools(pools: Record<string, number>): Promise<void> {
    await this.#database.query(
      `with input as (
        select key as pool, value::int as size from jsonb_each_text($1::jsonb)
      ), dropped as (
        delete from pools where pool not in (select pool from input)
      )
      insert into pools (pool, size) select pool, size from input on conflict (pool) do update set size = excluded.size`,
      [json(pools)],
    )
  }
}

function toRegisteredDag(row: DagRow): RegisteredDag {
  return {
    id: row.dag_id,
    file: row.file,
    version: row.version,
    paused: row.paused,
    pauseReason: row.pause_reason,
    present: row.present,
    nextDueAt: row.next_due_at,
  }
}

/** A version that an older Sluice stored stays as it is: what came later has its default. */
function withDefaults(dag: Dag): Dag {
  return { ...LATER_DAG_FIELDS, ...dag, tasks: dag.tasks.map((task) => ({ ...LATER_TASK_FIELDS, ...task })) }
}

const LATER_DAG_FIELDS = { triggers: [], alerts: NO_ALERTS, slas: [] }
const LATER_TASK_FIELDS = { forEach: null, alerts: NO_ALERTS, slas: [] }
