import type { Instant } from '../../json.js'
import type { TableSummary, TableVersion } from '../../lakehouse/lakehouse.js'
import type { CheckHistory, RecordedVersion, TableReader } from '../../scheduler/store/reads/tables-page.js'
import { roundUp } from './bars.js'
import { roughDuration } from './duration.js'
import { links } from './links.js'
import { count, countOf } from './numbers.js'
import { timeLine, timeTwice } from './time.js'

interface VersionContext {
  current: boolean
  chosen: boolean
  base: string
  timezone: string
  now: Instant
}

/** One commit with the run behind it, as far as the commit or the store knows. */
export function versionView(version: TableVersion, recorded: RecordedVersion | null, context: VersionContext) {
  const { base, timezone, now } = context
  const runId = recorded?.runId ?? version.run
  const dueAt = recorded?.dueAt ?? null
  const taskId = recorded?.taskId ?? version.task
  const attempt = recorded?.attempt ?? version.attempt
  const warned = recorded !== null && recorded.checks > recorded.passed
  const checks = recorded?.checks ?? 0
  return {
    version: version.version,
    current: context.current,
    chosen: context.chosen,
    at: timeTwice(version.committedAt, timezone, now),
    run:
      runId === null
        ? null
        : {
            href:
              recorded?.dagId == null ? '' : taskId === null ? links.run(runId) : links.attempt(runId, taskId, attempt),
            dagId: recorded?.dagId ?? runId,
            due: dueAt === null ? '' : timeTwice(dueAt, recorded?.timezone ?? 'UTC', now).local,
            taskId: taskId ?? '',
            attempt: attempt === null || attempt === 1 ? '' : `try ${attempt}`,
          },
    user: version.user ?? '',
    reason: version.reason,
    operation: version.operation.toLowerCase(),
    added: version.rowsAdded === null ? '' : `+${count(version.rowsAdded)}`,
    updated: version.rowsUpdated === null || version.rowsUpdated === 0 ? '' : `~${count(version.rowsUpdated)}`,
    removed: version.rowsRemoved === null || version.rowsRemoved === 0 ? '' : `−${count(version.rowsRemoved)}`,
    checks: checks === 0 ? '' : `${recorded?.passed} of ${checks}`,
    checkState: warned ? 'risk' : 'success',
    checkGlyph: warned ? 'warn' : 'success',
    rollback: context.current ? '' : `${base}?to=${version.version}#rollback`,
  }
}

/** The last result of each check, failures first, and how often it passed lately. */
export function checkHistoryView(checks: readonly CheckHistory[]) {
  return checks.map((check) => ({
    name: check.name,
    state: check.passed ? 'success' : check.severity === 'error' ? 'failed' : 'risk',
    glyph: check.passed ? 'success' : check.severity === 'error' ? 'failed' : 'warn',
    note: check.passed ? '' : check.message || countOf(check.failingRows, 'row'),
    href: `${links.run(check.runId)}#checks`,
    times: `${check.timesPassed} of ${check.times}`,
  }))
}

const BOX = { height: 36, step: 48 }
const CHARACTER = 7.1
const SIDE_LIMIT = 6

/** What the table is made from at the left, what reads it at the right. */
export function lineageView(
  summary: TableSummary,
  sources: readonly { table: string; version: number }[],
  readers: readonly TableReader[],
  now: Instant,
) {
  const left = limited(
    sources.map((source) => ({
      name: source.table,
      info: `read at ${source.version}`,
      href: links.table(source.table),
    })),
  )
  const right = limited(uniqueReaders(readers).filter((reader) => reader.name !== summary.table))
  if (left.length + right.length === 0) return null
  const middle = {
    name: summary.table,
    info: `${summary.version}, ${roughDuration(now - summary.changedAt)} ago`,
    href: '',
  }
  const widthOf = (boxes: readonly { name: string }[]) =>
    Math.max(0, ...boxes.map((box) => Math.round(20 + box.name.length * CHARACTER)))
  const [a, b, c] = [widthOf(left), widthOf([middle]), widthOf(right)]
  const rows = Math.max(left.length, right.length, 1)
  const centre = ((rows - 1) * BOX.step) / 2 + 1
  const middleX = left.length === 0 ? 1 : a + 37
  const rightX = middleX + b + 36
  const top = (boxes: readonly unknown[], place: number) => 1 + ((rows - boxes.length) / 2 + place) * BOX.step
  const box = (x: number, y: number, width: number, item: { name: string; info: string; href: string }) => ({
    ...item,
    width,
    transform: `translate(${x} ${y})`,
    here: item.href === '',
  })
  const curve = (x: number, y: number, toX: number, toY: number) => {
    const half = (x + toX) / 2
    return `M${x} ${y + 18}C${half} ${y + 18} ${half} ${toY + 18} ${toX} ${toY + 18}`
  }
  return {
    width: rightX + c + 2,
    height: rows * BOX.step - 10,
    boxes: [
      ...left.map((item, place) => box(1, top(left, place), a, item)),
      box(middleX, centre, b, middle),
      ...right.map((item, place) => box(rightX, top(right, place), c, item)),
    ],
    edges: [
      ...left.map((_, place) => curve(1 + a, top(left, place), middleX, centre)),
      ...right.map((_, place) => curve(middleX + b, centre, rightX, top(right, place))),
    ],
  }
}

function uniqueReaders(readers: readonly TableReader[]) {
  const seen = new Map<string, { name: string; info: string; href: string }>()
  for (const reader of readers) {
    const name = reader.table ?? `${reader.dagId}.${reader.taskId}`
    const link = reader.table === null ? links.dag(reader.dagId) : links.table(reader.table)
    if (!seen.has(name)) seen.set(name, { name, info: `reads ${reader.version}`, href: link })
  }
  return [...seen.values()]
}

function limited<T extends { name: string; info: string; href: string }>(boxes: readonly T[]) {
  if (boxes.length <= SIDE_LIMIT) return [...boxes]
  const shown = boxes.slice(0, SIDE_LIMIT - 1)
  return [...shown, { name: `and ${boxes.length - shown.length} more`, info: '', href: '/tables' }]
}

const CHART = { left: 40, base: 100, height: 88, step: 17, bar: 11 }

/** Time between commits, oldest at the left: a feed that slows down or stops is seen at once. */
export function freshnessView(commits: readonly TableVersion[], now: Instant) {
  const ordered = [...commits].reverse()
  const gaps = ordered.slice(1).map((commit, place) => ({
    version: commit.version,
    at: commit.committedAt,
    ms: Math.max(0, commit.committedAt - (ordered[place]?.committedAt ?? 0)),
  }))
  if (gaps.length < 2) return null
  const top = roundUp(Math.max(...gaps.map((gap) => gap.ms), 1))
  return {
    width: CHART.left + gaps.length * CHART.step,
    axis: [roughDuration(top), roughDuration(top / 2)],
    bars: gaps.map((gap, place) => {
      const height = Math.max(1, Math.round((gap.ms / top) * CHART.height * 10) / 10)
      return {
        x: CHART.left + place * CHART.step,
        y: CHART.base - height,
        height,
        label: `${gap.version}, ${timeLine(gap.at, 'UTC', now)}: ${roughDuration(gap.ms)} after the one before`,
      }
    }),
    first: timeLine(gaps[0]?.at ?? now, 'UTC', now),
    last: timeLine(gaps.at(-1)?.at ?? now, 'UTC', now),
    lastX: CHART.left + gaps.length * CHART.step - 6,
  }
}
