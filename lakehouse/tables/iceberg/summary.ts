import type { Author } from '../table.js'
import type { IcebergFile } from './iceberg-file.js'

/** What is told of a commit besides its files. */
export interface CommitFacts {
  /** our word: `append`, `rollback to 4` */
  operation: string
  rowsAdded: number
  rowsUpdated: number
  rowsRemoved: number
  versionBefore: number | null
}

/**
 * The summary of a snapshot: the totals that Iceberg's readers expect, and under `sluice.` what our history shows.
 * @param live all files of the new snapshot, with the delete files that apply to them
 */
export function summaryOf(
  facts: CommitFacts,
  author: Author,
  files: { added: IcebergFile[]; removed: IcebergFile[]; live: IcebergFile[] },
): Record<string, string> {
  const { added, removed, live } = files
  const append = removed.length === 0 && facts.operation !== 'merge' && !facts.operation.startsWith('rollback')
  const partitions = new Set([...added, ...removed].map((file) => JSON.stringify(file.partitionValues)))
  const summary: Record<string, string | number> = {
    operation: append ? 'append' : added.length === 0 && removed.length > 0 ? 'delete' : 'overwrite',
    ...(added.length === 0
      ? {}
      : { 'added-data-files': added.length, 'added-records': rows(added), 'added-files-size': bytes(added) }),
    ...(removed.length === 0
      ? {}
      : {
          'deleted-data-files': removed.length,
          'deleted-records': rows(removed),
          'removed-files-size': bytes(removed),
        }),
    'changed-partition-count': partitions.size,
    'total-records': rows(live),
    'total-files-size': bytes(live),
    'total-data-files': live.length,
    'engine-name': 'Sluice',
    'sluice.operation': facts.operation,
    'sluice.rows-added': facts.rowsAdded,
    'sluice.rows-updated': facts.rowsUpdated,
    'sluice.rows-removed': facts.rowsRemoved,
    ...(live.some((file) => file.deletes.length > 0) ? {} : { 'sluice.rows-total': rows(live) }),
    ...(facts.versionBefore === null ? {} : { 'sluice.version-before': facts.versionBefore }),
    ...(author.token === null ? {} : { 'sluice.token': author.token }),
  }
  // a summary holds texts only
  for (const [key, value] of Object.entries(author.facts))
    summary[`sluice.${key}`] = typeof value === 'string' ? value : JSON.stringify(value)
  return Object.fromEntries(Object.entries(summary).map(([key, value]) => [key, String(value)]))
}

function rows(files: IcebergFile[]): number {
  return files.reduce((sum, { record }) => sum + Number(record.record_count), 0)
}

function bytes(files: IcebergFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}
