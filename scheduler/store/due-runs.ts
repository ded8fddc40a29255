import type { Instant } from '../../json.js'
import { type Database, sqlInstant } from './database.js'
import { json, jsonInstant } from './rows.js'
import type { DueAdvance, NewRun, RunStore } from './store.js'

/**
 * Task rows that one statement writes. One whose text grows with the runs that are due would hold everything else up; a
 * single DAG is never split, because its runs and its next due instant move together.
 */
const TASKS_AT_ONCE = 5_000

/**
 * DAGs are locked in one order, so that two schedulers with the same ticks do not lock each other out: the second waits,
 * and then finds that they have moved. The runs of a DAG are only looked at once it is locked.
 */
const ADVANCE_DUE = `
with input as materialized (
  select * from jsonb_to_recordset($1::jsonb) as i(dag_id text, expect timestamptz, next_due_at timestamptz, runs jsonb)
), due as materialized (
  select d.dag_id, i.next_due_at from input i join dags d on d.dag_id = i.dag_id and d.next_due_at = i.expect
  order by d.dag_id for update of d
), slot as materialized (
  select r.* from due join input i using (dag_id), jsonb_to_recordset(i.runs) as r(run_id text, dag_id text, version text,
    kind text, due_at timestamptz, interval_start timestamptz, interval_end timestamptz, params jsonb, triggered_by text,
    only_tasks text[], no_checks boolean, max_active_runs int, max_active_tasks int, tasks jsonb)
), made as (
  insert into runs (run_id, dag_id, version, kind, state, due_at, interval_start, interval_end, params, triggered_by,
    only_tasks, no_checks, max_active_runs, max_active_tasks, created_at)
  select run_id, dag_id, version, kind, 'queued', due_at, interval_start, interval_end, params, triggered_by, only_tasks,
    no_checks, max_active_runs, max_active_tasks, $2 from slot
  on conflict do nothing returning run_id, dag_id
), tasks as (
  insert into task_runs (run_id, task_id, dag_id, position, state, pool, queue, priority, since, reason)
  select made.run_id, t."taskId", made.dag_id, t.position, 'none', t.pool, t.queue, t.priority, $2, 'waits for the run to start'
  from made join slot using (run_id),
    jsonb_to_recordset(slot.tasks) as t("taskId" text, position int, pool text, queue text, priority int)
), advanced as (
  update dags set next_due_at = due.next_due_at from due where dags.dag_id = due.dag_id
)
select due.dag_id, coalesce((select array_agg(run_id) from made where made.dag_id = due.dag_id), '{}') as created from due`

/** The runs that schedules ask for, made together with the next due instants of their DAGs. */
export class DueRunQueries implements Pick<RunStore, 'advanceDue'> {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async advanceDue(advances: readonly DueAdvance[], now: Instant): ReturnType<RunStore['advanceDue']> {
    const created = new Map<string, string[]>()
    for (const batch of batches(advances)) {
      const rows = await this.#database.query<{ dag_id: string; created: string[] }>(ADVANCE_DUE, [
        json(batch.map(advanceRow)),
        sqlInstant(now),
      ])
      for (const row of rows) created.set(row.dag_id, row.created)
    }
    return advances.map(({ dagId }) => {
      const runs = created.get(dagId)
      return runs === undefined ? { outcome: 'tick_moved' } : { outcome: 'advanced', created: runs }
    })
  }
}

function batches(advances: readonly DueAdvance[]): DueAdvance[][] {
  const result: DueAdvance[][] = []
  let tasks = 0
  for (const advance of advances) {
    const more = advance.runs.reduce((sum, run) => sum + run.tasks.length, 0)
    const last = result.at(-1)
    if (last === undefined || tasks + more > TASKS_AT_ONCE) {
      result.push([advance])
      tasks = more
    } else {
      last.push(advance)
      tasks += more
    }
  }
  return result
}

function advanceRow({ dagId, expect, nextDueAt, runs }: DueAdvance): object {
  return { dag_id: dagId, expect: jsonInstant(expect), next_due_at: jsonInstant(nextDueAt), runs: runs.map(runRow) }
}

function runRow(run: NewRun): object {
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
    tasks: run.tasks.map((task, position) => ({ ...task, position })),
  }
}
