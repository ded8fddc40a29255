import type { Instant } from '../../json.js'
import type { Alert, MessageContent } from '../store/alert-store.js'
import { KIND_WORDS } from './content.js'
import { toldLateMs } from './lateness.js'
import { cut, escapeHtml, facts, footer, heading, links, mailFrame, oneLine } from './mail-html.js'
import { type AlertContent, contentRows, contentText, type RenderedMessage, SUBJECT_LIMIT } from './message.js'
import { instantOf, longTime, spelledDuration, type TimeStyle, timeOfDay } from './times.js'

/** Alerts that a digest names one by one; the rest it counts. */
export const NAMED_ALERTS = 50
const NAMED_DAGS = 3
const COUNTED_DAGS = 20

/** So few alerts are told in full, one after the other. */
export const DETAILED_ALERTS = 5

/** Several alerts put together: how many of what, and the oldest of them by name. */
export interface Digest extends Pick<AlertContent, 'severity' | 'title' | 'detail' | 'facts' | 'links' | 'footer'> {
  /** whose they are, and how many of each kind */
  headline: string
  kinds: string
  /** one line and the path of its page for each alert that is named */
  named: readonly { line: string; path: string }[]
  /** how many there are, named or not */
  total: number
}

/** `and 13,950 more`; '' when all are named */
export function restText({ total }: Digest, named: number): string {
  return total <= named ? '' : `and ${number(total - named)} more`
}

/**
 * Many alerts as one message: how many of what, of which DAGs, and the first of them by name.
 * @param madeAt when they were put together
 */
export function digestOf({ alerts, counts }: MessageContent, madeAt: Instant): Digest {
  const total = counts.reduce((sum, { count }) => sum + count, 0)
  const kinds = byKind(counts)
  return {
    severity: worst(counts),
    title: `${number(total)} alerts`,
    headline: `${namesOf(counts)}: ${kinds}`,
    kinds,
    detail: `Raised ${spanOf(alerts, madeAt)} and put together into one message.`,
    facts: byDag(counts),
    links: [{ label: 'All alerts', path: '/alerts' }],
    named: alerts.slice(0, NAMED_ALERTS).map((alert) => ({ line: lineOf(alert), path: pathOf(alert) })),
    total,
    footer:
      'Alerts that come together go out together; `alerts.digest` in sluice.yaml says for how long they are gathered.',
  }
}

/**
 * A digest as one mail.
 * @param details what there is to say of each of a few, which then have facts and links of their own; empty when they are many
 */
export function renderDigest(digest: Digest, details: readonly AlertContent[], baseUrl: string): RenderedMessage {
  const base = baseUrl.replace(/\/+$/, '')
  const { title, headline, kinds } = digest
  const about = details.length === 0 ? digest : { ...digest, facts: [], links: [] }
  const sections = details.length > 0 ? details.map((one) => contentText(one, base)) : [listText(digest, base)]
  return {
    subject: cut(oneLine(`[Sluice] ${title}: ${headline}`), SUBJECT_LIMIT),
    text: textOf(about, sections, base),
    html: mailFrame(`${title}: ${headline}`, kinds, base, [
      heading(about, headline),
      facts(about, '42%'),
      links(about, base),
      ...(details.length > 0 ? details.flatMap((one) => contentRows(one, base)) : [list(digest, base)]),
      footer(about),
    ]),
  }
}

function textOf(about: Digest, sections: readonly string[], base: string): string {
  const width = Math.max(0, ...about.facts.map(([name]) => name.length)) + 2
  const parts = [
    [about.title.toUpperCase(), oneLine(about.headline)],
    [about.detail],
    about.facts.map(([name, value]) => `${oneLine(name).padEnd(width)}${oneLine(value)}`),
    ...sections.map((section) => [section]),
    about.links.map(({ label, path }) => `${label}: ${base}${path}`),
    [about.footer],
  ]
  return `${parts
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n')}\n`
}

function listText(digest: Digest, base: string): string {
  const { named } = digest
  const rest = restText(digest, named.length)
  const lines = named.map(({ line, path }) => `  ${oneLine(line)}\n    ${base}${path}`)
  return (rest === '' ? lines : [...lines, `  ${rest}`]).join('\n')
}

function list(digest: Digest, base: string): string {
  const { named } = digest
  const rest = restText(digest, named.length)
  const rows = named.map(({ line, path }) => {
    const link = `<a href="${escapeHtml(base + path)}" style="color:#4149b8;text-decoration:none;">${escapeHtml(line)}</a>`
    return `<div style="padding:3px 0;">${link}</div>`
  })
  const last = rest === '' ? '' : `<div style="padding:3px 0;color:#4c5565;">${rest}</div>`
  return `<tr><td style="padding:0 24px 16px;font-size:13px;line-height:20px;">${rows.join('')}${last}</td></tr>`
}

/** Seconds, because runs may be seconds apart; UTC, because DAGs have zones of their own. */
const IN_LISTS: TimeStyle = { timezone: 'UTC', seconds: true }

/** `SLA missed: sales.load, was due by Fri 20 Nov 2026, 06:00:00 UTC` */
function lineOf(alert: Alert): string {
  const { kind, subject, dagId, taskId, payload, raisedAt } = alert
  const name = dagId === null ? subject : taskId === null ? dagId : `${dagId}.${taskId}`
  const why = typeof payload.reason === 'string' && payload.reason !== '' ? `: ${cut(payload.reason, 160)}` : ''
  const deadline = instantOf(payload.deadline)
  const lateMs = toldLateMs(alert)
  const late = lateMs === 0 ? '' : `, told ${spelledDuration(lateMs)} late`
  const when = deadline === null ? longTime(raisedAt, IN_LISTS) : `due by ${longTime(deadline, IN_LISTS)}${late}`
  return `${KIND_WORDS[kind].title}: ${name}, ${when}${why}`
}

/** `between 06:00:00 and 06:10:20 UTC`; an outage of the mail server gathers more than a window does */
function spanOf([oldest]: MessageContent['alerts'], madeAt: Instant): string {
  const from = timeOfDay(oldest?.raisedAt ?? madeAt, IN_LISTS, madeAt)
  return `between ${from} and ${timeOfDay(madeAt, IN_LISTS, madeAt)}`
}

function pathOf({ runId, taskId }: Alert): string {
  if (runId === null) return '/alerts'
  return `/runs/${encodeURIComponent(runId)}${taskId === null ? '' : `/tasks/${encodeURIComponent(taskId)}`}`
}

type Counts = MessageContent['counts']

/** `3 failed runs, 1 recovered run`; what is bad comes first */
function byKind(counts: Counts): string {
  const totals = new Map<Counts[number]['kind'], number>()
  for (const { kind, count } of counts) totals.set(kind, (totals.get(kind) ?? 0) + count)
  return [...totals]
    .sort(([a], [b]) => weight(a) - weight(b))
    .map(([kind, count]) => `${number(count)} ${count === 1 ? KIND_WORDS[kind].one : KIND_WORDS[kind].many}`)
    .join(', ')
}

/** `sales, stock, prices and 3 more DAGs` */
function namesOf(counts: Counts): string {
  const dags = [...new Set(counts.map(({ dagId }) => dagId ?? 'Sluice'))]
  const shown = dags.slice(0, NAMED_DAGS).join(', ')
  return dags.length <= NAMED_DAGS ? shown : `${shown} and ${number(dags.length - NAMED_DAGS)} more DAGs`
}

function byDag(counts: Counts): [string, string][] {
  const dags = [...new Set(counts.map(({ dagId }) => dagId))]
  const shown = dags.slice(0, COUNTED_DAGS).map((dagId): [string, string] => {
    return [dagId ?? 'Sluice', byKind(counts.filter((one) => one.dagId === dagId))]
  })
  return dags.length <= COUNTED_DAGS ? shown : [...shown, ['', `and ${number(dags.length - COUNTED_DAGS)} more DAGs`]]
}

const SEVERITIES = ['bad', 'risk', 'good'] as const

const weight = (kind: Counts[number]['kind']): number => SEVERITIES.indexOf(KIND_WORDS[kind].severity)

function worst(counts: Counts): AlertContent['severity'] {
  return SEVERITIES[Math.min(...counts.map(({ kind }) => weight(kind)))] ?? 'bad'
}

const number = (value: number): string => value.toLocaleString('en-US')
