import { parquetMetadataAsync } from 'hyparquet'
import { messageOf, SluiceError } from '../../../errors.js'
import { eachBounded } from '../../objects/concurrency.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { IcebergFile } from './iceberg-file.js'
import { currentSchema, type IcebergMetadata } from './metadata.js'

const CONCURRENT_LOOKS = 16

/** By the specification, "Name Mapping Serialization": the names that a column may have in files without ids. */
interface MappedField {
  'field-id'?: number
  names: string[]
}

/**
 * Columns are found in data files by their ids. Files that were imported from elsewhere have none; a table with such
 * files has a mapping of names, by which their columns are found instead. Without one every column would read as NULL.
 * @param files gets `columnNames` where it has no ids
 * @throws SluiceError TABLE_UNSUPPORTED naming a file without ids that has nested columns, or whose table has no mapping;
 * TABLE_CORRUPT for a mapping that is none
 */
export async function mapImportedNames(
  store: ObjectStore,
  metadata: IcebergMetadata,
  files: Iterable<IcebergFile>,
  table: string,
): Promise<void> {
  const text = metadata.properties?.['schema.name-mapping.default']
  const mapping = text === undefined ? null : parseMapping(text, table)
  // what a manifest has measured by id, a writer has written by id
  const looked = [...files].filter((file) => mapping !== null || !file.isMeasured)
  const nested = currentSchema(metadata).fields.filter(({ type }) => typeof type !== 'string')
  await eachBounded(looked, CONCURRENT_LOOKS, async (file) => {
    const { schema } = await parquetMetadataAsync({
      byteLength: file.size,
      slice: (start, end) => store.readRange(file.key, start < 0 ? file.size + start : start, end ?? file.size),
    })
    if (schema.slice(1).some((element) => element.field_id !== undefined)) return
    if (mapping === null) {
      const message = `Table ${table} has the imported file ${file.path}, whose columns have no ids, and no names to find them by.`
      throw new SluiceError('TABLE_UNSUPPORTED', message, {
        retryable: false,
        hint: 'Set its property schema.name-mapping.default, as the importers of Spark and pyiceberg do.',
      })
    }
    if (nested.length > 0) {
      const message = `Table ${table} has the imported file ${file.path}, whose columns have no ids, and nested columns (${nested[0]?.name}).`
      throw new SluiceError('TABLE_UNSUPPORTED', message, {
        retryable: false,
        hint: 'Rewrite its files first, for example with Trino: ALTER TABLE … EXECUTE optimize.',
      })
    }
    const present = new Set(schema.slice(1).map(({ name }) => name))
    file.columnNames = new Map(
      mapping.flatMap(({ 'field-id': id, names }): [number, string][] => {
        const name = names.find((one) => present.has(one))
        return id === undefined || name === undefined ? [] : [[id, name]]
      }),
    )
  })
}

function parseMapping(text: string, table: string): MappedField[] {
  try {
    const value = JSON.parse(text) as unknown
    if (Array.isArray(value) && value.every((one) => Array.isArray(one?.names))) return value as MappedField[]
    throw new Error('it is no list of fields with names')
  } catch (error) {
    const message = `Table ${table} has a schema.name-mapping.default that cannot be read: ${messageOf(error)}.`
    throw new SluiceError('TABLE_CORRUPT', message, { cause: error })
  }
}
