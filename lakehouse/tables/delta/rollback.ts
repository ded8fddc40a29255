import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Commit } from '../../lakehouse.js'
import type { Action, AddFile } from './actions.js'
import { assertFilesExist, countRows, removeOf } from './data-files.js'
import type { DeltaTable } from './delta-table.js'
import { assertWritable } from './protocol.js'
import { type Change, publish } from './publish.js'
import type { Snapshot } from './snapshot.js'

/**
 * Gives a table the content and schema of an older version, as a new version: no data file is written or deleted, so
 * the rollback can itself be rolled back.
 * @throws SluiceError VERSION_UNKNOWN when the version never was or its files are gone; STATE_CONFLICT when it is the
 * current one; TABLE_UNKNOWN when there is no table
 */
export async function rollback(
  table: DeltaTable,
  version: number,
  info: { user: string; reason: string; now: Instant },
): Promise<Commit> {
  const target = await table.log.at(version)
  const author = { token: null, facts: { user: info.user, reason: info.reason }, now: () => info.now, signal: null }
  const published = await publish(table.log, author, async (current) => {
    if (current === null) throw new SluiceError('TABLE_UNKNOWN', `Table ${table.label} disappeared.`)
    if (current.version === version) {
      throw new SluiceError('STATE_CONFLICT', `Version ${version} of ${table.label} is the current one already.`)
    }
    return restore(table, current, target, info.now)
  })
  if (published.outcome === 'stale') throw new Error('a rollback stages nothing that could be stale')
  return published.commit
}

async function restore(table: DeltaTable, current: Snapshot, target: Snapshot, now: Instant): Promise<Change> {
  assertWritable(current.protocol, current.metadata, table.label, true)
  const returning = [...target.files.values()].filter((file) => !current.files.has(file.path))
  const leaving = [...current.files.values()].filter((file) => !target.files.has(file.path))
  await assertFilesExist(table, returning, target.version)
  const actions: Action[] = [
    ...leaving.map((file): Action => ({ remove: removeOf(file, now) })),
    ...returning.map((file): Action => ({ add: restoredFile(file) })),
  ]
  // The protocol never goes back: a version may be lowered for no reader, and a higher one still reads the old schema.
  if (!sameLayout(current, target)) actions.unshift({ metaData: target.metadata })
  return {
    operation: `rollback to ${target.version}`,
    deltaOperation: { name: 'RESTORE', parameters: { version: String(target.version) }, blindAppend: false },
    actions,
    rowsAdded: await countRows(table, returning),
    rowsUpdated: 0,
    rowsRemoved: await countRows(table, leaving),
  }
}

function restoredFile(file: AddFile): AddFile {
  return { ...file, dataChange: true }
}

function sameLayout(a: Snapshot, b: Snapshot): boolean {
  return JSON.stringify(a.metadata) === JSON.stringify(b.metadata)
}
