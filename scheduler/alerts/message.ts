import { behind, blocked, cut, facts, footer, heading, links, log, mailFrame, oneLine } from './mail-html.js'

/** What an alert says, before it has a form. Every text may come from a DAG file, a log or an error, and is taken as text. */
export interface AlertContent {
  severity: 'bad' | 'risk' | 'good'
  /** `SLA missed`, `Failed`, `Recovered` */
  title: string
  dagId: string
  /** null for an alert about a run or a DAG */
  taskId: string | null
  /** what is the matter, in a few words: `was due by 07:00 Paris` */
  summary: string
  /** one sentence more; '' for none */
  detail: string
  /** name and value, in the order in which they are shown */
  facts: readonly (readonly [string, string])[]
  /** paths below the base URL, each with the words of its link; the first is the button */
  links: readonly { label: string; path: string }[]
  /** last lines of the task's log, secrets masked already */
  log: readonly string[]
  /** tasks that wait for the one that is late or failed */
  blocked: readonly string[]
  /** other DAGs that go on from it, each with how; a few */
  behind: readonly string[]
  /** why this mail was sent, and whether there will be more */
  footer: string
}

export interface RenderedMessage {
  subject: string
  text: string
  html: string
}

/** Mail programs cut what is longer; servers fold it. */
export const SUBJECT_LIMIT = 200
/** Last lines of the task's log. */
export const LOG_LINES = 20
const LOG_LINE_LIMIT = 500
const BLOCKED_LIMIT = 20

/**
 * An alert as a mail: one subject that names DAG and task, and the same content as text and as HTML. The HTML has its
 * styles inline, loads nothing, and is drawn in light colours everywhere (mail programs that darken by themselves may).
 * @param baseUrl address of the web view; links are its continuation
 */
export function renderMessage(content: AlertContent, baseUrl: string): RenderedMessage {
  const base = baseUrl.replace(/\/+$/, '')
  const html = mailFrame(headlineOf(content), previewOf(content), base, [
    ...contentRows(content, base),
    footer(content),
  ])
  const end = content.footer === '' ? '' : `\n\n${oneLine(content.footer)}`
  return { subject: subjectOf(content), text: `${contentText(content, base)}${end}\n`, html }
}

/** Neither a log nor a DAG with thousands of tasks makes a mail long. */
function shortened(content: AlertContent): AlertContent {
  const log = content.log.slice(-LOG_LINES).map((line) => cut(line, LOG_LINE_LIMIT))
  return { ...content, log, blocked: firstOf(content.blocked, BLOCKED_LIMIT) }
}

const headlineOf = (content: AlertContent): string => `${nameOf(content)} ${content.summary}`

/** What the alert is about, as subjects and pages name it: `dag`, or `dag.task`. */
export const nameOf = ({ dagId, taskId }: AlertContent): string => (taskId === null ? dagId : `${dagId}.${taskId}`)

const PREVIEW_LIMIT = 150

/** The subject has said what is the matter: why, or else how it stands. */
const previewOf = ({ detail, facts: pairs }: AlertContent): string =>
  cut(oneLine(detail === '' ? pairs.map(([name, value]) => `${name}: ${value}`).join('. ') : detail), PREVIEW_LIMIT)

/** One line whatever the names hold, so that no name can end the header and begin another. */
function subjectOf(content: AlertContent): string {
  return cut(oneLine(`[Sluice] ${content.title}: ${nameOf(content)} ${content.summary}`), SUBJECT_LIMIT)
}

/** What an alert says, as text without its footer. */
export function contentText(whole: AlertContent, base: string): string {
  const content = shortened(whole)
  const width = Math.max(0, ...content.facts.map(([name]) => name.length)) + 2
  const parts = [
    [oneLine(`${content.title.toUpperCase()}: ${nameOf(content)}`)],
    [oneLine(`${nameOf(content)} ${content.summary}.`), ...(content.detail === '' ? [] : [oneLine(content.detail)])],
    content.facts.map(([name, value]) => `${oneLine(name).padEnd(width)}${oneLine(value)}`),
    content.blocked.length === 0 ? [] : [`Waiting for it: ${content.blocked.map(oneLine).join(', ')}`],
    content.behind.length === 0 ? [] : [`DAGs behind it: ${content.behind.map(oneLine).join(', ')}`],
    content.log.length === 0 ? [] : ['Last lines of the log', ...content.log.map((line) => `  ${oneLine(line)}`)],
    content.links.map(({ label, path }) => oneLine(`${label}: ${base}${path}`)),
  ]
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** The same as rows of a mail. */
export function contentRows(whole: AlertContent, base: string): string[] {
  const content = shortened(whole)
  return [
    heading(content, headlineOf(content)),
    facts(content),
    links(content, base),
    blocked(content),
    behind(content),
    log(content),
  ]
}

function firstOf(names: readonly string[], limit: number): string[] {
  return names.length <= limit ? [...names] : [...names.slice(0, limit), `and ${names.length - limit} more`]
}
