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
  /** why this mail was sent, and whether there will be more */
  footer: string
}

export interface RenderedMessage {
  subject: string
  text: string
  html: string
}

/** Mail programs cut what is longer; servers fold it. */
const SUBJECT_LIMIT = 200
const LOG_LINES = 20
const LOG_LINE_LIMIT = 500
const BLOCKED_LIMIT = 20

const COLOURS = {
  bad: { text: '#b91c2b', fill: '#fbeae8', shape: '▲' },
  risk: { text: '#8a6100', fill: '#fdf3e0', shape: '◆' },
  good: { text: '#0f7a5c', fill: '#e6f4ef', shape: '✓' },
} as const
const SANS = "-apple-system,'Segoe UI',Roboto,Arial,sans-serif"
const MONO = 'Menlo,Consolas,monospace'

/**
 * An alert as a mail: one subject that names DAG and task, and the same content as text and as HTML. The HTML has its
 * styles inline, loads nothing, and is drawn in light colours everywhere (mail programs that darken by themselves may).
 * @param baseUrl address of the web view; links are its continuation
 */
export function renderMessage(content: AlertContent, baseUrl: string): RenderedMessage {
  const shown: AlertContent = {
    ...content,
    log: content.log.slice(-LOG_LINES).map((line) => cut(line, LOG_LINE_LIMIT)),
    blocked: firstOf(content.blocked, BLOCKED_LIMIT),
  }
  const base = baseUrl.replace(/\/+$/, '')
  return { subject: subjectOf(content), text: textOf(shown, base), html: htmlOf(shown, base) }
}

const nameOf = ({ dagId, taskId }: AlertContent): string => (taskId === null ? dagId : `${dagId}.${taskId}`)

/** One line whatever the names hold, so that no name can end the header and begin another. */
function subjectOf(content: AlertContent): string {
  return cut(oneLine(`[Sluice] ${content.title}: ${nameOf(content)} ${content.summary}`), SUBJECT_LIMIT)
}

function textOf(content: AlertContent, base: string): string {
  const width = Math.max(0, ...content.facts.map(([name]) => name.length)) + 2
  const parts = [
    [oneLine(`${content.title.toUpperCase()}: ${nameOf(content)}`)],
    [oneLine(`${nameOf(content)} ${content.summary}.`), ...(content.detail === '' ? [] : [oneLine(content.detail)])],
    content.facts.map(([name, value]) => `${oneLine(name).padEnd(width)}${oneLine(value)}`),
    content.blocked.length === 0 ? [] : [`Waiting for it: ${content.blocked.map(oneLine).join(', ')}`],
    content.log.length === 0 ? [] : ['Last lines of the log', ...content.log.map((line) => `  ${oneLine(line)}`)],
    content.links.map(({ label, path }) => oneLine(`${label}: ${base}${path}`)),
    content.footer === '' ? [] : [oneLine(content.footer)],
  ]
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

function htmlOf(content: AlertContent, base: string): string {
  const title = escapeHtml(`${nameOf(content)} ${content.summary}`)
  const rows = [
    bar(base),
    heading(content, title),
    facts(content),
    links(content, base),
    blocked(content),
    log(content),
    footer(content),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>${title}</title>
</head>
<body style="margin:0;padding:0;background:#f7f8fa;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f7f8fa;">
<tr><td align="center" style="padding:24px 12px;">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" style="width:100%;max-width:600px;table-layout:fixed;background:#ffffff;border:1px solid #e4e7ec;border-radius:8px;font-family:${SANS};font-size:14px;line-height:21px;color:#171b22;overflow-wrap:anywhere;">
${rows.filter((row) => row !== '').join('\n')}
</table>
</td></tr>
</table>
</body>
</html>
`
}

const bar = (base: string): string =>
  `<tr><td style="padding:14px 24px;border-bottom:1px solid #e4e7ec;font-size:13px;color:#4c5565;"><b style="color:#171b22;">Sluice</b> &nbsp;·&nbsp; ${escapeHtml(base.replace(/^https?:\/\//, ''))}</td></tr>`

function heading({ severity, title, detail }: AlertContent, headline: string): string {
  const { text, fill, shape } = COLOURS[severity]
  const more = detail === '' ? '' : `<p style="margin:0;color:#4c5565;">${escapeHtml(detail)}</p>`
  return `<tr><td style="padding:24px 24px 4px;"><span style="display:inline-block;padding:2px 10px;border-radius:12px;background:${fill};color:${text};font-size:13px;font-weight:600;">${shape} ${escapeHtml(title)}</span><h1 style="margin:10px 0 4px;font-size:20px;line-height:28px;font-weight:600;">${headline}</h1>${more}</td></tr>`
}

function facts({ facts: pairs }: AlertContent): string {
  if (pairs.length === 0) return ''
  const rows = pairs.map(
    ([name, value]) =>
      `<tr><td width="104" valign="top" style="padding:5px 0;color:#4c5565;">${escapeHtml(name)}</td><td style="padding:5px 0;">${escapeHtml(value)}</td></tr>`,
  )
  return `<tr><td style="padding:16px 24px 4px;"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="font-size:14px;line-height:21px;">${rows.join('')}</table></td></tr>`
}

function links({ links: all }: AlertContent, base: string): string {
  if (all.length === 0) return ''
  const anchors = all.map(({ label, path }, index) => {
    const style =
      index === 0
        ? 'display:inline-block;padding:9px 16px;border-radius:6px;background:#4149b8;color:#ffffff;font-weight:600;text-decoration:none;'
        : 'color:#4149b8;text-decoration:none;'
    return `<a href="${escapeHtml(base + path)}" style="${style}">${escapeHtml(label)}</a>`
  })
  return `<tr><td style="padding:16px 24px 16px;">${anchors.join(' &nbsp; ')}</td></tr>`
}

const blocked = ({ blocked: tasks }: AlertContent): string =>
  tasks.length === 0
    ? ''
    : `<tr><td style="padding:0 24px 16px;font-size:13px;line-height:20px;color:#4c5565;"><b style="color:#171b22;">Waiting for it.</b> ${tasks.map(escapeHtml).join(', ')}</td></tr>`

const log = ({ log: lines }: AlertContent): string =>
  lines.length === 0
    ? ''
    : `<tr><td style="padding:0 24px 16px;"><div style="font-size:13px;font-weight:600;padding-bottom:6px;">Last lines of the log</div><div style="padding:10px 12px;background:#f1f3f6;border-radius:6px;font-family:${MONO};font-size:12px;line-height:18px;white-space:pre-wrap;">${lines.map((line) => escapeHtml(printable(line))).join('<br>')}</div></td></tr>`

const footer = ({ footer: words }: AlertContent): string =>
  `<tr><td style="padding:14px 24px;border-top:1px solid #e4e7ec;font-size:12px;line-height:18px;color:#626c7c;">${escapeHtml(words)}</td></tr>`

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const escapeHtml = (text: string): string => printable(text).replace(/[&<>"']/g, (found) => ESCAPES[found] ?? found)

/** Control characters, and marks that turn the direction of writing, have nothing to say in a mail. */
const printable = (text: string): string => text.replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, ' ')

const oneLine = (text: string): string => printable(text).replace(/ +/g, ' ').trim()

/** Counts code points, so that no character is cut in two. */
function cut(text: string, limit: number): string {
  const points = Array.from(text)
  return points.length <= limit ? text : `${points.slice(0, limit - 1).join('')}…`
}

function firstOf(names: readonly string[], limit: number): string[] {
  return names.length <= limit ? [...names] : [...names.slice(0, limit), `and ${names.length - limit} more`]
}
