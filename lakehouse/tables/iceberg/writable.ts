import { SluiceError } from '../../../errors.js'
import type { WriteMode } from '../../lakehouse.js'
import { transformOf } from './partitions.js'
import type { IcebergSnapshot } from './snapshot.js'

/** @throws SluiceError TABLE_UNSUPPORTED naming what a writer must honour and Sluice does not */
export function assertWritable(snapshot: IcebergSnapshot, mode: WriteMode, table: string): void {
  const { metadata, spec, allFields, partitionColumns, files } = snapshot
  if (metadata['format-version'] !== 2) {
    throw unsupported(table, `has format version ${metadata['format-version']}; Sluice writes version 2`, {
      hint: 'Upgrade it, for example with Trino: ALTER TABLE … SET PROPERTIES format_version = 2.',
    })
  }
  if (metadata.properties?.['encryption.key-id'] !== undefined) throw unsupported(table, 'is encrypted')
  for (const label of partitionColumns) transformOf(label, allFields, table)
  if (mode !== 'replace_partitions') return
  const older = [...files.values()].find((file) => file.spec['spec-id'] !== spec['spec-id'])
  if (older === undefined) return
  throw unsupported(table, `has files that are partitioned in an older way (${older.path})`, {
    hint: 'Rewrite them first, for example with Trino: ALTER TABLE … EXECUTE optimize; or use mode overwrite.',
  })
}

function unsupported(table: string, sentence: string, options: { hint?: string } = {}): SluiceError {
  return new SluiceError('TABLE_UNSUPPORTED', `Table ${table} ${sentence}.`, { ...options, retryable: false })
}
