import type { RunShape, TaskShape } from '../../scheduler/shapes.js'
import { stateWord } from './states.js'
import { harmless, paint } from './style.js'
import { formatTable } from './table.js'
import type { Terminal } from './terminal.js'
import { elapsed } from './time.js'

const TASK_COLUMNS = [
  { title: 'TASK' },
  { title: 'STATE' },
  { title: 'TRY', align: 'right' },
  { title: 'TOOK', align: 'right' },
  { title: 'WROTE / WHY' },
] as const

const CHECK_COLUMNS = [{ title: 'CHECK' }, { title: 'TABLE' }, { title: 'RESULT' }, { title: 'MEASURED' }] as const

/** One line per task: its state, and what it wrote or why it is not done. */
export function formatTasks(tasks: readonly TaskShape[], now: number, out: Terminal): string {
  const rows = tasks.map((task) => [
    task.task,
    stateWord(task.state, out.coloured),
    task.attempt === 0 ? '' : String(task.attempt),
    elapsed(task.started_at, task.ended_at, now),
    harmless(outcomeOf(task)),
  ])
  return formatTable(TASK_COLUMNS, rows, out.coloured)
}

/** The line of a run: its id, its state, how long it took where that is told, and why it is as it is. */
export function formatRun(run: Pick<RunShape, 'run' | 'state' | 'reason'>, took: string, out: Terminal): string {
  const words = [harmless(run.run), stateWord(run.state, out.coloured), took, harmless(run.reason)]
  return words.filter((word) => word !== '').join('  ')
}

/** What a task said of itself, which for a success is what it wrote; else what it wrote, if anything. */
export function outcomeOf(task: TaskShape): string {
  return task.reason === '' ? task.tables.map(formatWrite).join('; ') : task.reason
}

/** The checks that ran, those that failed first. */
export function formatChecks(tasks: readonly TaskShape[], out: Terminal): string {
  const checks = tasks.flatMap((task) => task.checks).sort((a, b) => Number(a.passed) - Number(b.passed))
  const rows = checks.map((check) => [
    harmless(check.name),
    check.table,
    checkWord(check, out.coloured),
    harmless(check.passed ? measuredText(check.measured) : check.message),
  ])
  return formatTable(CHECK_COLUMNS, rows, out.coloured)
}

/** `silver.sales v12, +21,640 rows`. */
function formatWrite(write: TaskShape['tables'][number]): string {
  const changes = [
    [write.rows_added, '+'],
    [write.rows_updated, '~'],
    [write.rows_removed, '-'],
  ] as const
  const rows = changes.filter(([count]) => count > 0).map(([count, sign]) => `${sign}${count.toLocaleString('en-US')}`)
  return `${write.table} v${write.version}${rows.length === 0 ? ', no rows changed' : `, ${rows.join(' ')} rows`}`
}

function checkWord(check: TaskShape['checks'][number], coloured: boolean): string {
  if (check.passed) return paint('passed', 'green', coloured)
  return check.severity === 'error' ? paint('FAILED', 'red', coloured) : paint('warning', 'yellow', coloured)
}

function measuredText(measured: Record<string, unknown>): string {
  return Object.entries(measured)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}
