import { SluiceError } from '../../../errors.js'
import type { WriteMode } from '../../lakehouse.js'
import type { DataFile, OpenTable, TableChange, TableLayout, TableSnapshot } from '../../tables/table.js'
import { countRows, type RowCounting } from './row-counts.js'

export interface FileChangeRequest extends RowCounting {
  table: OpenTable
  mode: WriteMode
  layout: TableLayout
  snapshot: TableSnapshot | null
  /** the staged files */
  files: DataFile[]
}

/** The change of the modes that add whole files and remove whole files. */
export async function fileChange(request: FileChangeRequest): Promise<TableChange> {
  const { mode, layout, snapshot, files } = request
  const leaving = replacedFiles(request)
  return {
    mode,
    keys: [],
    layout: { fields: layout.fields, partitionColumns: layout.partitionColumns },
    added: files,
    removed: leaving,
    rowsAdded: await countRows(request, layout, files),
    rowsUpdated: 0,
    rowsRemoved: snapshot === null ? 0 : await countRows(request, snapshot, leaving),
  }
}

function replacedFiles({ table, mode, layout, snapshot, files }: FileChangeRequest): DataFile[] {
  const current = [...(snapshot?.files.values() ?? [])]
  if (mode === 'append') return []
  if (mode === 'overwrite') return current
  if (layout.partitionColumns.length === 0) {
    const message = `Table ${table.label} is not partitioned, so mode replace_partitions has nothing to replace.`
    throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false, hint: 'Use overwrite, or partition_by.' })
  }
  const replaced = new Set(files.map((file) => partitionKey(file, layout.partitionColumns)))
  return current.filter((file) => replaced.has(partitionKey(file, layout.partitionColumns)))
}

/** One text per combination of partition values, to tell partitions apart. */
function partitionKey(file: DataFile, columns: string[]): string {
  return JSON.stringify(columns.map((column) => file.partitionValues[column] ?? null))
}
