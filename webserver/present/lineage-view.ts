import { links } from './links.js'
import { count } from './numbers.js'
import type { Lineage } from './run-view.js'

const SHOWN = 12

/** Rows of tables that show `limit` and say how many more there are. */
function cut<T>(rows: readonly T[], limit: number): { rows: T[]; more: number } {
  return rows.length <= limit ? { rows: [...rows], more: 0 } : { rows: rows.slice(0, limit), more: rows.length - limit }
}

/** Tables that a run wrote, was refused, and read. Only the newest attempt of each task counts. */
export function tablesView(lineage: readonly Lineage[], all: boolean) {
  const newest = newestAttempts(lineage)
  const written = newest.flatMap(({ taskId, writes }) =>
    writes.map((write) => ({
      table: write.table,
      href: links.table(write.table),
      taskId,
      version: write.versionBefore === null ? String(write.version) : `${write.versionBefore} → ${write.version}`,
      added: write.rowsAdded > 0 ? `+${count(write.rowsAdded)}` : '',
      updated: write.rowsUpdated > 0 ? `~${count(write.rowsUpdated)}` : '',
      removed: write.rowsRemoved > 0 ? `−${count(write.rowsRemoved)}` : '',
      unchanged: write.rowsAdded + write.rowsUpdated + write.rowsRemoved === 0,
    })),
  )
  const refused = newest.flatMap(({ taskId, writes, checks }) =>
    [...new Set(checks.filter((check) => !check.passed && check.severity === 'error').map((check) => check.table))]
      .filter((table) => !writes.some((write) => write.table === table))
      .map((table) => ({ table, href: links.table(table), taskId })),
  )
  const read = newest.flatMap(({ taskId, reads }) =>
    reads.map(({ table, version, rows }) => ({
      table,
      href: links.table(table),
      taskId,
      version: String(version),
      rows: rows === null ? '' : count(rows),
    })),
  )
  const limit = all ? Number.POSITIVE_INFINITY : SHOWN
  const [shownWritten, shownRead] = [cut(written, limit), cut(read, limit)]
  const more = shownWritten.more + shownRead.more
  return {
    written: shownWritten.rows,
    refused,
    read: shownRead.rows,
    summary: `${read.length} read, ${written.length} written${refused.length > 0 ? `, ${refused.length} refused` : ''}`,
    more,
    total: written.length + read.length,
    none: written.length + refused.length + read.length === 0,
  }
}

/** Checks of a run, what failed first. */
export function checksView(lineage: readonly Lineage[], all: boolean) {
  const checks = newestAttempts(lineage)
    .flatMap(({ checks: results }) => results)
    .map((check) => {
      // a name of the author's own is a sentence; one made from kind and columns is set as code
      const named = !check.name.startsWith(`${check.kind} `) && check.name !== check.kind
      const outcome = check.passed ? 'passed' : check.severity === 'error' ? 'failed' : 'warning'
      return {
        kind: named ? check.name : check.kind,
        rest: named ? '' : check.name.slice(check.kind.length + 1),
        table: check.table,
        href: links.table(check.table),
        rows: count(check.failingRows),
        outcome,
        state: { passed: 'success', failed: 'failed', warning: 'risk' }[outcome],
        glyph: { passed: 'success', failed: 'failed', warning: 'warn' }[outcome],
        message: check.passed ? '' : check.message,
        sample: check.passed ? '' : sampleText(check.sample),
      }
    })
  const rank = { failed: 0, warning: 1, passed: 2 }
  checks.sort((a, b) => rank[a.outcome as keyof typeof rank] - rank[b.outcome as keyof typeof rank])
  const of = (outcome: string) => checks.filter((check) => check.outcome === outcome).length
  const shown = cut(checks, all ? Number.POSITIVE_INFINITY : SHOWN)
  const parts = [`${of('passed')} passed`]
  if (of('warning') > 0) parts.push(`${of('warning')} warning${of('warning') === 1 ? '' : 's'}`)
  if (of('failed') > 0) parts.push(`${of('failed')} failed`)
  return {
    rows: shown.rows,
    more: shown.more,
    total: checks.length,
    summary: parts.join(', '),
    none: checks.length === 0,
  }
}

/** The first failing row in a few words: `e.g. return_id R-20931`. */
function sampleText(sample: readonly Record<string, unknown>[]): string {
  const rows = sample.slice(0, 1).map((row) =>
    Object.entries(row)
      .filter(([name]) => !name.startsWith('_'))
      .slice(0, 3)
      .map(([name, value]) => `${name} ${typeof value === 'string' ? value.slice(0, 40) : JSON.stringify(value)}`)
      .join(', '),
  )
  return rows.length === 0 ? '' : `e.g. ${rows.join('; ')}`
}

function newestAttempts(lineage: readonly Lineage[]): Lineage[] {
  const newest = new Map<string, Lineage>()
  for (const entry of lineage) {
    const known = newest.get(entry.taskId)
    if (known === undefined || known.attempt <= entry.attempt) newest.set(entry.taskId, entry)
  }
  return [...newest.values()]
}
