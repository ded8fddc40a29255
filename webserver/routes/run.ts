import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import { TASK_STATES } from '../../scheduler/core/model.js'
import {
  type Neighbour,
  neighbours,
  pastDurations,
  runAttempts,
  runTasks,
} from '../../scheduler/store/reads/run-page.js'
import { runSlas } from '../../scheduler/store/reads/slas.js'
import { childRuns } from '../../scheduler/store/reads/waits.js'
import { type Fragment, markOf } from '../live/fragments.js'
import { sendPage } from '../page.js'
import { duration } from '../present/duration.js'
import { GANTT } from '../present/gantt.js'
import { checksView, tablesView } from '../present/lineage-view.js'
import { links } from '../present/links.js'
import { notesView } from '../present/run-notes.js'
import {
  GRAPH_LIMIT,
  graphView,
  headView,
  isOver,
  ROW_LIMIT,
  type RunFacts,
  scaleOf,
  taskRows,
  timezoneOf,
} from '../present/run-view.js'
import { startedByView } from '../present/started-by.js'
import { clockOf, day, dayAndYear, intervalTwice, isUtc, runName, timeTwice, zoneName } from '../present/time.js'
import { textOf } from '../query.js'
import type { Web } from '../web.js'

const ATTEMPT_LIMIT = 5_000
const PAST_RUNS = 30
const CHILDREN = 20

/**
 * What the page of a run and its live updates are made from.
 * @throws SluiceError RUN_UNKNOWN
 */
export async function loadRunFacts(web: Web, runId: string): Promise<RunFacts> {
  const { store, database } = web.deps
  const run = await store.run(runId)
  if (run === null) throw new SluiceError('RUN_UNKNOWN', `There is no run ${runId}.`)
  const [dag, tasks, attempts, lineage, past, slas] = await Promise.all([
    web.dagVersion(run.version),
    runTasks(database, runId),
    runAttempts(database, runId, ATTEMPT_LIMIT),
    store.runLineage(runId),
    pastDurations(database, run.dagId, PAST_RUNS, run.id),
    runSlas(database, runId),
  ])
  return { run, dag, tasks, attempts, lineage, past, slas, now: web.deps.now() }
}

export interface RunPageOptions {
  /** tasks of this state only; '' for all */
  state: string
  drawGraph: boolean
  all: string
}

/**
 * What an address asks of the page of a run; the live updates of that page ask the same. A state that does not exist
 * shows all.
 */
export function runPageOptions(req: Request): RunPageOptions {
  const state = textOf(req.query.state)
  return {
    state: (TASK_STATES as readonly string[]).includes(state) ? state : '',
    drawGraph: textOf(req.query.graph) === '1',
    all: textOf(req.query.all),
  }
}

/** The parts of the run page that change while it is looked at. */
export function runParts(facts: RunFacts, options: RunPageOptions) {
  const { run } = facts
  const scale = scaleOf(facts)
  const rows = taskRows(facts).filter((row) => options.state === '' || row.state === options.state)
  const failing = facts.tasks.some((task) => task.state === 'failed' || task.state === 'upstream_failed')
  return {
    stateView: { state: run.state, extra: !isOver(run) && failing ? 'a task has failed' : '' },
    headModel: headView(facts),
    notes: notesView(facts),
    graph: facts.tasks.length <= GRAPH_LIMIT || options.drawGraph ? graphView(facts) : null,
    axis: {
      ticks: scale.ticks.map((tick) => ({ ...tick, textX: tick.x + 1.5 })),
      nowText: scale.nowX === null ? '' : String(Math.min(scale.nowX + 1.5, GANTT.width - 34)),
      nowClock: scale.nowUtc,
    },
    rows: rows.slice(0, ROW_LIMIT),
    moreRows: Math.max(0, rows.length - ROW_LIMIT),
    tables: tablesView(facts.lineage, options.all === 'tables'),
    checks: checksView(facts.lineage, options.all === 'checks'),
  }
}

/** The same parts as the browser swaps them. */
export function runFragments(web: Web, parts: ReturnType<typeof runParts>): Fragment[] {
  const html = (id: string, view: string, model: object): Fragment => ({ id, html: web.views(view, model), svg: false })
  return [
    html('run-state', '_run_state', parts.stateView),
    html('run-head', '_run_head', parts.headModel),
    html('run-note', '_run_note', { notes: parts.notes }),
    html('gantt-axis', '_gantt_axis', parts.axis),
    ...parts.rows.map((row) => html(row.id, '_task_row', row)),
    ...(parts.graph?.nodes ?? []).map((node) => ({ id: node.id, html: web.views('_graph_node', node), svg: true })),
    html('tables', '_run_tables', parts.tables),
    html('checks', '_run_checks', parts.checks),
  ]
}

/**
 * One run: its tasks with graph and times, the versions of tables it wrote, its checks and its children.
 * @throws SluiceError RUN_UNKNOWN
 */
export async function runPage(web: Web, req: Request, res: Response): Promise<void> {
  const facts = await loadRunFacts(web, req.params.run as string)
  const { run, dag, now } = facts
  const options = runPageOptions(req)
  const [{ before, after }, children] = await Promise.all([
    neighbours(web.deps.database, run),
    childRuns(web.deps.database, run.id, CHILDREN),
  ])
  const timezone = timezoneOf(dag)
  const over = isOver(run)
  const title = runTitle(facts)
  const parts = runParts(facts, options)
  const model = {
    ...parts,
    title,
    over,
    cancelling: run.cancelRequested,
    anyFailed: facts.tasks.some((task) => task.state === 'failed' || task.state === 'upstream_failed'),
    href: links.run(run.id),
    total: facts.tasks.length,
    before: neighbourView(before, timezone, now),
    after: neighbourView(after, timezone, now),
    filter: options.state,
    children: children.map((child) => ({ ...child, href: links.run(child.runId) })),
    ...factsView(facts),
  }
  const live = over ? null : { href: `/live${req.originalUrl}`, mark: markOf(parts) }
  const crumbs = [
    { href: '/dags', label: 'DAGs' },
    { href: links.dag(run.dagId), label: run.dagId },
    { href: '', label: `run of ${day(run.dueAt, timezone, now)}` },
  ]
  const keys = [
    { keys: ['j', 'k'], label: 'task' },
    { keys: ['Enter'], label: 'open' },
    { keys: ['[', ']'], label: 'run before, after' },
  ]
  await sendPage(
    web,
    req,
    res,
    'run',
    { title: `${run.dagId}, ${day(run.dueAt, timezone, now)}`, section: 'dags', crumbs, keys, live },
    model,
  )
}

function runTitle({ run, dag }: RunFacts): string {
  const timezone = timezoneOf(dag)
  const clock = clockOf(run.dueAt, timezone, { seconds: run.kind === 'manual' || run.kind === 'triggered' || 'due' })
  const zone = isUtc(timezone) ? 'UTC' : zoneName(timezone)
  return `${dayAndYear(run.dueAt, timezone)}, ${clock} ${zone}${run.kind === 'manual' ? ', by hand' : ''}`
}

function neighbourView(neighbour: Neighbour | null, timezone: string, now: number) {
  if (neighbour === null) return null
  return { href: links.run(neighbour.runId), label: runName(neighbour.dueAt, timezone, now) }
}

function factsView({ run, dag, now }: RunFacts) {
  const timezone = timezoneOf(dag)
  const params = Object.entries(run.params).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const limits = [
    run.onlyTasks === null ? '' : `only ${run.onlyTasks.length} of ${dag.tasks.length} tasks`,
    run.noChecks ? 'checks recorded, not enforced' : '',
  ].filter((text) => text !== '')
  return {
    due: timeTwice(run.dueAt, timezone, now, { seconds: true }),
    started: run.startedAt === null ? '' : `${duration(run.startedAt - Math.max(run.dueAt, run.createdAt))} later`,
    interval: intervalTwice(run.intervalStart, run.intervalEnd, timezone, now),
    by:
      run.kind === 'scheduled'
        ? 'schedule'
        : `${run.triggeredBy}${run.kind === 'backfill' ? ', backfill' : run.kind === 'manual' && run.parent === undefined ? ', by hand' : ''}`,
    parent: run.parent === undefined ? '' : links.task(run.parent.runId, run.parent.taskId),
    startedBy: startedByView(run.trigger),
    version: { short: run.version.slice(0, 7), href: `${links.dagTab(run.dagId, 'code')}?version=${run.version}` },
    params,
    limits: limits.join(' · '),
    zoneNote: isUtc(timezone) ? 'times in UTC' : `times in ${zoneName(timezone)}, UTC below`,
  }
}
