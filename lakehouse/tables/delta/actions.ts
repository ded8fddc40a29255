import { SluiceError } from '../../../errors.js'
import { isObject, type Json, type JsonObject } from '../../../json.js'

/** The actions of the Delta transaction log that Sluice reads and writes, in the protocol's own words. */
export interface AddFile {
  /** URI of the file relative to the table, percent-encoded once more than the file's name */
  path: string
  partitionValues: Record<string, string | null>
  size: number
  modificationTime: number
  dataChange: boolean
  /** JSON text, kept as written: its numbers may have more digits than a JavaScript number */
  stats?: string
}

export interface RemoveFile {
  path: string
  deletionTimestamp?: number
  dataChange: boolean
  extendedFileMetadata?: boolean
  partitionValues?: Record<string, string | null>
  size?: number
}

export interface Metadata {
  id: string
  name?: string
  description?: string
  format: { provider: string; options: Record<string, string> }
  schemaString: string
  partitionColumns: string[]
  configuration: Record<string, string>
  createdTime?: number
}

export interface Protocol {
  minReaderVersion: number
  minWriterVersion: number
  readerFeatures?: string[]
  writerFeatures?: string[]
}

export interface Transaction {
  appId: string
  version: number
  lastUpdated?: number
}

export type Action =
  | { add: AddFile }
  | { remove: RemoveFile }
  | { metaData: Metadata }
  | { protocol: Protocol }
  | { txn: Transaction }
  | { commitInfo: JsonObject }
  | { domainMetadata: JsonObject }

const KNOWN = ['add', 'remove', 'metaData', 'protocol', 'txn', 'commitInfo', 'domainMetadata'] as const

/** One log entry as its actions; kinds that say nothing about the table's content (`cdc`) are left out. */
export function parseEntry(content: Buffer, name: string): Action[] {
  const actions: Action[] = []
  for (const [index, line] of content.toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue
    const action = actionOf(parseLine(line, `${name}, line ${index + 1}`), `${name}, line ${index + 1}`)
    if (action !== null) actions.push(action)
  }
  return actions
}

/** A log entry as the protocol wants it: one JSON object a line (Delta protocol, "Delta Log Entries"). */
export function formatEntry(actions: Action[]): Buffer {
  return Buffer.from(`${actions.map((action) => JSON.stringify(action)).join('\n')}\n`)
}

/**
 * Reads one action of a log entry or checkpoint.
 * @param where for the message, such as `00000000000000000003.json, line 2`
 * @returns null for kinds Sluice has no use for
 * @throws SluiceError TABLE_CORRUPT when a field the protocol requires is missing or of another type
 */
export function actionOf(object: JsonObject, where: string): Action | null {
  const kind = KNOWN.find((known) => isObject(object[known]))
  if (kind === undefined) return null
  const reader = new FieldReader(object[kind] as JsonObject, kind, where)
  if (kind === 'add') return { add: addFile(reader) }
  if (kind === 'remove') return { remove: removeFile(reader) }
  if (kind === 'metaData') return { metaData: metadata(reader) }
  if (kind === 'protocol') return { protocol: protocol(reader) }
  if (kind === 'txn') return { txn: transaction(reader) }
  if (kind === 'commitInfo') return { commitInfo: reader.object }
  return { domainMetadata: reader.object }
}

function addFile(reader: FieldReader): AddFile {
  if (isObject(reader.object.deletionVector)) {
    throw new SluiceError('TABLE_UNSUPPORTED', `${reader.where}: file ${reader.text('path')} has a deletion vector.`)
  }
  const stats = reader.object.stats
  return {
    path: reader.text('path'),
    partitionValues: reader.texts('partitionValues'),
    size: reader.number('size'),
    modificationTime: reader.number('modificationTime', 0),
    dataChange: reader.object.dataChange !== false,
    ...(typeof stats === 'string' && stats !== '' ? { stats } : {}),
  }
}

function removeFile(reader: FieldReader): RemoveFile {
  const { deletionTimestamp, size, partitionValues } = reader.object
  return {
    path: reader.text('path'),
    dataChange: reader.object.dataChange !== false,
    ...(typeof deletionTimestamp === 'number' ? { deletionTimestamp } : {}),
    ...(typeof size === 'number' ? { size } : {}),
    ...(isObject(partitionValues)
      ? { extendedFileMetadata: true, partitionValues: reader.texts('partitionValues') }
      : {}),
  }
}

function metadata(reader: FieldReader): Metadata {
  const { name, description, createdTime, format } = reader.object
  const configuration: Record<string, string> = {}
  for (const [key, value] of Object.entries(reader.texts('configuration')))
    if (value !== null) configuration[key] = value
  return {
    id: reader.text('id'),
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof description === 'string' ? { description } : {}),
    format: { provider: isObject(format) ? String(format.provider) : 'parquet', options: {} },
    schemaString: reader.text('schemaString'),
    partitionColumns: reader.list('partitionColumns'),
    configuration,
    ...(typeof createdTime === 'number' ? { createdTime } : {}),
  }
}

function protocol(reader: FieldReader): Protocol {
  const has = (field: string): boolean => Array.isArray(reader.object[field])
  return {
    minReaderVersion: reader.number('minReaderVersion'),
    minWriterVersion: reader.number('minWriterVersion'),
    ...(has('readerFeatures') ? { readerFeatures: reader.list('readerFeatures') } : {}),
    ...(has('writerFeatures') ? { writerFeatures: reader.list('writerFeatures') } : {}),
  }
}

function transaction(reader: FieldReader): Transaction {
  const { lastUpdated } = reader.object
  return {
    appId: reader.text('appId'),
    version: reader.number('version'),
    ...(typeof lastUpdated === 'number' ? { lastUpdated } : {}),
  }
}

/** Fields of one action, each read with the type the protocol gives it. */
class FieldReader {
  constructor(
    readonly object: JsonObject,
    private readonly kind: string,
    readonly where: string,
  ) {}

  text(field: string): string {
    const value = this.object[field]
    return typeof value === 'string' ? value : this.corrupt(field, 'a text')
  }

  number(field: string, fallback?: number): number {
    const value = this.object[field] ?? fallback
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : this.corrupt(field, 'an integer')
  }

  list(field: string): string[] {
    const value = this.object[field] ?? []
    if (!Array.isArray(value)) return this.corrupt(field, 'a list')
    return value.map((item) => (typeof item === 'string' ? item : this.corrupt(field, 'a list of texts')))
  }

  texts(field: string): Record<string, string | null> {
    const value = this.object[field] ?? {}
    if (!isObject(value)) return this.corrupt(field, 'a map')
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        return item === null || typeof item === 'string' ? [key, item] : this.corrupt(field, 'a map of texts')
      }),
    )
  }

  private corrupt(field: string, expected: string): never {
    throw new SluiceError('TABLE_CORRUPT', `${this.where}: \`${this.kind}.${field}\` is not ${expected}.`)
  }
}

function parseLine(line: string, where: string): JsonObject {
  let value: Json
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new SluiceError('TABLE_CORRUPT', `${where}: the log entry is not JSON.`, { cause: error })
  }
  if (!isObject(value)) throw new SluiceError('TABLE_CORRUPT', `${where}: the log entry is not an object.`)
  return value
}
