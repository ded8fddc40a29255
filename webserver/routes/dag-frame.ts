import type { Request } from 'express'
import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Dag } from '../../scheduler/dag/model.js'
import type { Missed } from '../../scheduler/loop/catchup.js'
import { type DagHead, dagHead } from '../../scheduler/store/reads/dag-page.js'
import { slaRecord as readSlaRecord, type SlaRecord } from '../../scheduler/store/reads/slas.js'
import { duration } from '../present/duration.js'
import { links } from '../present/links.js'
import { count, countOf } from '../present/numbers.js'
import { scheduleLine } from '../present/schedule.js'
import { dagSlaWords, recordWords } from '../present/sla-view.js'
import { timeLine } from '../present/time.js'
import { href } from '../query.js'
import type { Web } from '../web.js'

/** How far back it is told how deadlines were kept. */
const RECORD_MS = 30 * 86_400_000

const DAG_TABS = ['grid', 'graph', 'runs', 'schedule', 'tables', 'code', 'versions', 'audit'] as const
export type DagTab = (typeof DAG_TABS)[number]

export interface DagFrame {
  head: DagHead
  dag: Dag
  timezone: string
  now: Instant
  /** what was due while it was paused; null when it is not */
  missed: Missed | null
  /** null for a DAG whose runs have no deadline */
  slaRecord: SlaRecord | null
}

/**
 * What all pages of a DAG need: its newest version, and what was missed while it is paused.
 * @throws SluiceError DAG_UNKNOWN
 */
export async function loadDagFrame(web: Web, req: Request): Promise<DagFrame> {
  const dagId = req.params.dag as string
  const head = await dagHead(web.deps.database, dagId)
  if (head === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  const dag = await web.dagVersion(head.version)
  const missed = head.paused && head.present ? await web.deps.commands.missed(dagId) : null
  const now = web.deps.now()
  const slaRecord = dag.slas.length === 0 ? null : await readSlaRecord(web.deps.database, dagId, now - RECORD_MS)
  return { head, dag, timezone: dag.schedule?.timezone ?? 'UTC', now, missed, slaRecord }
}

/** Title, facts and tabs that all pages of a DAG begin with. */
export function frameView({ head, dag, timezone, now, missed, slaRecord }: DagFrame, tab: DagTab) {
  const counts: Partial<Record<DagTab, number>> = { tables: head.tables, versions: head.versions }
  return {
    dagId: head.dagId,
    href: links.dag(head.dagId),
    description: dag.description,
    present: head.present,
    active: !head.paused,
    pauseReason: head.pauseReason,
    missed: missedView(missed),
    activeHref: links.dagTab(head.dagId, 'active'),
    triggerHref: links.dagTab(head.dagId, 'trigger'),
    tags: head.tags.map((tag) => ({ tag, href: href('/dags', { tag }) })),
    schedule: scheduleLine(dag.schedule, dag.triggers),
    cron: dag.schedule?.crons.join(' | ') ?? '',
    next:
      head.nextDueAt === null || head.paused || !head.present
        ? null
        : {
            at: timeLine(head.nextDueAt, timezone, now, { weekday: true, seconds: 'due' }),
            wait: head.nextDueAt <= now ? 'due now' : `in ${duration(head.nextDueAt - now)}`,
          },
    owner: head.owner,
    sla: slaRecord === null ? null : { words: dagSlaWords(dag.slas, timezone), record: recordWords(slaRecord) },
    version: {
      short: head.version.slice(0, 7),
      href: links.dagTab(head.dagId, 'code'),
      since: timeLine(head.versionSince, timezone, now, { weekday: true }),
    },
    tabs: DAG_TABS.map((name) => ({
      href: name === 'grid' ? links.dag(head.dagId) : links.dagTab(head.dagId, name),
      label: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      count: counts[name] === undefined ? '' : String(counts[name]),
      current: name === tab,
    })),
  }
}

/** What a resume would do; null when there is nothing to tell. */
function missedView(missed: Missed | null) {
  if (missed === null || missed.count === 0) return null
  const { count: runs, makes } = missed
  const made =
    makes === 0 ? 'none of them is made up for' : makes === runs ? 'all are made' : `${count(makes)} of them made`
  return { text: `${countOf(runs, 'run')} missed meanwhile. When it is resumed, ${made}.`, skips: makes > 0 }
}

/** The way to a page of a DAG; with `last` the DAG's own page is a link. */
export function dagCrumbs({ head }: DagFrame, last = ''): { href: string; label: string }[] {
  const dags = { href: '/dags', label: 'DAGs' }
  return last === ''
    ? [dags, { href: '', label: head.dagId }]
    : [dags, { href: links.dag(head.dagId), label: head.dagId }, { href: '', label: last }]
}
