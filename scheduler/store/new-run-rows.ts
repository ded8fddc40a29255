import { jsonInstant } from './rows.js'
import { insertingSlas, newSlaRow } from './slas.js'
import type { NewRun } from './store.js'

/** Columns of a run as `newRunRow` gives them, for `jsonb_to_recordset`. */
export const NEW_RUN_COLUMNS = `run_id text, dag_id text, version text, kind text, due_at timestamptz,
  interval_start timestamptz, interval_end timestamptz, params jsonb, triggered_by text, only_tasks text[], no_checks boolean,
  max_active_runs int, max_active_tasks int, overlap text, depends_on_past text, run_timeout_ms bigint, tasks jsonb, slas jsonb,
  trigger jsonb`

/** Inserts runs from `slot` (rows of `newRunRow`); the instant is $2, `made` has their ids. */
export const INSERT_RUNS = (backfillId: string, where = 'true') => `
  insert into runs (run_id, dag_id, version, kind, state, due_at, interval_start, interval_end, params, triggered_by,
    only_tasks, no_checks, max_active_runs, max_active_tasks, overlap, depends_on_past,
    run_timeout_ms, created_at, backfill_id, trigger)
  select run_id, dag_id, version, kind, 'queued', due_at, interval_start, interval_end, params, triggered_by, only_tasks,
    no_checks, max_active_runs, max_active_tasks, overlap, depends_on_past, run_timeout_ms, $2, ${backfillId}, trigger
  from slot where ${where}
  on conflict do nothing returning run_id, dag_id`

/** Inserts the tasks of the runs that were made. */
export const INSERT_TASKS = `
  insert into task_runs (run_id, task_id, dag_id, position, state, pool, pool_slots, queue, priority, since, reason)
  select made.run_id, t."taskId", made.dag_id, t.position, 'none', t.pool, coalesce(t."poolSlots", 1), t.queue, t.priority, $2,
    'waits for the run to start'
  from made join slot using (run_id),
    jsonb_to_recordset(slot.tasks) as t("taskId" text, position int, pool text, "poolSlots" int, queue text, priority int)`

/** Inserts the SLAs of the runs that were made. */
export const INSERT_SLAS = insertingSlas(
  '(select made.run_id, made.dag_id, slot.slas from made join slot using (run_id))',
  '$2',
)

/**
 * A run for INSERT_RUNS, with its tasks in the order of the DAG file and its SLAs; instants are text, since they stand
 * in a JSON parameter.
 */
export function newRunRow(run: NewRun): object {
  return {
    run_id: run.id,
    dag_id: run.dagId,
    version: run.version,
    kind: run.kind,
    due_at: jsonInstant(run.dueAt),
    interval_start: jsonInstant(run.intervalStart),
    interval_end: jsonInstant(run.intervalEnd),
    params: run.params,
    triggered_by: run.triggeredBy,
    only_tasks: run.onlyTasks,
    no_checks: run.noChecks,
    max_active_runs: run.maxActiveRuns,
    max_active_tasks: run.maxActiveTasks,
    ...(run.trigger == null ? {} : { trigger: run.trigger }),
    overlap: run.overlap,
    depends_on_past: run.dependsOnPast,
    run_timeout_ms: run.runTimeoutMs,
    tasks: run.tasks.map((task, position) => ({ ...task, position })),
    slas: run.slas.map(newSlaRow),
  }
}
