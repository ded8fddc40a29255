import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import type { WriteMode } from '../../lakehouse.js'
import type { Action, AddFile } from '../../tables/delta/actions.js'
import { countRows, removeOf } from '../../tables/delta/data-files.js'
import { partitionKey } from '../../tables/delta/partition-values.js'
import type { Change } from '../../tables/delta/publish.js'
import type { Snapshot } from '../../tables/delta/snapshot.js'
import { type Layout, layoutActions } from './layout.js'

export interface FileChangeRequest {
  table: Table
  mode: WriteMode
  layout: Layout
  snapshot: Snapshot | null
  /** the staged files */
  files: AddFile[]
  now: Instant
}

/** The change of the modes that add whole files and remove whole files. */
export async function fileChange(request: FileChangeRequest): Promise<Change> {
  const { table, mode, layout, snapshot, files, now } = request
  const leaving = replacedFiles(request)
  return {
    operation: mode,
    deltaOperation: {
      name: 'WRITE',
      parameters: {
        mode: mode === 'append' ? 'Append' : 'Overwrite',
        partitionBy: JSON.stringify(layout.partitionColumns),
      },
      blindAppend: mode === 'append',
    },
    actions: [
      ...layoutActions(layout, snapshot, now),
      ...leaving.map((file): Action => ({ remove: removeOf(file, now) })),
      ...files.map((file): Action => ({ add: file })),
    ],
    rowsAdded: await countRows(table, files),
    rowsUpdated: 0,
    rowsRemoved: await countRows(table, leaving),
  }
}

function replacedFiles({ table, mode, layout, snapshot, files }: FileChangeRequest): AddFile[] {
  const current = [...(snapshot?.files.values() ?? [])]
  if (mode === 'append') return []
  if (mode === 'overwrite') return current
  if (layout.partitionColumns.length === 0) {
    const message = `Table ${table.label} is not partitioned, so mode replace_partitions has nothing to replace.`
    throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false, hint: 'Use overwrite, or partition_by.' })
  }
  const replaced = new Set(files.map((file) => partitionKey(file.partitionValues, layout.partitionColumns)))
  return current.filter((file) => replaced.has(partitionKey(file.partitionValues, layout.partitionColumns)))
}
