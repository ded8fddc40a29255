import type { Request, Response } from 'express'
import {
  DAG_FILTERS,
  DAG_ORDERS,
  type DagListQuery,
  dagFacets,
  type ListedDag,
  type ListedRun,
  listDags,
  recentRuns,
  runningFiles,
} from '../../scheduler/store/reads/dag-list.js'
import { type Fragment, markOf } from '../live/fragments.js'
import { sendPage } from '../page.js'
import { runMs, smallBars } from '../present/bars.js'
import { duration } from '../present/duration.js'
import { links } from '../present/links.js'
import { spread } from '../present/numbers.js'
import { problemsView, withWhatRuns } from '../present/problems.js'
import { scheduleLine } from '../present/schedule.js'
import { timeLine } from '../present/time.js'
import { href, oneOf, textOf } from '../query.js'
import type { Web } from '../web.js'

const PAGE = 50
const RUNS = 20

const FILTER_LABELS = { all: 'All', running: 'Running', failed: 'Failed', paused: 'Paused' }
const ORDER_LABELS = { trouble: 'Trouble first', due: 'Next due', name: 'Name' }

/** What an address asks of the list of DAGs. It never refuses: what is not understood counts as not asked. */
export function dagListQuery(req: Request): DagListQuery {
  return {
    q: textOf(req.query.q).slice(0, 200),
    state: oneOf(req.query.state, DAG_FILTERS),
    tag: textOf(req.query.tag),
    owner: textOf(req.query.owner),
    order: oneOf(req.query.sort, DAG_ORDERS),
    after: textOf(req.query.after),
    limit: PAGE,
  }
}

/** One page of the list with the parts of each row ready to print. */
export async function loadDagList(web: Web, query: DagListQuery) {
  const { database, now } = web.deps
  const { dags, counts, next } = await listDags(database, query)
  const runs = await recentRuns(
    database,
    dags.map((dag) => dag.dagId),
    RUNS,
  )
  const instant = now()
  return { counts, next, rows: dags.map((dag) => rowView(dag, runs.get(dag.dagId) ?? [], instant)) }
}

function rowView(dag: ListedDag, runs: readonly ListedRun[], now: number) {
  const timezone = dag.schedule?.timezone ?? 'UTC'
  const last = runs.at(-1)
  const failed = runs.filter((run) => run.state === 'failed').length
  const good = runs.filter((run) => run.state === 'success')
  const usual = spread(good.map((run) => runMs(run, now) ?? 0))
  return {
    dagId: dag.dagId,
    href: links.dag(dag.dagId),
    activeHref: links.dagTab(dag.dagId, 'active'),
    triggerHref: links.dagTab(dag.dagId, 'trigger'),
    active: !dag.paused,
    present: dag.present,
    tags: dag.tags.map((tag) => ({ tag, href: href('/dags', { tag }) })),
    line: [dag.owner, scheduleLine(dag.schedule, dag.triggers)].filter((part) => part !== '').join(' · '),
    bars: {
      id: `d-${dag.dagId}-bars`,
      label: `Last ${runs.length} runs: ${good.length} success, ${failed} failed`,
      bars: smallBars(runs, timezone, now),
    },
    last: { id: `d-${dag.dagId}-last`, ...lastView(last, timezone, now) },
    due: { id: `d-${dag.dagId}-due`, ...dueView(dag, timezone, now) },
    usual: usual === null ? '' : duration(usual.median),
    usualNote: usual === null ? '' : `p90 ${duration(usual.p90)}`,
  }
}

function lastView(run: ListedRun | undefined, timezone: string, now: number) {
  if (run === undefined) return { state: '', took: '', note: '' }
  const took = runMs(run, now)
  const at = timeLine(run.startedAt ?? run.dueAt, timezone, now, { weekday: true })
  const note =
    run.state === 'running' ? `since ${at}` : run.state === 'queued' && run.reason !== '' ? `${at}, ${run.reason}` : at
  return { state: run.state, took: took === null ? '' : duration(took), note }
}

function dueView(dag: ListedDag, timezone: string, now: number) {
  if (!dag.present) return { due: 'file gone', note: dag.pauseReason }
  if (dag.paused) return { due: 'paused', note: dag.pauseReason }
  if (dag.schedule === null) return { due: 'by hand only', note: '' }
  if (dag.nextDueAt === null) return { due: 'no further run', note: '' }
  const wait = dag.nextDueAt - now
  return {
    due: wait <= 0 ? 'due now' : `in ${duration(wait)}`,
    note: timeLine(dag.nextDueAt, timezone, now, { weekday: true, seconds: 'due' }),
  }
}

/** The parts of rows that change while the list is looked at; a browser puts each in the place of its id. */
export function dagListFragments(web: Web, rows: Awaited<ReturnType<typeof loadDagList>>['rows']): Fragment[] {
  return rows.flatMap((row) => [
    { id: row.bars.id, html: web.views('_dag_bars', row.bars), svg: false },
    { id: row.last.id, html: web.views('_dag_last', row.last), svg: false },
    { id: row.due.id, html: web.views('_dag_due', row.due), svg: false },
  ])
}

/** The list of DAGs, and above it the files that have problems. */
export async function dagListPage(web: Web, req: Request, res: Response): Promise<void> {
  const query = dagListQuery(req)
  const [list, facets, problems] = await Promise.all([
    loadDagList(web, query),
    dagFacets(web.deps.database),
    web.deps.store.problems(),
  ])
  const running = await runningFiles(
    web.deps.database,
    problems.map(({ file }) => file),
  )
  const same = { q: query.q, tag: query.tag, owner: query.owner, sort: query.order === 'trouble' ? '' : query.order }
  const state = query.state === 'all' ? '' : query.state
  const model = {
    rows: list.rows,
    problems: withWhatRuns(problemsView(problems), running),
    q: query.q,
    state,
    filters: DAG_FILTERS.map((filter) => ({
      label: FILTER_LABELS[filter],
      glyph: filter === 'running' || filter === 'failed' ? filter : '',
      count: list.counts[filter],
      current: filter === query.state,
      href: href('/dags', { ...same, state: filter === 'all' ? '' : filter }),
    })),
    tags: choices(facets.tags, query.tag),
    owners: choices(facets.owners, query.owner),
    orders: DAG_ORDERS.map((order) => ({ value: order, label: ORDER_LABELS[order], selected: order === query.order })),
    shown: list.rows.length,
    total: list.counts[query.state],
    none: list.counts.all === 0 && query.q === '' && query.tag === '' && query.owner === '',
    next: list.next === null ? '' : href('/dags', { ...same, state, after: list.next }),
    first: query.after === '' ? '' : href('/dags', { ...same, state }),
  }
  const live = { href: `/live${req.originalUrl}`, mark: markOf(list.rows) }
  const keys = [
    { keys: ['j', 'k'], label: 'move' },
    { keys: ['Enter'], label: 'open' },
  ]
  await sendPage(web, req, res, 'dags', { title: 'DAGs', section: 'dags', keys, live, hasSearch: true }, model)
}

function choices(values: readonly string[], chosen: string) {
  return values.map((value) => ({ value, label: value, selected: value === chosen }))
}
