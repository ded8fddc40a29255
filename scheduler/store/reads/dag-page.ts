import type { Instant } from '../../../json.js'
import type { RunKind, RunState, TaskState } from '../../core/model.js'
import type { Database, SqlRow } from '../database.js'
import type { ListedRun } from './dag-list.js'

export interface DagHead {
  dagId: string
  file: string
  version: string
  paused: boolean
  pauseReason: string
  present: boolean
  nextDueAt: Instant | null
  owner: string
  tags: string[]
  versionSince: Instant
  versions: number
  tables: number
}

/** What every page of a DAG says at its top; null when there is no such DAG. */
export async function dagHead(db: Database, dagId: string): Promise<DagHead | null> {
  const [row] = await db.query<DagHead & SqlRow>(
    `select d.dag_id as "dagId", d.file, d.version, d.paused, d.pause_reason as "pauseReason", d.present,
       d.next_due_at as "nextDueAt", d.owner, d.tags, v.created_at as "versionSince",
       (select count(*) from dag_versions all_versions where all_versions.dag_id = d.dag_id) as versions,
       (select count(distinct t.table_name) from table_versions t
         where t.run_id in (select run_id from runs where dag_id = d.dag_id order by due_at desc, run_id desc limit 50)) as tables
     from dags d join dag_versions v on v.version = d.version where d.dag_id = $1`,
    [dagId],
  )
  return row ?? null
}

export interface GridRun extends ListedRun {
  kind: RunKind
  version: string
  intervalStart: Instant
  intervalEnd: Instant
}

/** The last `limit` runs of a DAG, oldest first. */
export async function gridRuns(db: Database, dagId: string, limit: number): Promise<GridRun[]> {
  const rows = await db.query<GridRun & SqlRow>(
    `select run_id as "runId", state, due_at as "dueAt", started_at as "startedAt", ended_at as "endedAt",
       created_at as "createdAt", reason, kind, version, interval_start as "intervalStart", interval_end as "intervalEnd"
     from runs where dag_id = $1 order by due_at desc, run_id desc limit $2`,
    [dagId, limit],
  )
  return rows.reverse()
}

export interface GridCell {
  taskId: string
  state: TaskState
}

/** The states of all tasks of these runs, by run; tasks in the order of the run's version. */
export async function gridCells(db: Database, runIds: readonly string[]): Promise<Map<string, GridCell[]>> {
  const rows = await db.query<{ runId: string; tasks: string[]; states: TaskState[] }>(
    `select run_id as "runId", array_agg(task_id order by position) as tasks, array_agg(state order by position) as states
     from task_runs where run_id = any($1) and item_of is null group by run_id`,
    [runIds],
  )
  return new Map(
    rows.map(({ runId, tasks, states }) => [
      runId,
      tasks.map((taskId, place) => ({ taskId, state: states[place] ?? 'none' })),
    ]),
  )
}

export interface DagVersionEntry {
  version: string
  createdAt: Instant
  runs: number
  lastRunAt: Instant | null
}

/** Versions of a DAG, newest first, before `before` when given; `runs` counts among the last 1,000. */
export function dagVersions(
  db: Database,
  dagId: string,
  before: Instant | null,
  limit: number,
): Promise<DagVersionEntry[]> {
  return db.query<DagVersionEntry & SqlRow>(
    `with recent as (
       select version, count(*) as runs, max(due_at) as last from (
         select version, due_at from runs where dag_id = $1 order by due_at desc, run_id desc limit 1000
       ) last_runs group by version
     )
     select v.version, v.created_at as "createdAt", coalesce(r.runs, 0) as runs, r.last as "lastRunAt"
     from dag_versions v left join recent r on r.version = v.version
     where v.dag_id = $1 and ($2::timestamptz is null or v.created_at < $2)
     order by v.created_at desc limit $3`,
    [dagId, before === null ? null : new Date(before), limit],
  )
}

export interface DagTable {
  table: string
  version: number
  taskId: string
  runId: string
  committedAt: Instant
  rowsTotal: number | null
  bytes: number
}

/** The tables that the last 50 runs of a DAG wrote, each with its newest commit by this DAG. */
export function dagTables(db: Database, dagId: string): Promise<DagTable[]> {
  return db.query<DagTable & SqlRow>(
    `select distinct on (t.table_name) t.table_name as "table", t.version, t.task_id as "taskId", t.run_id as "runId",
       t.committed_at as "committedAt", t.rows_total as "rowsTotal", t.bytes
     from table_versions t
     where t.run_id in (select run_id from runs where dag_id = $1 order by due_at desc, run_id desc limit 50)
     order by t.table_name, t.version desc limit 500`,
    [dagId],
  )
}

/** What of one run is not well or waits for something, worst first. */
export function needsALook(
  db: Database,
  runId: string,
  limit: number,
): Promise<{ taskId: string; state: RunState | TaskState; reason: string; since: Instant }[]> {
  return db.query<{ taskId: string; state: TaskState; reason: string; since: Instant }>(
    `select task_id as "taskId", state, reason, since from task_runs
     where run_id = $1 and state in ('failed', 'up_for_retry', 'deferred', 'scheduled', 'queued')
     order by array_position(array['failed', 'up_for_retry', 'deferred', 'scheduled', 'queued'], state), position limit $2`,
    [runId, limit],
  )
}
