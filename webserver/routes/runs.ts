import type { Request, Response } from 'express'
import { RUN_STATES } from '../../scheduler/core/model.js'
import { isRunState, listRuns, type RunListRow } from '../../scheduler/store/reads/run-list.js'
import { sendPage } from '../page.js'
import { runMs } from '../present/bars.js'
import { duration } from '../present/duration.js'
import { links } from '../present/links.js'
import { timeLine, timeTwice } from '../present/time.js'
import { href, textOf } from '../query.js'
import type { Web } from '../web.js'

const PAGE = 50

/** One page of runs with its filters; `base` is the address of the list. */
export async function loadRunList(web: Web, req: Request, onlyDag: string | null, base: string) {
  const now = web.deps.now()
  const asked = textOf(req.query.state)
  const state = isRunState(asked) ? asked : null
  const dag = onlyDag ?? (textOf(req.query.dag) || null)
  const after = cursorOf(textOf(req.query.after))
  const rows = await listRuns(web.deps.database, { dagId: dag, state, after, limit: PAGE + 1 })
  const shown = rows.slice(0, PAGE)
  const last = shown.at(-1)
  const same = { dag: onlyDag === null ? (dag ?? '') : '' }
  const more = rows.length > PAGE && last !== undefined
  return {
    rows: shown.map((row) => rowView(row, now)),
    oneDag: onlyDag !== null,
    dag: onlyDag === null ? (dag ?? '') : '',
    base,
    state: state ?? '',
    states: ['', ...RUN_STATES].map((name) => ({
      label: name === '' ? 'All' : name,
      glyph: name,
      current: name === (state ?? ''),
      href: href(base, { ...same, state: name }),
    })),
    older: more ? href(base, { ...same, state: state ?? '', after: `${last.dueAt}~${last.runId}` }) : '',
    newest: after === null ? '' : href(base, { ...same, state: state ?? '' }),
  }
}

/** `DUE~RUN`; null when it is anything else. */
function cursorOf(text: string): { dueAt: number; runId: string } | null {
  const match = /^(-?\d{1,15})~(.+)$/.exec(text)
  return match === null ? null : { dueAt: Number(match[1]), runId: match[2] ?? '' }
}

function rowView(row: RunListRow, now: number) {
  const timezone = row.timezone ?? 'UTC'
  const took = runMs(row, now)
  return {
    href: links.run(row.runId),
    dagId: row.dagId,
    dagHref: links.dag(row.dagId),
    state: row.state,
    due: timeTwice(row.dueAt, timezone, now, { seconds: 'due' }),
    started: row.startedAt === null ? '' : timeLine(row.startedAt, timezone, now, { seconds: true }),
    took: took === null ? '' : duration(took),
    by:
      row.kind === 'scheduled'
        ? 'schedule'
        : row.kind === 'triggered'
          ? row.triggeredBy
          : `${row.triggeredBy}${row.kind === 'backfill' ? ', backfill' : ''}`,
    version: row.version.slice(0, 7),
    versionHref: href(links.dagTab(row.dagId, 'code'), { version: row.version }),
    reason: row.reason,
  }
}

/** The runs of all DAGs, newest first. */
export async function runListPage(web: Web, req: Request, res: Response): Promise<void> {
  const list = await loadRunList(web, req, null, '/runs')
  const keys = [
    { keys: ['j', 'k'], label: 'move' },
    { keys: ['Enter'], label: 'open' },
  ]
  await sendPage(web, req, res, 'runs', { title: 'Runs', section: 'runs', keys, hasSearch: true }, { list })
}
