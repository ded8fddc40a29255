import type { Instant } from '../../json.js'
import type { LatelyRun, LatelyTable } from '../../scheduler/store/reads/lately.js'
import { runMs } from './bars.js'
import { duration, roughDuration } from './duration.js'
import { links } from './links.js'
import { count, countOf } from './numbers.js'
import { timeLine } from './time.js'

/** One finished run on the first page: what it wrote and what its checks said. */
export function latelyRunView(run: LatelyRun, now: Instant) {
  return {
    href: links.run(run.runId),
    dagId: run.dagId,
    state: run.state,
    wrote: run.tables === 0 ? '' : countOf(run.tables, 'table'),
    checks: checksView(run.checks, run.warned, run.failed),
    due: timeLine(run.dueAt, run.timezone ?? 'UTC', now, { seconds: 'due' }),
    took: duration(runMs(run, now) ?? 0),
  }
}

/** One table on the first page, as its newest commit of late left it. */
export function latelyTableView(table: LatelyTable, now: Instant) {
  return {
    href: links.table(table.table),
    table: table.table,
    version: table.version,
    rows: table.rowsTotal === null ? `+${count(table.rowsAdded)}` : count(table.rowsTotal),
    checks: checksView(table.checks, table.warned, 0),
    dagId: table.dagId,
    runHref: links.run(table.runId),
    age: `${roughDuration(now - table.committedAt)} ago`,
  }
}

/** null when nothing was checked; else the worst of what the checks said. */
function checksView(checks: number, warned: number, failed: number) {
  if (checks === 0) return null
  if (failed > 0) return { state: 'failed', glyph: 'failed', label: `${failed} of ${checks} failed` }
  if (warned > 0) return { state: 'risk', glyph: 'warn', label: `${warned} of ${checks} warned` }
  return { state: 'success', glyph: 'success', label: `${count(checks)} passed` }
}
