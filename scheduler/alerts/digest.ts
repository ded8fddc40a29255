import type { Alert, MessageContent } from '../store/alert-store.js'
import { KIND_WORDS } from './content.js'
import { cut, escapeHtml, facts, footer, heading, links, mailFrame, oneLine } from './mail-html.js'
import { type AlertContent, contentRows, contentText, type RenderedMessage, SUBJECT_LIMIT } from './message.js'
import { longTime } from './times.js'

/** Alerts that a digest names one by one; the rest it counts. */
export const NAMED_ALERTS = 50
const NAMED_DAGS = 3
const COUNTED_DAGS = 20

/** So few alerts are told in full, one after the other. */
export const DETAILED_ALERTS = 5

/**
 * Several alerts as one mail: how many of what, and the oldest of them by name.
 * @param details what there is to say of each of a few; empty when they are many
 */
export function renderDigest(
  { alerts, counts }: MessageContent,
  details: readonly AlertContent[],
  baseUrl: string,
): RenderedMessage {
  const base = baseUrl.replace(/\/+$/, '')
  const total = counts.reduce((sum, { count }) => sum + count, 0)
  const title = `${number(total)} alerts`
  const names = namesOf(counts)
  const kinds = byKind(counts)
  const headline = `${names}: ${kinds}`
  const named = alerts.slice(0, NAMED_ALERTS)
  const more = total - named.length
  const rest = more > 0 ? `and ${number(more)} more` : ''
  const about = {
    severity: worst(counts),
    title,
    detail: 'Raised within a short time of each other and put together into one message.',
    // a few alerts that are told in full have facts and links of their own
    facts: details.length > 0 ? [] : byDag(counts),
    links: details.length > 0 ? [] : [{ label: 'All alerts', path: '/alerts' }],
    footer:
      'Alerts that come together go out together; `alerts.digest` in sluice.yaml says for how long they are gathered.',
  } as const
  return {
    subject: cut(oneLine(`[Sluice] ${title}: ${headline}`), SUBJECT_LIMIT),
    text: textOf(
      about,
      headline,
      details.length > 0 ? details.map((one) => contentText(one, base)) : [listText(named, rest, base)],
      base,
    ),
    html: mailFrame(`${title}: ${headline}`, kinds, base, [
      heading(about, headline),
      facts(about, '42%'),
      links(about, base),
      ...(details.length > 0 ? details.flatMap((one) => contentRows(one, base)) : [list(named, rest, base)]),
      footer(about),
    ]),
  }
}

type About = Pick<AlertContent, 'title' | 'detail' | 'facts' | 'links' | 'footer'>

function textOf(about: About, headline: string, sections: readonly string[], base: string): string {
  const width = Math.max(0, ...about.facts.map(([name]) => name.length)) + 2
  const parts = [
    [about.title.toUpperCase(), oneLine(headline)],
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

function listText(named: readonly Alert[], rest: string, base: string): string {
  const lines = named.map((alert) => `  ${oneLine(lineOf(alert))}\n    ${base}${pathOf(alert)}`)
  return (rest === '' ? lines : [...lines, `  ${rest}`]).join('\n')
}

function list(named: readonly Alert[], rest: string, base: string): string {
  const rows = named.map((alert) => {
    const link = `<a href="${escapeHtml(base + pathOf(alert))}" style="color:#4149b8;text-decoration:none;">${escapeHtml(lineOf(alert))}</a>`
    return `<div style="padding:3px 0;">${link}</div>`
  })
  const last = rest === '' ? '' : `<div style="padding:3px 0;color:#4c5565;">${rest}</div>`
  return `<tr><td style="padding:0 24px 16px;font-size:13px;line-height:20px;">${rows.join('')}${last}</td></tr>`
}

function lineOf({ kind, subject, dagId, taskId, payload, raisedAt }: Alert): string {
  const name = dagId === null ? subject : taskId === null ? dagId : `${dagId}.${taskId}`
  const why = typeof payload.reason === 'string' && payload.reason !== '' ? `: ${cut(payload.reason, 160)}` : ''
  return `${KIND_WORDS[kind].title}: ${name}, ${longTime(raisedAt, 'UTC')}${why}`
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
