import type { Instant } from '../../../json.js'
import type { RunState } from '../../core/model.js'
import type { Schedule, Trigger } from '../../dag/model.js'
import type { Database, SqlRow } from '../database.js'

export const DAG_FILTERS = ['all', 'running', 'failed', 'paused'] as const
export type DagFilter = (typeof DAG_FILTERS)[number]
export const DAG_ORDERS = ['trouble', 'due', 'name'] as const
export type DagOrder = (typeof DAG_ORDERS)[number]

export interface DagListQuery {
  /** part of a DAG's id, of a task's id or of a table that a task writes; '' for all */
  q: string
  state: DagFilter
  tag: string
  owner: string
  order: DagOrder
  /** `key` of the last row seen; '' for the first page */
  after: string
  limit: number
}

export interface ListedRun {
  runId: string
  state: RunState
  dueAt: Instant
  startedAt: Instant | null
  endedAt: Instant | null
  createdAt: Instant
  reason: string
}

export interface ListedDag {
  key: string
  dagId: string
  file: string
  version: string
  paused: boolean
  pauseReason: string
  present: boolean
  nextDueAt: Instant | null
  owner: string
  tags: string[]
  schedule: Schedule | null
  triggers: Trigger[]
}

export type DagCounts = Record<DagFilter, number>

/** Rank of a DAG when trouble comes first: failed, running, quiet, paused, gone. */
const RANK = `case when not present then 4 when paused then 3 when last_state = 'failed' then 0
  when last_state in ('queued', 'running') then 1 else 2 end`

const KEYS: Record<DagOrder, string> = {
  trouble: `(${RANK})::text || dag_id`,
  due: `coalesce(to_char(case when paused then null else next_due_at end at time zone 'UTC', 'YYYYMMDDHH24MISSMS'), '~') || ' ' || dag_id`,
  name: 'dag_id',
}

const FILTERS: Record<DagFilter, string> = {
  all: 'true',
  running: `coalesce(last_state in ('queued', 'running'), false)`,
  failed: `coalesce(last_state = 'failed', false)`,
  paused: 'paused',
}

/** The DAGs of one page, and how many each filter of the state would find among those that match the rest. */
export async function listDags(
  db: Database,
  query: DagListQuery,
): Promise<{ dags: ListedDag[]; counts: DagCounts; next: string | null }> {
  const rows = await db.query<Omit<ListedDag, 'key'> & { key: string | null; counts: DagCounts } & SqlRow>(
    `with matching as (
       select d.*, last.state as last_state
       from dags d
       left join lateral (
         select r.state from runs r where r.dag_id = d.dag_id order by r.due_at desc, r.run_id desc limit 1
       ) last on true
       where ($1 = '' or position($1 in lower(d.dag_id)) > 0 or exists (
           select from dag_versions v, jsonb_array_elements(v.spec->'tasks') task
           where v.version = d.version
             and (position($1 in lower(task->>'id')) > 0 or position($1 in lower(coalesce(task#>>'{config,to}', ''))) > 0)))
         and ($2 = '' or $2 = any(d.tags)) and ($3 = '' or d.owner = $3)
     ), counted as (
       select jsonb_build_object(${Object.entries(FILTERS)
         .map(([name, condition]) => `'${name}', count(*) filter (where ${condition})`)
         .join(', ')}) as counts from matching
     ), listed as (
       select ${KEYS[query.order]} collate "C" as key, * from matching where ${FILTERS[query.state]}
     )
     select c.counts, l.key, l.dag_id as "dagId", l.file, l.version, l.paused, l.pause_reason as "pauseReason", l.present,
       l.next_due_at as "nextDueAt", l.owner, l.tags, v.spec->'schedule' as schedule,
       coalesce(v.spec->'triggers', '[]') as triggers
     from counted c
     left join (select * from listed where key > $4 collate "C" order by key limit $5) l on true
     left join dag_versions v on v.version = l.version
     order by l.key`,
    [query.q.toLowerCase(), query.tag, query.owner, query.after, query.limit + 1],
  )
  const counts = rows[0]?.counts ?? { all: 0, running: 0, failed: 0, paused: 0 }
  const found = rows.flatMap((row) => (row.key === null ? [] : [{ ...row, key: row.key }]))
  const dags = found.slice(0, query.limit)
  return { dags, counts, next: found.length > query.limit ? (dags.at(-1)?.key ?? null) : null }
}

/** The last `limit` runs of each of these DAGs, oldest first. */
export async function recentRuns(
  db: Database,
  dagIds: readonly string[],
  limit: number,
): Promise<Map<string, ListedRun[]>> {
  const rows = await db.query<ListedRun & { dagId: string } & SqlRow>(
    `select d.dag_id as "dagId", r.run_id as "runId", r.state, r.due_at as "dueAt", r.started_at as "startedAt",
       r.ended_at as "endedAt", r.created_at as "createdAt", r.reason
     from unnest($1::text[]) d (dag_id)
     cross join lateral (
       select * from runs where runs.dag_id = d.dag_id order by due_at desc, run_id desc limit $2
     ) r
     order by r.due_at, r.run_id`,
    [dagIds, limit],
  )
  const byDag = new Map<string, ListedRun[]>(dagIds.map((dagId) => [dagId, []]))
  for (const { dagId, ...run } of rows) byDag.get(dagId)?.push(run)
  return byDag
}

/** Those of the files that a registered DAG comes from, of which a good version is kept. */
export async function runningFiles(db: Database, files: readonly string[]): Promise<Set<string>> {
  if (files.length === 0) return new Set()
  const rows = await db.query<{ file: string }>('select file from dags where present and file = any($1)', [files])
  return new Set(rows.map(({ file }) => file))
}

/** What the filters offer. */
export async function dagFacets(db: Database): Promise<{ tags: string[]; owners: string[] }> {
  const [row] = await db.query<{ tags: string[] | null; owners: string[] | null }>(
    `select (select array_agg(distinct tag order by tag) from dags, unnest(tags) tag) as tags,
       (select array_agg(distinct owner order by owner) from dags where owner <> '') as owners`,
  )
  return { tags: row?.tags ?? [], owners: row?.owners ?? [] }
}
