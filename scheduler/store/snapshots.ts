import { declaredId, isItem } from '../core/items.js'
import {
  FINAL_TASK_STATES,
  type PastRun,
  type RunSnapshot,
  type RunState,
  type TaskRun,
  type TaskState,
} from '../core/model.js'
import { dependsOnPast } from '../core/past.js'
import type { Dag } from '../dag/model.js'
import type { Database, SqlStatement } from './database.js'
import {
  type OutcomeRow,
  RUN_COLUMNS,
  type RunRow,
  TASK_COLUMNS,
  type TaskRow,
  toOutcome,
  toRun,
  toTaskRun,
} from './rows.js'

export const ALL_TASKS = `
select ${TASK_COLUMNS} from task_runs where run_id = $1 order by position, item_index nulls first`

const FINAL = FINAL_TASK_STATES.map((state) => `'${state}'`).join(', ')

/** Rows of tasks, and of items: all of a task with few, of others those at work and the first that wait. */
const SHOWN_TASKS = `
with many as materialized (
  select item_of from task_runs where run_id = $1 and item_of is not null group by item_of having count(*) > $2
), shown as (
  select * from task_runs where run_id = $1 and (item_of is null or item_of not in (select item_of from many))
  union all
  select * from task_runs
  where run_id = $1 and item_of in (select item_of from many) and state not in ('none', ${FINAL})
  union all
  select first.* from many cross join lateral (
    select * from task_runs t
    where t.run_id = $1 and t.item_of = many.item_of and t.state = 'none' order by t.item_index limit $2
  ) first
)
select ${TASK_COLUMNS} from shown order by position, item_index nulls first`

const COUNT_ITEMS = `
select item_of as task_id, count(*) filter (where state in (${FINAL}))::int as ended,
  count(*) filter (where state in ('failed', 'cancelled'))::int as failed, count(*) filter (where state = 'none')::int as "none"
from task_runs where run_id = $1 and item_of is not null group by item_of having count(*) > $2`

/** The run before the run `r`: of the same DAG and kind, for backfills the same one. Runs by hand have none. */
export const PAST_RUN = `
  select run_id, state from runs p
  where p.dag_id = r.dag_id and p.kind = r.kind and p.backfill_id is not distinct from r.backfill_id and p.due_at < r.due_at
  order by p.due_at desc limit 1`

const PAST = `
select past.run_id, past.state, t.task_id, t.state as task_state
from runs r cross join lateral (${PAST_RUN}
) past join task_runs t on t.run_id = past.run_id and t.item_of is null
where r.run_id = $1 and r.kind <> 'manual'`

interface ItemCount extends Record<string, unknown> {
  task_id: string
  ended: number
  failed: number
  none: number
}

/** What decisions are made from. */
export class SnapshotQueries {
  readonly #database: Database
  readonly #dagVersion: (version: string) => Promise<Dag | null>

  constructor(database: Database, dagVersion: (version: string) => Promise<Dag | null>) {
    this.#database = database
    this.#dagVersion = dagVersion
  }

  /**
   * The run is read first: what another decision changes between the statements has moved its revision. Claims do not, but
   * they change neither what has ended nor what is `none`.
   */
  async snapshot(runId: string, shownItems?: number): Promise<RunSnapshot | null> {
    const [runs, rows, outcomes, counts] = await this.#database.transaction([
      { sql: `select ${RUN_COLUMNS} from runs where run_id = $1`, params: [runId] },
      shownItems === undefined
        ? { sql: ALL_TASKS, params: [runId] }
        : { sql: SHOWN_TASKS, params: [runId, shownItems] },
      {
        sql: `select task_id, attempt, result, reason, retryable, outputs, ended_at, wake_at, waits_for, (
            select array_agg(c.name order by c.position) from check_results c where c.run_id = a.run_id
              and c.task_id = a.task_id and c.attempt = a.attempt and not c.passed
          ) as failed_checks from attempts a
          where run_id = $1 and result is not null and not settled order by task_id, attempt`,
        params: [runId],
      },
      ...counting(runId, shownItems),
    ])
    const row = runs?.[0] as RunRow | undefined
    if (row === undefined) return null
    const dag = await this.#dagVersion(row.version)
    if (dag === null) throw new Error(`the version ${row.version} of run ${runId} is not stored`)
    const past = dependsOnPast(dag) === 'no' ? null : await this.#past(runId)
    const tasks = ((rows ?? []) as TaskRow[]).map(toTaskRun)
    return {
      run: toRun(row),
      dag,
      tasks,
      outcomes: ((outcomes ?? []) as OutcomeRow[]).map(toOutcome),
      aside: asideOf((counts ?? []) as ItemCount[], tasks),
      past,
    }
  }

  async #past(runId: string): Promise<PastRun | null> {
    const rows = await this.#database.query<{
      run_id: string
      state: RunState
      task_id: string
      task_state: TaskState
    }>(PAST, [runId])
    const [first] = rows
    if (first === undefined) return null
    const tasks = Object.fromEntries(rows.map(({ task_id, task_state }) => [task_id, task_state]))
    return { runId: first.run_id, state: first.state, tasks }
  }
}

function counting(runId: string, shownItems: number | undefined): SqlStatement[] {
  return shownItems === undefined ? [] : [{ sql: COUNT_ITEMS, params: [runId, shownItems] }]
}

/** What the counts hold beyond the rows that are shown: of tasks with many items no ended one is. */
function asideOf(counts: readonly ItemCount[], tasks: readonly TaskRun[]): RunSnapshot['aside'] {
  if (counts.length === 0) return {}
  const shown = new Map<string, number>()
  for (const { taskId, state } of tasks) {
    if (state === 'none' && isItem(taskId)) shown.set(declaredId(taskId), (shown.get(declaredId(taskId)) ?? 0) + 1)
  }
  return Object.fromEntries(
    counts.map(({ task_id, ended, failed, none }) => [
      task_id,
      { ended, failed, waiting: none - (shown.get(task_id) ?? 0) },
    ]),
  )
}
