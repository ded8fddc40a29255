import type { Request, Response } from 'express'
import { dagVersions, type GridRun, gridCells, gridRuns, needsALook } from '../../scheduler/store/reads/dag-page.js'
import { sendPage } from '../page.js'
import { runMs } from '../present/bars.js'
import { duration, roughDuration } from '../present/duration.js'
import { gridView } from '../present/grid.js'
import { links } from '../present/links.js'
import { spread } from '../present/numbers.js'
import { richText } from '../present/rich-text.js'
import { LEGEND } from '../present/run-view.js'
import { day, intervalTwice, timeLine, timeTwice } from '../present/time.js'
import { href, oneOf, textOf } from '../query.js'
import type { Web } from '../web.js'
import { type DagFrame, dagCrumbs, frameView, loadDagFrame } from './dag-frame.js'

const SIZES = ['24', '60', '180'] as const
/** More cells than this make a page that is slow to send and to draw; fewer runs are shown then. */
const CELL_LIMIT = 20_000

/** The grid of a DAG: its last runs by its tasks, and beside it the chosen run. */
export async function dagGridPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const { database } = web.deps
  const { dag, timezone, now } = frame
  const asked = Number(oneOf(req.query.n, SIZES))
  const shown = Math.max(1, Math.min(asked, Math.floor(CELL_LIMIT / Math.max(1, dag.tasks.length))))
  const runs = await gridRuns(database, dag.id, shown)
  const chosen = runs.find((run) => run.runId === textOf(req.query.run)) ?? runs.at(-1)
  const [cells, trouble, versions] = await Promise.all([
    gridCells(
      database,
      runs.map((run) => run.runId),
    ),
    chosen === undefined ? [] : needsALook(database, chosen.runId, 5),
    dagVersions(database, dag.id, null, 4),
  ])
  const task = textOf(req.query.task)
  const view = gridView(dag, runs, cells, chosen?.runId ?? '', timezone, now)
  const model = {
    frame: frameView(frame, 'grid'),
    none: runs.length === 0,
    grid: task === '' ? view : onlyTask(view, task),
    task,
    heading: runs.length === 1 ? 'The only run' : `Last ${runs.length} runs`,
    note: shown < asked ? `${dag.tasks.length} tasks: no more than ${shown} runs fit` : 'newest at right',
    sizes: SIZES.map((size) => ({
      label: size,
      href: href(links.dag(dag.id), { n: size === '24' ? '' : size, task }),
      current: Number(size) === asked,
    })),
    legend: LEGEND,
    chosen: chosen === undefined ? null : chosenView(chosen, runs, frame),
    trouble: trouble.map((row) => ({
      state: row.state,
      taskId: row.taskId,
      href: links.task(chosen?.runId ?? '', row.taskId),
      reason: richText(row.reason === '' ? row.state : row.reason),
      age: roughDuration(now - row.since),
    })),
    versions: versions.map((version) => ({
      short: version.version.slice(0, 7),
      href: `${links.dagTab(dag.id, 'code')}?version=${version.version}`,
      runs: version.runs === 1 ? '1 run' : `${version.runs} runs`,
      at: timeTwice(version.createdAt, timezone, now, { weekday: true }).local,
    })),
    versionsHref: links.dagTab(dag.id, 'versions'),
  }
  const keys = [
    { keys: ['j', 'k'], label: 'task' },
    { keys: ['Enter'], label: 'open' },
    { keys: ['o'], label: 'open the run' },
    { keys: ['t'], label: 'trigger' },
  ]
  await sendPage(web, req, res, 'dag-grid', { title: dag.id, section: 'dags', crumbs: dagCrumbs(frame), keys }, model)
}

function onlyTask(view: ReturnType<typeof gridView>, task: string) {
  const groups = view.groups.map((group) => ({ ...group, rows: group.rows.filter((row) => row.taskId === task) }))
  return { ...view, groups: groups.filter((group) => group.rows.length > 0) }
}

function chosenView(run: GridRun, runs: readonly GridRun[], { timezone, now }: DagFrame) {
  const took = runMs(run, now)
  const usual = spread(runs.filter((past) => past.state === 'success').map((past) => runMs(past, now) ?? 0))
  const interval = intervalTwice(run.intervalStart, run.intervalEnd, timezone, now)
  return {
    title: `Run of ${day(run.dueAt, timezone, now)}`,
    href: links.run(run.runId),
    state: run.state,
    interval: interval.local,
    intervalUtc: interval.utc,
    started: run.startedAt === null ? 'not yet' : timeLine(run.startedAt, timezone, now, { seconds: true }),
    tookLabel: run.endedAt === null ? 'So far' : 'Took',
    took: took === null ? '' : duration(took),
    usual: usual === null ? '' : `median ${duration(usual.median)}`,
    reason: run.reason,
  }
}
