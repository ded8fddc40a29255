import type { Instant } from '../../../json.js'
import type { ApprovalWait } from '../../../operators/wait.js'
import type { RunState } from '../../core/model.js'
import type { Database, SqlRow } from '../database.js'

export interface OpenApproval {
  dagId: string
  runId: string
  taskId: string
  since: Instant
  /** when it counts as decided; null for never */
  until: Instant | null
  wait: ApprovalWait
}

/** What waits for a person, the longest wait first. */
export function openApprovals(db: Database, limit: number): Promise<OpenApproval[]> {
  return db.query<OpenApproval & SqlRow>(
    `select dag_id as "dagId", run_id as "runId", task_id as "taskId", since, not_before as until, waits_for as wait
     from task_runs where state = 'deferred' and waits_for is not null and waits_for ->> 'on' = 'approval'
     order by since, run_id, task_id limit $1`,
    [limit],
  )
}

export interface LookDetail {
  nextLookAt: Instant
  lookedAt: Instant | null
  detail: string
}

/** The look at a condition outside; null before the first is planned. */
export async function lookDetail(db: Database, key: string): Promise<LookDetail | null> {
  const [row] = await db.query<LookDetail & SqlRow>(
    'select next_look_at as "nextLookAt", looked_at as "lookedAt", detail from looks where key = $1',
    [key],
  )
  return row ?? null
}

export interface ChildRun {
  runId: string
  taskId: string
  state: RunState
}

/** The newest runs that tasks of a run have started. */
export function childRuns(db: Database, runId: string, limit: number): Promise<ChildRun[]> {
  return db.query<ChildRun & SqlRow>(
    `select run_id as "runId", parent_task_id as "taskId", state from runs
     where parent_run_id = $1 order by created_at desc, run_id limit $2`,
    [runId, limit],
  )
}
