import { parquetMetadataAsync } from 'hyparquet'
import { SluiceError } from '../../../errors.js'
import { eachBounded } from '../../objects/concurrency.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { IcebergFile } from './iceberg-file.js'
import type { IcebergMetadata } from './metadata.js'

const CONCURRENT_LOOKS = 16

/**
 * Columns are found in data files by their ids. Files that were imported without ids are read by a mapping of names, which
 * every table with such files has; Sluice knows no mapping, and without ids all columns would be NULL.
 * @throws SluiceError TABLE_UNSUPPORTED naming the first file without ids
 */
export async function assertFieldIds(
  store: ObjectStore,
  metadata: IcebergMetadata,
  files: Iterable<IcebergFile>,
  table: string,
): Promise<void> {
  if (metadata.properties?.['schema.name-mapping.default'] === undefined) return
  await eachBounded([...files], CONCURRENT_LOOKS, async (file) => {
    const { schema } = await parquetMetadataAsync({
      byteLength: file.size,
      slice: (start, end) => store.readRange(file.key, start < 0 ? file.size + start : start, end ?? file.size),
    })
    if (schema.slice(1).some((element) => element.field_id !== undefined)) return
    const message = `Table ${table} has the imported file ${file.path}, whose columns have no ids; Sluice cannot read it.`
    throw new SluiceError('TABLE_UNSUPPORTED', message, {
      retryable: false,
      hint: 'Rewrite its files first, for example with Trino: ALTER TABLE … EXECUTE optimize.',
    })
  })
}
