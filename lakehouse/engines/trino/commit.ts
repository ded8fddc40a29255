import type { Instant } from '../../../json.js'
import type { Commit, WriteMode } from '../../lakehouse.js'
import type { MadeVersion } from './history.js'
import type { TrinoTable } from './names.js'

/** What is known of the rows of a publishing statement. */
export interface Counted {
  /** rows that were to be written; null when they were not counted */
  staged: number | null
  /** rows that the statement says it has written or deleted; null after a crash */
  changed: number | null
  /** that it says it has written */
  bytes: number
}

/** What a write tells of the version it made. */
export function commitOf({ label }: TrinoTable, mode: WriteMode, made: MadeVersion, counted: Counted): Commit {
  const { version, versionBefore, rowsAfter, committedAt } = made
  const changes = rowChanges(mode, made, counted)
  const bytes = made.bytes === 0 ? counted.bytes : made.bytes
  return { table: label, versionBefore, version, operation: mode, ...changes, rowsTotal: rowsAfter, bytes, committedAt }
}

/** The same of a write that found nothing to change. */
export function unchangedCommit({ label }: TrinoTable, mode: WriteMode, version: number, now: Instant): Commit {
  const none = { rowsAdded: 0, rowsUpdated: 0, rowsRemoved: 0, rowsTotal: null, bytes: 0 }
  return { table: label, versionBefore: version, version, operation: mode, ...none, committedAt: now }
}

/** What a version changed, from the rows before and after it. */
export function rowChanges(
  mode: WriteMode,
  { rowsBefore, rowsAfter }: Pick<MadeVersion, 'rowsBefore' | 'rowsAfter'>,
  { staged, changed }: Pick<Counted, 'staged' | 'changed'>,
): Pick<Commit, 'rowsAdded' | 'rowsUpdated' | 'rowsRemoved'> {
  if (rowsBefore === null || rowsAfter === null) return { rowsAdded: changed ?? 0, rowsUpdated: 0, rowsRemoved: 0 }
  const grown = rowsAfter - rowsBefore
  if (mode === 'overwrite') return { rowsAdded: rowsAfter, rowsUpdated: 0, rowsRemoved: rowsBefore }
  if (mode === 'append') return { rowsAdded: grown, rowsUpdated: 0, rowsRemoved: 0 }
  if (mode === 'replace_partitions') {
    const added = staged ?? Math.max(grown, 0)
    return { rowsAdded: added, rowsUpdated: 0, rowsRemoved: Math.max(added - grown, 0) }
  }
  // without the statement's own count, rows that were equal already count as updated
  return { rowsAdded: grown, rowsUpdated: Math.max((changed ?? staged ?? grown) - grown, 0), rowsRemoved: 0 }
}
