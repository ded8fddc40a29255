import type { Request, Response } from 'express'
import type { Instant } from '../../json.js'
import { lately } from '../../scheduler/store/reads/lately.js'
import {
  type FailedDag,
  failedDags,
  type NextRun,
  nextRuns,
  nowCounts,
  type PoolUse,
  pools,
  unservedTasks,
} from '../../scheduler/store/reads/now.js'
import { listRuns } from '../../scheduler/store/reads/run-list.js'
import { lateSlas } from '../../scheduler/store/reads/slas.js'
import { openApprovals } from '../../scheduler/store/reads/waits.js'
import { sendPage } from '../page.js'
import { runMs } from '../present/bars.js'
import { duration, roughDuration } from '../present/duration.js'
import { latelyRunView, latelyTableView } from '../present/lately.js'
import { links } from '../present/links.js'
import { count, countOf } from '../present/numbers.js'
import { problemsView } from '../present/problems.js'
import { richText } from '../present/rich-text.js'
import { lateView } from '../present/sla-view.js'
import { timeLine } from '../present/time.js'
import { approvalView } from '../present/wait-view.js'
import { WORKER_ALIVE_MS, workersView } from '../present/workers.js'
import type { Web } from '../web.js'

const SHOWN = 10
const LATE_SHOWN = 20
const DAY_MS = 86_400_000

/** What is wrong now, what comes next, and whether there is room to work. */
export async function nowPage(web: Web, req: Request, res: Response): Promise<void> {
  const now = web.deps.now()
  const facts = await loadNow(web, now)
  const { failed, stuck, late } = facts
  const broken = problemsView(facts.problems)
  const wrong = failed.length + (broken?.files.length ?? 0) + stuck.length
  const model = {
    summary: summaryOf(wrong, late.length),
    counts: countsView(facts, now),
    failed: failed.map((dag) => failedView(dag, now)),
    broken: broken === null ? [] : broken.files.flatMap((file) => file.problems.slice(0, 1)),
    stuck: stuck.map((task) => ({
      href: links.task(task.runId, task.taskId),
      dagId: task.dagId,
      taskId: task.taskId,
      queue: task.queue,
      age: roughDuration(now - task.since),
    })),
    quiet: wrong === 0,
    approvals: facts.approvals.map((approval) => approvalView(approval, now)),
    late: late.slice(0, LATE_SHOWN).map((sla) => lateView(sla, now)),
    moreLate: late.length > LATE_SHOWN,
    running: facts.running.map((run) => ({
      href: links.run(run.runId),
      dagId: run.dagId,
      due: timeLine(run.dueAt, run.timezone ?? 'UTC', now, { seconds: 'due' }),
      took: duration(runMs(run, now) ?? 0),
    })),
    lately: {
      runs: facts.recent.runs.map((run) => latelyRunView(run, now)),
      tables: facts.recent.tables.map((table) => latelyTableView(table, now)),
    },
    next: facts.next.map((run) => nextView(run, now)),
    workers: workersView(facts.workers, now),
    pools: facts.poolRows.map((pool) => poolView(pool, now)),
  }
  const keys = [
    { keys: ['j', 'k'], label: 'move' },
    { keys: ['Enter'], label: 'open' },
  ]
  const { attention } = facts.counts
  await sendPage(web, req, res, 'now', { title: 'Now', section: 'now', keys, attention }, model)
}

async function loadNow({ deps: { database, store } }: Web, now: Instant) {
  const [counts, failed, problems, stuck, next, running, workers, poolRows, recent, approvals, late] =
    await Promise.all([
      nowCounts(database, now - DAY_MS),
      failedDags(database, SHOWN),
      store.problems(),
      unservedTasks(database, now - WORKER_ALIVE_MS, SHOWN),
      nextRuns(database, SHOWN),
      listRuns(database, { dagId: null, state: 'running', after: null, limit: SHOWN }),
      store.workers(now),
      pools(database),
      lately(database, SHOWN),
      openApprovals(database, SHOWN),
      lateSlas(database, LATE_SHOWN + 1),
    ])
  return { counts, failed, problems, stuck, next, running, workers, poolRows, recent, approvals, late }
}

type NowFacts = Awaited<ReturnType<typeof loadNow>>

function summaryOf(wrong: number, late: number): string {
  const look = wrong === 0 ? 'nothing needs a look' : `${countOf(wrong, 'thing needs', 'things need')} a look`
  return late === 0 ? look : `${look}, ${lateCount(late)} late or at risk`
}

function countsView({ counts, failed, late }: NowFacts, now: Instant) {
  return [
    { state: 'running', href: '/runs?state=running', value: count(counts.running), label: 'runs going' },
    {
      state: 'queued',
      href: '/runs?state=queued',
      value: count(counts.waitingTasks),
      label: waitingLabel(counts.oldestWait, now),
    },
    { state: 'failed', href: '/dags?state=failed', value: count(failed.length), label: 'DAGs whose last run failed' },
    // six fit; what is late says more than what waits
    late.length === 0
      ? { state: 'queued', href: '/runs?state=queued', value: count(counts.queuedRuns), label: 'runs waiting to start' }
      : { state: 'risk', glyph: 'warn', href: '#late', value: lateCount(late.length), label: 'late or at risk' },
    { state: 'success', href: '/runs?state=success', value: count(counts.doneToday), label: 'runs done in 24 h' },
    { state: 'failed', href: '/runs?state=failed', value: count(counts.failedToday), label: 'runs failed in 24 h' },
  ]
}

const lateCount = (found: number): string => (found > LATE_SHOWN ? `more than ${LATE_SHOWN}` : count(found))

function waitingLabel(oldest: Instant | null, now: Instant): string {
  return oldest === null ? 'tasks waiting for a slot' : `tasks waiting, oldest ${roughDuration(now - oldest)}`
}

function failedView(dag: FailedDag, now: Instant) {
  return {
    href: dag.taskId === null ? links.run(dag.runId) : links.task(dag.runId, dag.taskId),
    dagId: dag.dagId,
    taskId: dag.taskId ?? '',
    reason: richText(dag.reason),
    age: `${roughDuration(now - dag.endedAt)}${dag.inARow > 1 ? `, ${dag.inARow >= 20 ? '20 or more' : dag.inARow} in a row` : ''}`,
  }
}

function nextView(run: NextRun, now: Instant) {
  const wait = run.dueAt - now
  const note =
    run.lastState === 'failed' ? 'failed last' : run.medianMs === null ? '' : `takes ${duration(run.medianMs)}`
  return {
    dagId: run.dagId,
    href: links.dag(run.dagId),
    wait: wait <= 0 ? 'due' : duration(wait),
    at: timeLine(run.dueAt, run.timezone ?? 'UTC', now, { weekday: true, seconds: 'due' }),
    note,
    slow: run.lastState === 'failed',
  }
}

/** How full a pool is, and who has waited longest for it. One of size 0 counts as full. */
export function poolView(pool: PoolUse, now: Instant) {
  const share = pool.size === 0 ? 1 : Math.min(1, pool.taken / pool.size)
  return {
    pool: pool.pool,
    taken: pool.taken,
    size: pool.size,
    width: `${(share * 100).toFixed(1)}%`,
    state: share >= 1 ? 'up_for_retry' : 'running',
    waiting: pool.waiting === 0 ? '' : count(pool.waiting),
    first:
      pool.firstDag === null || pool.firstSince === null
        ? ''
        : `${pool.firstDag}.${pool.firstTask}, ${roughDuration(now - pool.firstSince)}`,
  }
}
