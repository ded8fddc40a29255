import type { Instant } from '../../json.js'
import type { TaskState } from '../../scheduler/core/model.js'
import type { Dag } from '../../scheduler/dag/model.js'
import type { GridCell, GridRun } from '../../scheduler/store/reads/dag-page.js'
import { durationBars } from './bars.js'
import { groupBy } from './group-by.js'
import { links } from './links.js'
import { clockOf, wallTime } from './time.js'

export interface GridRow {
  taskId: string
  href: string
  operator: string
  cells: { state: TaskState | ''; href: string; ok: boolean; chosen: boolean; label: string }[]
}

export interface GridView {
  columns: number
  span: string
  days: { label: string; chosen: boolean }[]
  durations: ReturnType<typeof durationBars>
  groups: { name: string; count: number; rows: GridRow[] }[]
}

/** Runs by tasks: the tasks of the current version in its groups, then those that only older runs still have. */
export function gridView(
  dag: Dag,
  runs: readonly GridRun[],
  cells: ReadonlyMap<string, readonly GridCell[]>,
  chosen: string,
  timezone: string,
  now: Instant,
): GridView {
  const states = new Map(
    runs.map((run) => [run.runId, new Map((cells.get(run.runId) ?? []).map((cell) => [cell.taskId, cell.state]))]),
  )
  const known = new Set(dag.tasks.map((task) => task.id))
  const gone = new Set([...cells.values()].flat().flatMap((cell) => (known.has(cell.taskId) ? [] : [cell.taskId])))
  const rowOf = (taskId: string, operator: string): GridRow => ({
    taskId,
    href: `${links.dag(dag.id)}?task=${encodeURIComponent(taskId)}`,
    operator,
    cells: runs.map((run) => {
      const state = states.get(run.runId)?.get(taskId) ?? ''
      return {
        state,
        href: links.task(run.runId, taskId),
        ok: state === 'success',
        chosen: run.runId === chosen,
        label: state === '' ? '' : `${taskId}, ${dayLabel(run.dueAt, timezone)}: ${state}`,
      }
    }),
  })
  const groups = [...groupBy(dag.tasks, (task) => task.group)].map(([name, tasks]) => ({
    name: name === '' ? 'other' : name,
    count: tasks.length,
    rows: tasks.map((task) => rowOf(task.id, task.operator)),
  }))
  if (gone.size > 0)
    groups.push({ name: 'no longer in the DAG', count: gone.size, rows: [...gone].map((taskId) => rowOf(taskId, '')) })
  return {
    columns: runs.length,
    span: spanText(runs, timezone),
    days: dayHeads(runs, timezone).map((label, place) => ({ label, chosen: runs[place]?.runId === chosen })),
    durations: durationBars(runs, timezone, now),
    groups,
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function dayLabel(instant: Instant, timezone: string): string {
  const wall = wallTime(instant, timezone)
  return `${wall.day} ${MONTHS[wall.month - 1]} ${clockOf(instant, timezone, { seconds: 'due' })}`
}

/**
 * Days for runs that are a day apart, else clock times. Those are wider than a column, so they stand above every second run,
 * the newest among them.
 */
function dayHeads(runs: readonly GridRun[], timezone: string): string[] {
  const gaps = runs.slice(1).map((run, place) => run.dueAt - (runs[place]?.dueAt ?? 0))
  const daily = gaps.length === 0 || Math.min(...gaps) >= 20 * 3_600_000
  return runs.map((run, place) => {
    const wall = wallTime(run.dueAt, timezone)
    if (daily) return String(wall.day)
    return (runs.length - 1 - place) % 2 === 0 ? wall.clock : ''
  })
}

function spanText(runs: readonly GridRun[], timezone: string): string {
  const [first, last] = [runs[0], runs.at(-1)]
  if (first === undefined || last === undefined) return ''
  const text = (instant: Instant) => {
    const wall = wallTime(instant, timezone)
    return `${wall.day} ${MONTHS[wall.month - 1]}`
  }
  return text(first.dueAt) === text(last.dueAt) ? text(last.dueAt) : `${text(first.dueAt)} to ${text(last.dueAt)}`
}
