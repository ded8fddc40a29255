import type { Request } from 'express'
import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Dag } from '../../scheduler/dag/model.js'
import { type DagHead, dagHead } from '../../scheduler/store/reads/dag-page.js'
import { duration } from '../present/duration.js'
import { links } from '../present/links.js'
import { scheduleWords } from '../present/schedule.js'
import { timeLine, zoneName } from '../present/time.js'
import { href } from '../query.js'
import type { Web } from '../web.js'

export const DAG_TABS = ['grid', 'graph', 'runs', 'tables', 'code', 'versions', 'audit'] as const
export type DagTab = (typeof DAG_TABS)[number]

export interface DagFrame {
  head: DagHead
  dag: Dag
  timezone: string
  now: Instant
}

/** @throws SluiceError DAG_UNKNOWN */
export async function loadDagFrame(web: Web, req: Request): Promise<DagFrame> {
  const dagId = req.params.dag as string
  const head = await dagHead(web.deps.database, dagId)
  if (head === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  const dag = await web.dagVersion(head.version)
  return { head, dag, timezone: dag.schedule?.timezone ?? 'UTC', now: web.deps.now() }
}

/** Title, facts and tabs that all pages of a DAG begin with. */
export function frameView({ head, dag, timezone, now }: DagFrame, tab: DagTab) {
  const counts: Partial<Record<DagTab, number>> = { tables: head.tables, versions: head.versions }
  return {
    dagId: head.dagId,
    href: links.dag(head.dagId),
    description: dag.description,
    present: head.present,
    active: !head.paused,
    pauseReason: head.pauseReason,
    activeHref: links.dagTab(head.dagId, 'active'),
    triggerHref: links.dagTab(head.dagId, 'trigger'),
    tags: head.tags.map((tag) => ({ tag, href: href('/dags', { tag }) })),
    schedule:
      dag.schedule === null ? 'by hand only' : `${scheduleWords(dag.schedule)} ${zoneName(dag.schedule.timezone)}`,
    cron: dag.schedule?.crons.join(' | ') ?? '',
    next:
      head.nextDueAt === null || head.paused || !head.present
        ? null
        : {
            at: timeLine(head.nextDueAt, timezone, now, { weekday: true }),
            wait: head.nextDueAt <= now ? 'due now' : `in ${duration(head.nextDueAt - now)}`,
          },
    owner: head.owner,
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

export function dagCrumbs({ head }: DagFrame, last = ''): { href: string; label: string }[] {
  const dags = { href: '/dags', label: 'DAGs' }
  return last === ''
    ? [dags, { href: '', label: head.dagId }]
    : [dags, { href: links.dag(head.dagId), label: head.dagId }, { href: '', label: last }]
}
