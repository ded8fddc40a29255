import type { AlertContent } from './message.js'

/** Pieces of mails. Styles are inline, nothing is loaded, and every text is taken as text. */

export const COLOURS = {
  bad: { text: '#b91c2b', fill: '#fbeae8', shape: '▲' },
  risk: { text: '#8a6100', fill: '#fdf3e0', shape: '◆' },
  good: { text: '#0f7a5c', fill: '#e6f4ef', shape: '✓' },
} as const
const SANS = "-apple-system,'Segoe UI',Roboto,Arial,sans-serif"
const MONO = 'Menlo,Consolas,monospace'

/**
 * A whole mail: its rows between the bar with the address of the web view and the end.
 * @param preview what lists of mails show behind the subject; '' for whatever the mail begins with
 */
export function mailFrame(title: string, preview: string, base: string, rows: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<meta name="supported-color-schemes" content="light">
<title>${escapeHtml(title)}</title>
</head>
<body style="margin:0;padding:0;background:#f7f8fa;">
${preview === '' ? '' : `<div style="display:none;max-height:0;overflow:hidden;">${escapeHtml(preview)}</div>`}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f7f8fa;">
<tr><td align="center" style="padding:24px 12px;">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" style="width:100%;max-width:600px;table-layout:fixed;background:#ffffff;border:1px solid #e4e7ec;border-radius:8px;font-family:${SANS};font-size:14px;line-height:21px;color:#171b22;overflow-wrap:anywhere;">
${[bar(base), ...rows].filter((row) => row !== '').join('\n')}
</table>
</td></tr>
</table>
</body>
</html>
`
}

const bar = (base: string): string =>
  `<tr><td style="padding:14px 24px;border-bottom:1px solid #e4e7ec;font-size:13px;color:#4c5565;"><b style="color:#171b22;">Sluice</b> &nbsp;·&nbsp; ${escapeHtml(base.replace(/^https?:\/\//, ''))}</td></tr>`

/**
 * The first row: what kind of alert it is, by colour, shape and word, and what is the matter.
 * @param headline plain text
 */
export function heading(
  { severity, title, detail }: Pick<AlertContent, 'severity' | 'title' | 'detail'>,
  headline: string,
): string {
  const { text, fill, shape } = COLOURS[severity]
  const more = detail === '' ? '' : `<p style="margin:0;color:#4c5565;">${escapeHtml(detail)}</p>`
  return `<tr><td style="padding:24px 24px 4px;"><span style="display:inline-block;padding:2px 10px;border-radius:12px;background:${fill};color:${text};font-size:13px;font-weight:600;">${shape} ${escapeHtml(title)}</span><h1 style="margin:10px 0 4px;font-size:20px;line-height:28px;font-weight:600;">${breakable(headline)}</h1>${more}</td></tr>`
}

/** The row of facts, name beside value; '' without any. @param names width of the names */
export function facts({ facts: pairs }: Pick<AlertContent, 'facts'>, names = '104'): string {
  if (pairs.length === 0) return ''
  const rows = pairs.map(
    ([name, value]) =>
      `<tr><td width="${names}" valign="top" style="padding:5px 12px 5px 0;color:#4c5565;">${breakable(name)}</td><td style="padding:5px 0;">${escapeHtml(value)}</td></tr>`,
  )
  return `<tr><td style="padding:16px 24px 4px;"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="font-size:14px;line-height:21px;">${rows.join('')}</table></td></tr>`
}

/**
 * The row of links, the first of them as a button; '' without any.
 * @param base address of the web view, which each path is a continuation of
 */
export function links({ links: all }: Pick<AlertContent, 'links'>, base: string): string {
  if (all.length === 0) return ''
  const anchors = all.map(({ label, path }, index) => {
    const style =
      index === 0
        ? 'display:inline-block;margin:0 16px 8px 0;padding:9px 16px;border-radius:6px;background:#4149b8;color:#ffffff;font-weight:600;text-decoration:none;'
        : 'display:inline-block;margin:0 16px 8px 0;color:#4149b8;text-decoration:none;'
    return `<a href="${escapeHtml(base + path)}" style="${style}">${escapeHtml(label)}</a>`
  })
  return `<tr><td style="padding:16px 24px 8px;">${anchors.join(' ')}</td></tr>`
}

/** The row that names the tasks held up by this one; '' when there are none. */
export const blocked = ({ blocked: tasks }: AlertContent): string => named('Waiting for it.', tasks)

/** The row that names the other DAGs that go on from this one; '' when there are none. */
export const behind = ({ behind: dags }: AlertContent): string => named('DAGs behind it.', dags)

const named = (title: string, names: readonly string[]): string =>
  names.length === 0
    ? ''
    : `<tr><td style="padding:0 24px 16px;font-size:13px;line-height:20px;color:#4c5565;"><b style="color:#171b22;">${title}</b> ${names.map(escapeHtml).join(', ')}</td></tr>`

/**
 * The row with the last lines of the log, breaks and spaces as written; '' for a task that wrote none. The lines come
 * chosen, shortened and with secrets masked.
 */
export const log = ({ log: lines }: AlertContent): string =>
  lines.length === 0
    ? ''
    : `<tr><td style="padding:0 24px 16px;"><div style="font-size:13px;font-weight:600;padding-bottom:6px;">Last lines of the log</div><div style="padding:10px 12px;background:#f1f3f6;border-radius:6px;font-family:${MONO};font-size:12px;line-height:18px;white-space:pre-wrap;">${lines.map((line) => escapeHtml(printable(line))).join('<br>')}</div></td></tr>`

/** The last row: why this mail was sent. What stands between backticks is set as code. */
export const footer = ({ footer: words }: Pick<AlertContent, 'footer'>): string =>
  `<tr><td style="padding:14px 24px;border-top:1px solid #e4e7ec;font-size:12px;line-height:18px;color:#626c7c;">${withCode(words)}</td></tr>`

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/**
 * A text that HTML shows as it is, between tags and inside quoted attributes; control characters and marks that turn
 * the direction of writing become spaces.
 */
export const escapeHtml = (text: string): string =>
  printable(text).replace(/[&<>"']/g, (found) => ESCAPES[found] ?? found)

/** Names of DAGs and tasks are long words; on a phone they had better break where their parts meet. */
const breakable = (text: string): string =>
  text
    .split(/(?<=[._])/)
    .map(escapeHtml)
    .join('<wbr>')

/** What stands between backticks is code. */
const withCode = (text: string): string =>
  text
    .split('`')
    .map((part, index) =>
      index % 2 === 0 ? escapeHtml(part) : `<span style="font-family:${MONO};">${escapeHtml(part)}</span>`,
    )
    .join('')

/** Control characters, and marks that turn the direction of writing, have nothing to say in a mail. */
const printable = (text: string): string => text.replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, ' ')

/** A text on a single line, each run of spaces as one: what a subject or a line of plain text needs. */
export const oneLine = (text: string): string => printable(text).replace(/ +/g, ' ').trim()

/** Counts code points, so that no character is cut in two. */
export function cut(text: string, limit: number): string {
  const points = Array.from(text)
  return points.length <= limit ? text : `${points.slice(0, limit - 1).join('')}…`
}
