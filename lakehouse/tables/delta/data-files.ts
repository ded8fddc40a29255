import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { AddFile, RemoveFile } from './actions.js'
import type { DeltaTable } from './delta-table.js'
import { fileKey } from './paths.js'
import { rowsOf } from './stats.js'

/** The key of a data file in the table's store. */
function dataFileKey(table: DeltaTable, file: { path: string }): string {
  return `${table.log.prefix}/${fileKey(file.path, table.label)}`
}

/** Rows in these files: from the log, or from the files' own footers where their writer did not count. */
export async function countRows(table: DeltaTable, files: Iterable<AddFile>): Promise<number> {
  let total = 0
  for (const file of files) total += rowsOf(file.stats) ?? (await rowsInFooter(table, file))
  return total
}

/** @throws SluiceError VERSION_UNKNOWN naming the first file that is gone */
export async function assertFilesExist(table: DeltaTable, files: Iterable<AddFile>, version: number): Promise<void> {
  for (const file of files) {
    if ((await table.store.stat(dataFileKey(table, file))) !== null) continue
    const message = `Version ${version} of ${table.label} cannot come back: its file ${file.path} was deleted (vacuumed).`
    throw new SluiceError('VERSION_UNKNOWN', message, { hint: 'Choose a version whose files still exist.' })
  }
}

/**
 * The action that takes a file out of the table. The file itself stays: older versions read it, and vacuum counts its
 * retention from `now` (Delta protocol, "Add File and Remove File"; `extendedFileMetadata` vouches for partition values
 * and size).
 */
export function removeOf(file: AddFile, now: Instant): RemoveFile {
  return {
    path: file.path,
    deletionTimestamp: now,
    dataChange: true,
    extendedFileMetadata: true,
    partitionValues: file.partitionValues,
    size: file.size,
  }
}

async function rowsInFooter(table: DeltaTable, file: AddFile): Promise<number> {
  const key = dataFileKey(table, file)
  const info = await table.store.stat(key)
  if (info === null) {
    const message = `File ${file.path} of table ${table.label} is missing from its folder.`
    throw new SluiceError('TABLE_CORRUPT', message, { hint: 'Roll the table back to a version whose files exist.' })
  }
  const { parquetMetadataAsync } = await import('hyparquet')
  const metadata = await parquetMetadataAsync({
    byteLength: info.size,
    slice: (start, end) => table.store.readRange(key, start, end ?? info.size),
  })
  return Number(metadata.num_rows)
}
