import type { Instant } from '../../json.js'
import type { Run, TaskState } from '../../scheduler/core/model.js'
import { FINAL_TASK_STATES, TASK_STATES } from '../../scheduler/core/model.js'
import type { Dag } from '../../scheduler/dag/model.js'
import type { RunAttempt, RunTask } from '../../scheduler/store/reads/run-page.js'
import type { RunSla } from '../../scheduler/store/reads/slas.js'
import type { CheckRecord, TableRead, TableWrite } from '../../scheduler/store/store.js'
import { runMs } from './bars.js'
import { duration } from './duration.js'
import { GANTT, ganttBars, type TimeScale, timeScale } from './gantt.js'
import { gateMark } from './gate.js'
import { drawGraph, fitInfo } from './graph.js'
import { groupBy } from './group-by.js'
import { links } from './links.js'
import { countOf, rowChanges, spread } from './numbers.js'
import { richText, type TextPart } from './rich-text.js'
import { runSlaView } from './sla-view.js'
import { day, isUtc, timeTwice, wallTime, zoneName } from './time.js'

export interface Lineage {
  taskId: string
  attempt: number
  reads: TableRead[]
  writes: TableWrite[]
  checks: CheckRecord[]
}

/** Everything the run page shows, as read. */
export interface RunFacts {
  run: Run
  dag: Dag
  tasks: RunTask[]
  attempts: RunAttempt[]
  lineage: Lineage[]
  past: number[]
  slas: RunSla[]
  now: Instant
}

/** More tasks than this are drawn and listed only when asked for, so that the page stays quick to read. */
export const GRAPH_LIMIT = 150
export const ROW_LIMIT = 1_000

const GLYPH_ORDER: TaskState[] = [
  'success',
  'running',
  'queued',
  'scheduled',
  'up_for_retry',
  'deferred',
  'none',
  'failed',
  'upstream_failed',
  'skipped',
  'cancelled',
]

/** Whether a run has ended, so that its page has nothing more to wait for. */
export function isOver(run: Run): boolean {
  return run.state === 'success' || run.state === 'failed' || run.state === 'cancelled'
}

/** The zone that the pages of a DAG tell times in: its schedule's, UTC without one. */
export function timezoneOf(dag: Dag): string {
  return dag.schedule?.timezone ?? 'UTC'
}

/** How far the run is: the bar, the counts and how long it takes beside earlier ones. */
export function headView({ run, tasks, past, slas, now, dag }: RunFacts) {
  const counts = new Map<TaskState, number>()
  for (const task of tasks) counts.set(task.state, (counts.get(task.state) ?? 0) + 1)
  const done = tasks.filter((task) => FINAL_TASK_STATES.includes(task.state)).length
  const failed = (counts.get('failed') ?? 0) + (counts.get('upstream_failed') ?? 0)
  let x = 0
  const states = GLYPH_ORDER.filter((state) => counts.has(state)).map((state) => {
    const count = counts.get(state) ?? 0
    const share = (count / tasks.length) * 100
    const segment = { state, count, x: `${x.toFixed(2)}%`, width: `${Math.max(0.2, share - 0.35).toFixed(2)}%` }
    x += share
    return { ...segment, href: `${links.run(run.id)}?state=${state}#tasks` }
  })
  const took = runMs(run, now)
  const usual = spread(past)
  const timezone = timezoneOf(dag)
  return {
    done,
    total: tasks.length,
    doneNote: failed > 0 ? `done, ${failed} failed` : 'done',
    states,
    tookLabel: isOver(run) ? 'Took' : 'So far',
    took: took === null ? 'not started' : duration(took),
    usual:
      usual === null
        ? 'no earlier run to compare with'
        : `median ${duration(usual.median)}, p90 ${duration(usual.p90)}`,
    endLabel: isOver(run) ? 'Ended' : 'Waiting',
    ...endView(run, tasks, timezone, now),
    ...attemptsView(tasks),
    sla: runSlaView(run, slas, timezone, now),
  }
}

function endView(run: Run, tasks: readonly RunTask[], timezone: string, now: Instant) {
  if (run.endedAt !== null && isOver(run)) {
    const zone = isUtc(timezone) ? '' : zoneName(timezone)
    const wall = wallTime(run.endedAt, timezone)
    return {
      end: isUtc(timezone) ? `${wall.seconds}Z` : wall.seconds,
      endZone: zone,
      endNote: timeTwice(run.endedAt, timezone, now, { seconds: true }).utc || day(run.endedAt, timezone, now),
    }
  }
  const waiting = tasks.filter((task) => !FINAL_TASK_STATES.includes(task.state) && task.state !== 'running')
  const busy = tasks.filter((task) => task.state === 'running').length
  return {
    end: String(waiting.length),
    endZone: waiting.length === 1 ? 'task' : 'tasks',
    endNote: `${busy} running now`,
  }
}

function attemptsView(tasks: readonly RunTask[]) {
  const attempts = tasks.reduce((sum, task) => sum + task.attempt, 0)
  const again = tasks.filter((task) => task.attempt > 1).length
  return {
    attempts,
    attemptsNote: again === 0 ? 'nothing was tried twice' : `${countOf(again, 'task')} tried more than once`,
  }
}

export interface TaskRowView {
  id: string
  taskId: string
  href: string
  state: TaskState
  tries: string
  took: string
  bars: ReturnType<typeof ganttBars>
  tickPath: string
  nowX: string
  nowPath: string
  quiet: boolean
  gate: ReturnType<typeof gateMark>
  reason: TextPart[]
}

/**
 * The time axis of a run: from its start, or its first attempt where that was before (a cleared run starts anew), to
 * its end, or to now while it goes on.
 */
export function scaleOf({ run, attempts, dag, now }: RunFacts): TimeScale {
  const from = Math.min(run.startedAt ?? run.createdAt, ...attempts.map((attempt) => attempt.claimedAt))
  const to = isOver(run)
    ? Math.max(run.endedAt ?? from, ...attempts.map((attempt) => attempt.endedAt ?? from))
    : Math.max(now, from)
  return timeScale({ from, to, live: !isOver(run) }, timezoneOf(dag))
}

/** One row for each task, in the order of the DAG. */
export function taskRows(facts: RunFacts): TaskRowView[] {
  const scale = scaleOf(facts)
  const attemptsOf = groupBy(facts.attempts, (attempt) => attempt.taskId)
  const lineageOf = groupBy(facts.lineage, (entry) => entry.taskId)
  const specs = new Map(facts.dag.tasks.map((task) => [task.id, task]))
  return facts.tasks.map((task) => {
    const attempts = attemptsOf.get(task.taskId) ?? []
    const last = attempts.at(-1)
    const most = (specs.get(task.taskId)?.retries ?? 0) + 1
    const result = resultOf(lineageOf.get(task.taskId) ?? [])
    return {
      id: `t-${task.taskId}`,
      taskId: task.taskId,
      href: links.task(facts.run.id, task.taskId),
      state: task.state,
      tries: task.attempt === 0 ? '' : task.tries > 1 ? `${task.tries}/${most}` : String(Math.max(1, task.tries)),
      took: last === undefined ? tookOfItems(task) : duration((last.endedAt ?? facts.now) - last.claimedAt),
      bars: ganttBars(task, attempts, scale, facts.now),
      tickPath: scale.tickPath,
      nowX: scale.nowX === null ? '' : String(scale.nowX),
      nowPath: scale.nowX === null ? '' : `M${scale.nowX} 0v${GANTT.height}`,
      quiet: task.state === 'success',
      gate: gateMark(specs.get(task.taskId)),
      reason: richText(task.state === 'success' && result !== '' ? result : task.reason),
    }
  })
}

/** Of a task with items, which has no attempt of its own; '' before its end. */
function tookOfItems({ startedAt, endedAt }: RunTask): string {
  return startedAt === null || endedAt === null ? '' : duration(endedAt - startedAt)
}

/** What a task wrote, in one sentence: `silver.sales 412, +47,980 ~233 rows; 1 check warned`. */
function resultOf(entries: readonly Lineage[]): string {
  const last = entries.at(-1)
  if (last === undefined) return ''
  const writes = last.writes.map((write) => `${write.table} ${write.version}, ${rowChanges(write)}`)
  const warned = last.checks.filter((check) => !check.passed).length
  const checks = warned > 0 ? `${countOf(warned, 'check')} warned` : ''
  const passed =
    writes.length === 0 && last.checks.length > 0 && warned === 0
      ? `${countOf(last.checks.length, 'check')} passed`
      : ''
  return [...writes, checks, passed].filter((part) => part !== '').join('; ')
}

export interface GraphView {
  width: number
  height: number
  nodeWidth: number
  edges: { d: string; critical: boolean }[]
  nodes: {
    id: string
    taskId: string
    href: string
    state: TaskState
    transform: string
    width: number
    info: string
  }[]
}

/** The run's tasks with what they need; the heavy line is the way back from what ended last. */
export function graphView(facts: RunFacts): GraphView {
  const present = new Set(facts.tasks.map((task) => task.taskId))
  const rows = new Map(taskRows(facts).map((row) => [row.taskId, row]))
  const states = new Map(facts.tasks.map((task) => [task.taskId, task]))
  const nodes = facts.dag.tasks
    .filter((task) => present.has(task.id))
    .map((task) => ({ id: task.id, needs: task.needs }))
  const drawn = drawGraph(nodes)
  const critical = criticalEdges(facts)
  const edges = drawn.edges.map((edge) => ({ d: edge.d, critical: critical.has(`${edge.from} ${edge.to}`) }))
  return {
    width: drawn.width,
    height: drawn.height,
    nodeWidth: drawn.nodeWidth,
    edges: edges.sort((a, b) => Number(a.critical) - Number(b.critical)),
    nodes: drawn.nodes.map((node) => ({
      id: `n-${node.id}`,
      taskId: node.id,
      href: links.task(facts.run.id, node.id),
      state: states.get(node.id)?.state ?? 'none',
      transform: `translate(${node.x} ${node.y})`,
      width: drawn.nodeWidth,
      info: fitInfo(infoText(states.get(node.id), rows.get(node.id)), drawn.nodeWidth),
    })),
  }
}

function infoText(task: RunTask | undefined, row: TaskRowView | undefined): string {
  if (task === undefined || row === undefined) return ''
  if (task.state === 'success' || task.state === 'running') return row.took
  return task.reason === '' ? task.state : task.reason
}

function criticalEdges({ dag, tasks, attempts, now }: RunFacts): Set<string> {
  const ended = new Map<string, Instant>()
  for (const attempt of attempts) ended.set(attempt.taskId, attempt.endedAt ?? now)
  const needs = new Map(dag.tasks.map((task) => [task.id, task.needs]))
  const latest = (ids: readonly string[]) =>
    ids.filter((id) => ended.has(id)).sort((a, b) => (ended.get(b) ?? 0) - (ended.get(a) ?? 0))[0]
  const edges = new Set<string>()
  let task = latest(tasks.map((row) => row.taskId))
  while (task !== undefined) {
    const before = latest(needs.get(task) ?? [])
    if (before !== undefined) edges.add(`${before} ${task}`)
    task = before
  }
  return edges
}

export const LEGEND = TASK_STATES.map((state) => ({ state, glyph: state === 'success' ? 'tile' : state }))
