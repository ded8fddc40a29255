import type { Instant } from '../../json.js'
import { type Database, sqlInstant } from './database.js'
import { INSERT_RUNS, INSERT_SLAS, INSERT_TASKS, NEW_RUN_COLUMNS, newRunRow } from './new-run-rows.js'
import { json, jsonInstant } from './rows.js'
import type { DueAdvance, RunStore } from './store.js'

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
  select * from jsonb_to_recordset($1::jsonb) as i(dag_id text, version text, expect timestamptz, next_due_at timestamptz, runs jsonb)
), due as materialized (
  select d.dag_id, i.next_due_at from input i
    join dags d on d.dag_id = i.dag_id and d.next_due_at = i.expect and d.version = i.version
  order by d.dag_id for update of d
), slot as materialized (
  select r.* from due join input i using (dag_id), jsonb_to_recordset(i.runs) as r(${NEW_RUN_COLUMNS})
), made as (${INSERT_RUNS('null::int')}
), tasks as (${INSERT_TASKS}
), promised as (${INSERT_SLAS}
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

function advanceRow({ dagId, version, expect, nextDueAt, runs }: DueAdvance): object {
  const instants = { expect: jsonInstant(expect), next_due_at: jsonInstant(nextDueAt) }
  return { dag_id: dagId, version, ...instants, runs: runs.map(newRunRow) }
}
