import type { LogLine } from '../../scheduler/shapes.js'
import type { AttemptLogs } from '../../scheduler/worker/log-reader.js'
import { wallTime } from './time.js'

type Logs = Pick<AttemptLogs, 'read' | 'tail'>
type AttemptId = Parameters<Logs['read']>[0]

/** Lines on one page; the rest is reached by paging or by a deep link. */
export const WINDOW = 1_000
/** Lines a search goes through before it says that it has stopped. */
const SCAN_LIMIT = 500_000
const HIT_LIMIT = 1_000
/** What of one line a page shows; the raw log has it whole. */
const LINE_LIMIT = 8_000

export interface LogQuery {
  q: string
  level: '' | 'warn' | 'error'
  /** first line of the window; null for the end of the log */
  from: number | null
}

export interface LogPage {
  lines: LogLine[]
  /** lines of each level that asks for attention, among those scanned; null when nothing was scanned */
  warnings: number | null
  errors: number | null
  hits: number
  stopped: boolean
}

/** Which lines the page shows: a window of the log, or what a search or a level finds. */
export async function readLogPage(logs: Logs, attempt: AttemptId, query: LogQuery, total: number): Promise<LogPage> {
  if (query.q === '' && query.level === '' && total > SCAN_LIMIT) {
    const lines = query.from === null ? await logs.tail(attempt, WINDOW) : await windowOf(logs, attempt, query.from)
    return { lines, warnings: null, errors: null, hits: 0, stopped: false }
  }
  return scan(logs, attempt, query)
}

async function windowOf(logs: Logs, attempt: AttemptId, from: number): Promise<LogLine[]> {
  const lines: LogLine[] = []
  for await (const line of logs.read(attempt, { from, limit: WINDOW })) lines.push(line)
  return lines
}

async function scan(logs: Logs, attempt: AttemptId, query: LogQuery): Promise<LogPage> {
  const needle = query.q.toLowerCase()
  const filtered = query.level !== ''
  const page: LogPage = { lines: [], warnings: 0, errors: 0, hits: 0, stopped: false }
  let scanned = 0
  for await (const line of logs.read(attempt, { from: 1 })) {
    scanned += 1
    if (scanned > SCAN_LIMIT || page.hits > HIT_LIMIT) return { ...page, stopped: true }
    if (line.level === 'warn') page.warnings = (page.warnings ?? 0) + 1
    if (line.level === 'error') page.errors = (page.errors ?? 0) + 1
    const hit = needle !== '' && line.message.toLowerCase().includes(needle)
    if (hit) page.hits += 1
    const wanted = filtered ? line.level === query.level || (query.level === 'warn' && line.level === 'error') : true
    if (!wanted || (needle !== '' && !hit)) continue
    if (filtered || needle !== '') page.lines.push(line)
    else keepWindow(page.lines, line, query.from)
  }
  return page
}

/** With a first line the window that begins there, without one the last lines. */
function keepWindow(lines: LogLine[], line: LogLine, from: number | null): void {
  if (from !== null) {
    if (line.line >= from && lines.length < WINDOW) lines.push(line)
    return
  }
  lines.push(line)
  if (lines.length > WINDOW * 2) lines.splice(0, WINDOW)
}

export interface LogLineView {
  number: number
  level: string
  time: string
  iso: string
  /** the message, cut where the search matches: `mark` says which parts do */
  parts: { text: string; mark: boolean }[]
  hit: boolean
}

/**
 * A line of a log with its time in the DAG's zone, to the millisecond. A long message is cut, and says how long it was.
 * @param q what is searched for, in any case; '' for nothing
 */
export function lineView(line: LogLine, timezone: string, q = ''): LogLineView {
  const message =
    line.message.length > LINE_LIMIT
      ? `${line.message.slice(0, LINE_LIMIT)}… (${line.message.length} characters)`
      : line.message
  const at = Date.parse(line.at)
  const known = Number.isFinite(at)
  return {
    number: line.line,
    level: line.level,
    time: known ? `${wallTime(at, timezone).seconds}.${String(((at % 1000) + 1000) % 1000).padStart(3, '0')}` : '',
    iso: known ? new Date(at).toISOString() : '',
    parts: marked(message, q),
    hit: q !== '' && message.toLowerCase().includes(q.toLowerCase()),
  }
}

function marked(message: string, q: string): LogLineView['parts'] {
  const lower = message.toLowerCase()
  // letters that change their length in lower case would shift the places
  if (q === '' || lower.length !== message.length) return [{ text: message, mark: false }]
  const parts: LogLineView['parts'] = []
  const needle = q.toLowerCase()
  let from = 0
  for (let at = lower.indexOf(needle); at !== -1 && parts.length < 200; at = lower.indexOf(needle, from)) {
    if (at > from) parts.push({ text: message.slice(from, at), mark: false })
    parts.push({ text: message.slice(at, at + needle.length), mark: true })
    from = at + needle.length
  }
  if (from < message.length) parts.push({ text: message.slice(from), mark: false })
  return parts
}
