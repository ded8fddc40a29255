import type { Instant, Json } from '../../../json.js'
import type { Wait } from '../../../operators/wait.js'
import type { RunState, TaskState } from '../../core/model.js'
import type { Database, SqlRow } from '../database.js'

export interface RunTask {
  taskId: string
  state: TaskState
  attempt: number
  tries: number
  generation: number
  pool: string
  queue: string
  since: Instant
  notBefore: Instant | null
  startedAt: Instant | null
  endedAt: Instant | null
  reason: string
  cancelRequested: boolean
  workerId: string | null
  leaseUntil: Instant | null
  progress: Json
  waitsFor: Wait | null
  /** of an item its value */
  item: Json
}

export interface RunAttempt {
  taskId: string
  attempt: number
  generation: number
  workerId: string
  claimedAt: Instant
  endedAt: Instant | null
  result: string | null
  reason: string
  logLines: number
  logBytes: number
}

const TASK = `select task_id as "taskId", state, attempt, tries, generation, pool, queue, since, not_before as "notBefore",
  started_at as "startedAt", ended_at as "endedAt", reason, cancel_requested as "cancelRequested", worker_id as "workerId",
  lease_until as "leaseUntil", progress, waits_for as "waitsFor", item from task_runs`

/** The tasks of a run in the order of its DAG; of a task with `for_each` its own row, not those of its items. */
export function runTasks(db: Database, runId: string): Promise<RunTask[]> {
  return db.query<RunTask & SqlRow>(`${TASK} where run_id = $1 and item_of is null order by position`, [runId])
}

/** One task of a run, or one item (`load.17`); null when there is no such. */
export async function runTask(db: Database, runId: string, taskId: string): Promise<RunTask | null> {
  const rows = await db.query<RunTask & SqlRow>(`${TASK} where run_id = $1 and task_id = $2`, [runId, taskId])
  return rows[0] ?? null
}

/**
 * Items of a task with `for_each` by their number, from `from` on.
 * @param state '' for all
 */
export function runItems(
  db: Database,
  runId: string,
  taskId: string,
  { from, limit, state = '' }: { from: number; limit: number; state?: string },
): Promise<RunTask[]> {
  return db.query<RunTask & SqlRow>(
    `${TASK} where run_id = $1 and item_of = $2 and item_index >= $3 and ($5 = '' or state = $5)
     order by item_index limit $4`,
    [runId, taskId, from, limit, state],
  )
}

/** How many items of a task are in each state. */
export async function itemCounts(
  db: Database,
  runId: string,
  taskId: string,
): Promise<{ state: TaskState; count: number }[]> {
  return db.query<{ state: TaskState; count: number }>(
    `select state, count(*)::int as count from task_runs where run_id = $1 and item_of = $2 group by state order by state`,
    [runId, taskId],
  )
}

/** The newest `limit` attempts of a run, by task and number; without `taskId` those of all its tasks, items left out. */
export function runAttempts(
  db: Database,
  runId: string,
  limit: number,
  taskId: string | null = null,
): Promise<RunAttempt[]> {
  return db.query<RunAttempt & SqlRow>(
    `select * from (
       select task_id as "taskId", attempt, generation, worker_id as "workerId", claimed_at as "claimedAt",
         ended_at as "endedAt", result, reason, log_lines as "logLines", log_bytes as "logBytes"
       from attempts where run_id = $1 and (task_id = $3 or $3::text is null and position('.' in task_id) = 0)
       order by claimed_at desc limit $2
     ) newest order by "taskId", attempt`,
    [runId, limit, taskId],
  )
}

/** What one attempt was given and what it measured. */
export async function attemptDetail(
  db: Database,
  runId: string,
  taskId: string,
  attempt: number,
): Promise<{ rendered: Json; metrics: Json; outputs: Json } | null> {
  const [row] = await db.query<{ rendered: Json; metrics: Json; outputs: Json }>(
    `select rendered, metrics, outputs from attempts where run_id = $1 and task_id = $2 and attempt = $3`,
    [runId, taskId, attempt],
  )
  return row ?? null
}

export interface Neighbour {
  runId: string
  dueAt: Instant
  kind: string
}

/** The runs of the same DAG before and after this one. */
export async function neighbours(
  db: Database,
  run: { id: string; dagId: string; dueAt: Instant },
): Promise<{ before: Neighbour | null; after: Neighbour | null }> {
  const one = (side: string, sign: string, order: string) =>
    `(select '${side}' as side, run_id as "runId", due_at as "dueAt", kind from runs
      where dag_id = $1 and (due_at, run_id) ${sign} ($2, $3) order by due_at ${order}, run_id ${order} limit 1)`
  const rows = await db.query<Neighbour & { side: string } & SqlRow>(
    `${one('before', '<', 'desc')} union all ${one('after', '>', 'asc')}`,
    [run.dagId, new Date(run.dueAt), run.id],
  )
  const find = (side: string) => rows.find((row) => row.side === side) ?? null
  return { before: find('before'), after: find('after') }
}

/** How long the last successful runs of a DAG took, in milliseconds, newest first; `except` is left out. */
export async function pastDurations(
  db: Database,
  dagId: string,
  limit: number,
  except: string | null = null,
): Promise<number[]> {
  const rows = await db.query<{ startedAt: Instant; endedAt: Instant }>(
    `select started_at as "startedAt", ended_at as "endedAt" from (
       select run_id, state, started_at, ended_at from runs where dag_id = $1 order by due_at desc, run_id desc limit $2
     ) recent where state = 'success' and started_at is not null and ended_at is not null and run_id is distinct from $3`,
    [dagId, limit, except],
  )
  return rows.map((row) => row.endedAt - row.startedAt)
}

/** How long the last successful attempts of one task took in other runs, in milliseconds, newest first. */
export async function pastTaskDurations(
  db: Database,
  run: { id: string; dagId: string },
  taskId: string,
  limit: number,
): Promise<number[]> {
  const rows = await db.query<{ claimedAt: Instant; endedAt: Instant }>(
    `select a.claimed_at as "claimedAt", a.ended_at as "endedAt"
     from (select run_id from runs where dag_id = $1 order by due_at desc, run_id desc limit $3) r
     join task_runs t on t.run_id = r.run_id and t.task_id = $2
     join attempts a on a.run_id = t.run_id and a.task_id = t.task_id and a.attempt = t.attempt
     where a.result = 'success' and a.ended_at is not null and r.run_id <> $4
     order by a.claimed_at desc`,
    [run.dagId, taskId, limit, run.id],
  )
  return rows.map((row) => row.endedAt - row.claimedAt)
}

/** Runs of a DAG that are queued or running, oldest first. */
export function activeRuns(db: Database, dagId: string): Promise<{ runId: string; state: RunState; dueAt: Instant }[]> {
  return db.query<{ runId: string; state: RunState; dueAt: Instant }>(
    `select run_id as "runId", state, due_at as "dueAt" from runs
     where dag_id = $1 and state in ('queued', 'running') order by due_at, run_id limit 100`,
    [dagId],
  )
}
