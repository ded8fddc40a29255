import type { Instant } from '../../json.js'
import type { Dag, Task } from '../dag/model.js'
import type { Run, TaskRun } from './model.js'
import type { PastRun, RemainingTask } from './sla-forecast.js'
import { isFinal } from './states.js'

/** When a task of an earlier run began and ended. */
export interface PastTaskTimes {
  taskId: string
  /** of its last attempt; null when none was needed */
  startedAt: Instant | null
  endedAt: Instant
}

/** The wait of the run itself, for its DAG to have room, is laid out as a task that takes no time. */
const RUN_START = ''

/**
 * The run as a forecast sees it.
 * @param taskRuns rows of its tasks; those of items are left out
 * @param until the task that matters, with what it needs; null for the whole run
 */
export function remainingTasks(
  dag: Dag,
  run: Pick<Run, 'createdAt' | 'startedAt'>,
  taskRuns: readonly TaskRun[],
  until: string | null,
): RemainingTask[] {
  const rows = new Map(taskRuns.map((row) => [row.taskId, row]))
  const { createdAt, startedAt } = run
  const start: RemainingTask = {
    id: RUN_START,
    needs: [],
    phase: startedAt === null ? 'waiting' : 'done',
    since: startedAt ?? createdAt,
  }
  const tasks = pathTo(dag, until).flatMap((task) => {
    const row = rows.get(task.id)
    if (row === undefined) return []
    const needs = task.needs.filter((need) => rows.has(need))
    const state = { id: task.id, needs: needs.length === 0 ? [RUN_START] : needs }
    if (isFinal(row.state)) return { ...state, phase: 'done' as const, since: row.endedAt }
    // a task with for_each is deferred while its items are at work
    const atWork = row.state === 'running' || (row.state === 'deferred' && task.forEach !== null)
    if (atWork) return { ...state, phase: 'running' as const, since: row.startedAt ?? row.since }
    return { ...state, phase: 'waiting' as const, since: readySince(row, needs, rows, startedAt) }
  })
  return [start, ...tasks]
}

/** Earlier attempts and what a sensor has waited count as waiting, here as in history. */
function readySince(
  row: TaskRun,
  needs: readonly string[],
  rows: ReadonlyMap<string, TaskRun>,
  startedAt: Instant | null,
): Instant | null {
  if (startedAt === null) return null
  let since = startedAt
  for (const need of needs) {
    const upstream = rows.get(need)
    // a trigger rule may let it go before all that it needs have ended
    if (upstream !== undefined && !isFinal(upstream.state)) return row.state === 'none' ? null : row.since
    since = Math.max(since, upstream?.endedAt ?? since)
  }
  return since
}

/** The tasks of an earlier run with their waits and durations, as the DAG of today connects them. */
export function pastRun(
  dag: Dag,
  past: { createdAt: Instant; startedAt: Instant; tasks: readonly PastTaskTimes[] },
): PastRun {
  const ended = new Map(past.tasks.map((times) => [times.taskId, times]))
  const run = new Map([[RUN_START, { waitMs: Math.max(0, past.startedAt - past.createdAt), durationMs: 0 }]])
  for (const { id, needs } of dag.tasks) {
    const times = ended.get(id)
    if (times === undefined) continue
    const ready = needs.reduce((last, need) => Math.max(last, ended.get(need)?.endedAt ?? last), past.startedAt)
    const began = Math.max(ready, times.startedAt ?? ready)
    run.set(id, { waitMs: began - ready, durationMs: Math.max(0, times.endedAt - began) })
  }
  return run
}

/** A task and all before it, in topological order; every task for null. */
function pathTo(dag: Dag, until: string | null): readonly Task[] {
  if (until === null) return dag.tasks
  const wanted = new Set([until])
  return dag.tasks
    .toReversed()
    .filter((task) => {
      if (!wanted.has(task.id)) return false
      for (const need of task.needs) wanted.add(need)
      return true
    })
    .reverse()
}
