import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import type { Instant, Json } from '../../json.js'
import { declaredId, isItem, itemIndex, MOST_ITEMS } from '../../scheduler/core/items.js'
import { FINAL_TASK_STATES, type Run, TASK_STATES } from '../../scheduler/core/model.js'
import type { Dag, Task } from '../../scheduler/dag/model.js'
import {
  attemptDetail,
  itemCounts,
  pastTaskDurations,
  type RunAttempt,
  type RunTask,
  runAttempts,
  runItems,
  runTask,
} from '../../scheduler/store/reads/run-page.js'
import { type ChildRun, childRuns, lookDetail } from '../../scheduler/store/reads/waits.js'
import { identityOf } from '../auth/session.js'
import { type Fragment, markOf } from '../live/fragments.js'
import { taken } from '../live/log-stream.js'
import { sendPage } from '../page.js'
import { attemptFacts, attemptParts, LEASE_ID, triesView, verdictView } from '../present/attempt-view.js'
import { duration } from '../present/duration.js'
import { gateMark } from '../present/gate.js'
import { links } from '../present/links.js'
import { type LogQuery, lineView, readLogPage, WINDOW } from '../present/log-view.js'
import { bytes, count, countOf, spread } from '../present/numbers.js'
import { ranView } from '../present/ran-view.js'
import { richText } from '../present/rich-text.js'
import { timezoneOf } from '../present/run-view.js'
import { day, isUtc, wallTime, zoneName } from '../present/time.js'
import { decisionView, type WaitFact, waitFacts } from '../present/wait-view.js'
import { offsetWords } from '../present/wall-instant.js'
import { href, textOf, wholeNumber } from '../query.js'
import type { Web } from '../web.js'

const ATTEMPTS = 100
const PAST = 30
const CHILDREN = 20

export interface AttemptPlace {
  run: Run
  dag: Dag
  task: RunTask
  /** null for a task that its pinned version no longer explains */
  spec: Task | null
  attempts: RunAttempt[]
  /** the chosen attempt; null before the first */
  chosen: RunAttempt | null
}

/**
 * The task that an address names, and the attempt to show: the one asked for by `try`, else the last.
 * @throws SluiceError RUN_UNKNOWN, TASK_UNKNOWN, NOT_FOUND for a try that there was not
 */
export async function loadAttempt(web: Web, req: Request): Promise<AttemptPlace> {
  const { store, database } = web.deps
  const [runId, taskId] = [req.params.run as string, req.params.task as string]
  const run = await store.run(runId)
  if (run === null) throw new SluiceError('RUN_UNKNOWN', `There is no run ${runId}.`)
  const [dag, task, attempts] = await Promise.all([
    web.dagVersion(run.version),
    runTask(database, runId, taskId),
    runAttempts(database, runId, ATTEMPTS, taskId),
  ])
  if (task === null) throw new SluiceError('TASK_UNKNOWN', `The run ${runId} has no task ${taskId}.`)
  const asked = textOf(req.query.try)
  const chosen =
    attempts.find((attempt) => String(attempt.attempt) === asked) ?? (asked === '' ? attempts.at(-1) : undefined)
  if (chosen === undefined && asked !== '')
    throw new SluiceError('NOT_FOUND', `${taskId} of ${runId} has no try ${asked.slice(0, 20)}.`)
  return {
    run,
    dag,
    task,
    spec: dag.tasks.find((one) => one.id === declaredId(taskId)) ?? null,
    attempts,
    chosen: chosen ?? null,
  }
}

const ITEMS_SHOWN = 100

/** The items of a task with `for_each`: how many are in each state, and a page of them. */
async function itemsView(web: Web, req: Request, { run, task }: AttemptPlace) {
  const { database, now } = web.deps
  const asked = textOf(req.query.items)
  const state = (TASK_STATES as readonly string[]).includes(asked) ? asked : ''
  const from = wholeNumber(req.query.from, 0, MOST_ITEMS) ?? 0
  const base = links.task(run.id, task.taskId)
  const [counts, rows] = await Promise.all([
    itemCounts(database, run.id, task.taskId),
    runItems(database, run.id, task.taskId, { from, limit: ITEMS_SHOWN + 1, state }),
  ])
  const more = rows[ITEMS_SHOWN]
  return {
    base,
    filter: state,
    counts: counts.map((one) => ({ ...one, href: `${href(base, { items: one.state })}#items` })),
    first: from === 0 ? '' : `${href(base, state === '' ? {} : { items: state })}#items`,
    next: more === undefined ? '' : `${href(base, { items: state, from: String(itemIndex(more.taskId)) })}#items`,
    rows: rows.slice(0, ITEMS_SHOWN).map((row) => ({
      taskId: row.taskId,
      href: links.task(run.id, row.taskId),
      state: row.state,
      item: itemText(row.item),
      attempt: row.attempt === 0 ? '' : String(row.attempt),
      took: row.startedAt === null ? '' : duration((row.endedAt ?? now()) - row.startedAt),
      reason: richText(row.reason),
    })),
  }
}

function itemText(item: Json): string {
  const text = typeof item === 'string' ? item : JSON.stringify(item)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

/** What of an attempt's page changes while it runs, as the browser swaps it. */
export function attemptFragments(web: Web, parts: ReturnType<typeof attemptParts>): Fragment[] {
  const { stateView, progress, lease } = parts
  return [
    ...(lease === '' ? [] : [{ id: LEASE_ID, html: web.views('_attempt_lease', { lease }), svg: false }]),
    { id: 'attempt-state', html: web.views('_attempt_state', stateView), svg: false },
    { id: 'attempt-progress', html: web.views('_attempt_progress', { progress }), svg: false },
  ]
}

/** One attempt: its log, what it was given, and the facts about it. */
export async function attemptPage(web: Web, req: Request, res: Response): Promise<void> {
  const place = await loadAttempt(web, req)
  const { run, dag, task, chosen } = place
  const now = web.deps.now()
  const timezone = timezoneOf(dag)
  const base = links.task(run.id, task.taskId)
  const wait = task.state === 'deferred' ? task.waitsFor : null
  const [detail, lineage, past, log, look, children] = await Promise.all([
    chosen === null ? null : attemptDetail(web.deps.database, run.id, task.taskId, chosen.attempt),
    web.deps.store.runLineage(run.id),
    pastTaskDurations(web.deps.database, run, task.taskId, PAST),
    logModel(web, req, place, base),
    wait?.kind === 'look' ? lookDetail(web.deps.database, wait.key) : null,
    place.spec?.operator === 'trigger_dag' ? childRuns(web.deps.database, run.id, CHILDREN) : [],
  ])
  const usual = spread(past)
  const items = place.spec?.forEach && !isItem(task.taskId) ? await itemsView(web, req, place) : null
  const over = FINAL_TASK_STATES.includes(task.state)
  const parts = attemptParts(place, now)
  const model = {
    ...parts,
    taskId: task.taskId,
    items,
    gate: gateMark(place.spec),
    verdict: verdictView(chosen),
    usual: usual === null ? '' : `median ${duration(usual.median)}, p90 ${duration(usual.p90)}`,
    tries: triesView(place, base),
    note: richText(noteOf(place)),
    over,
    base,
    log,
    approval: wait?.kind === 'approval' ? decisionView(wait, identityOf(res)) : null,
    facts: [
      ...waitFacts(task, look, timezone, now),
      ...childFacts(children, task.taskId),
      ...attemptFacts(place, lineage, now, detail?.metrics ?? null),
    ].map((fact) => ({ id: '', ...fact })),
    rendered: detail === null ? [] : ranView(detail.rendered, place),
    outputs:
      detail === null || Object.keys(detail.outputs ?? {}).length === 0 ? '' : JSON.stringify(detail.outputs, null, 2),
  }
  const keys = [
    { keys: ['f'], label: 'follow' },
    { keys: ['[', ']'], label: 'try before, after' },
  ]
  const isRunning = chosen !== null && chosen.endedAt === null
  const live = isRunning ? { href: `/live${base}?try=${chosen.attempt}`, mark: markOf(parts) } : null
  await sendPage(
    web,
    req,
    res,
    'attempt',
    {
      title: `${task.taskId} · ${run.dagId}`,
      section: 'dags',
      crumbs: attemptCrumbs(place, timezone, now),
      keys,
      live,
      hasSearch: true,
    },
    model,
  )
}

function attemptCrumbs({ run, task }: AttemptPlace, timezone: string, now: Instant) {
  return [
    { href: '/dags', label: 'DAGs' },
    { href: links.dag(run.dagId), label: run.dagId },
    {
      href: links.run(run.id),
      label: `${day(run.dueAt, timezone, now)}, ${wallTime(run.dueAt, timezone).clock} ${zoneName(timezone)}`,
    },
    { href: '', label: task.taskId },
  ]
}

function childFacts(children: readonly ChildRun[], taskId: string): WaitFact[] {
  const own = children.filter((child) => child.taskId === taskId)
  return own.map(({ runId, state }) => {
    return { term: 'Started', value: runId, note: state, href: links.run(runId), mono: true }
  })
}

function noteOf({ task, attempts, spec, chosen }: AttemptPlace): string {
  const failed = attempts.filter((attempt) => attempt.result !== null && attempt.result !== 'success')
  const last = failed.at(-1)
  const left = spec === null ? 0 : Math.max(0, spec.retries + 1 - task.tries)
  const more =
    task.state === 'running' && left > 0 ? `${countOf(left, 'more try', 'more tries')} if this one fails.` : ''
  // What stands above the log already is not said again.
  const told = verdictView(chosen) === null ? '' : (chosen?.reason ?? '')
  const reason = told === '' ? task.reason : task.reason.replace(told, '').replace(/, at last: $/, '')
  const said = last === undefined || (last.reason !== '' && `${task.reason} ${told}`.includes(last.reason))
  const before = said ? '' : `Try ${last.attempt}: ${last.reason || last.result}`
  return [more, reason, before].filter((text) => text !== '').join(' ')
}

function logQuery(req: Request): LogQuery {
  const level = textOf(req.query.level)
  return {
    q: textOf(req.query.q).slice(0, 200),
    level: level === 'warn' || level === 'error' ? level : '',
    from: wholeNumber(req.query.from, 1, Number.MAX_SAFE_INTEGER),
  }
}

async function logModel(web: Web, req: Request, { run, dag, task, chosen }: AttemptPlace, base: string) {
  if (chosen === null) return null
  const query = logQuery(req)
  const timezone = timezoneOf(dag)
  const attempt = { runId: run.id, taskId: task.taskId, attempt: chosen.attempt }
  const page = await readLogPage(web.deps.logs, attempt, query, chosen.logLines)
  const lines = query.from === null && query.q === '' && query.level === '' ? page.lines.slice(-WINDOW) : page.lines
  const first = lines[0]?.line ?? 0
  const last = lines.at(-1)?.line ?? 0
  const same = { try: chosen.attempt, q: query.q }
  const whole = query.q === '' && query.level === ''
  return {
    lines: lines.map((line) => lineView(line, timezone, query.q)),
    q: query.q,
    try: chosen.attempt,
    hits: query.q === '' ? '' : page.stopped ? `first ${page.hits}` : countOf(page.hits, 'line'),
    level: query.level,
    levels: [
      { label: 'All', count: '', current: query.level === '', href: href(base, same) },
      {
        label: 'Warnings',
        count: countText(page.warnings),
        current: query.level === 'warn',
        href: href(base, { ...same, level: 'warn' }),
      },
      {
        label: 'Errors',
        count: countText(page.errors),
        current: query.level === 'error',
        href: href(base, { ...same, level: 'error' }),
      },
    ],
    // only the end of a running attempt's whole log can grow
    live: chosen.endedAt === null && whole && query.from === null,
    stream: `/live/runs/${encodeURIComponent(run.id)}/tasks/${encodeURIComponent(task.taskId)}/attempts/${chosen.attempt}`,
    raw: `${base}/log?try=${chosen.attempt}`,
    from: last,
    last,
    earlier:
      whole && first > 1 ? `${href(base, { try: chosen.attempt, from: Math.max(1, first - WINDOW) })}#L${first}` : '',
    later:
      whole && query.from !== null && lines.length === WINDOW
        ? href(base, { try: chosen.attempt, from: last + 1 })
        : '',
    size: chosen.endedAt === null ? '' : `${countOf(chosen.logLines, 'line')}, ${bytes(chosen.logBytes)}.`,
    zone: isUtc(timezone)
      ? 'Times are UTC.'
      : `Times are ${zoneName(timezone)}, ${offsetWords(chosen.claimedAt, timezone)} UTC.`,
    empty: whole ? 'This attempt has said nothing.' : 'No line matches.',
  }
}

function countText(value: number | null): string {
  return value === null || value === 0 ? '' : count(value)
}

/** The whole log of one attempt as text, as it is read. */
export async function rawLog(web: Web, req: Request, res: Response): Promise<void> {
  const { run, task, chosen } = await loadAttempt(web, req)
  res.set({ 'content-type': 'text/plain; charset=utf-8', 'content-disposition': 'inline' })
  if (chosen !== null)
    for await (const line of web.deps.logs.read(
      { runId: run.id, taskId: task.taskId, attempt: chosen.attempt },
      { from: 1 },
    )) {
      await taken(res, res.write(`${line.at} ${line.level.padEnd(5)} ${line.message}\n`))
      if (res.destroyed) return
    }
  res.end()
}
