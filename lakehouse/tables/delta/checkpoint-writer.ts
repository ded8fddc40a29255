import type { SchemaElement } from 'hyparquet'
import type { Instant } from '../../../json.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { AddFile, Metadata, RemoveFile, Transaction } from './actions.js'
import { entryVersion } from './log.js'
import type { Snapshot } from './snapshot.js'

/** A checkpoint follows each so many commits. */
export const CHECKPOINT_INTERVAL = 10

const DAY = 86_400_000
/** Delta's default for `delta.deletedFileRetentionDuration`. */
const REMOVED_FILES_KEPT_MS = 7 * DAY
/** How long a commit token is found again; written into the tables we create so that other engines keep it as long. */
export const TRANSACTIONS_KEPT_DAYS = 30

/**
 * Writes the checkpoint of a snapshot and points `_last_checkpoint` at it, so that readers replay fewer entries. Any
 * number of writers may do this for one version: all write the same.
 */
export async function writeCheckpoint(
  store: ObjectStore,
  prefix: string,
  snapshot: Snapshot,
  now: Instant,
): Promise<void> {
  const rows = checkpointRows(snapshot, now)
  // only now: a start has no use for the library
  const { ByteWriter, parquetWrite } = await import('hyparquet-writer')
  const writer = new ByteWriter()
  const names = ['txn', 'add', 'remove', 'metaData', 'protocol'] as const
  parquetWrite({
    writer,
    schema: SCHEMA,
    columnData: names.map((name) => ({ name, data: rows.map((row) => row[name]) })),
    statistics: false,
    createdBy: 'sluice',
  })
  const content = new Uint8Array(writer.getBuffer())
  const name = `${entryVersion(snapshot.version)}.checkpoint.parquet`
  await store.putIfAbsent(`${prefix}/_delta_log/${name}`, content)
  const hint = {
    version: snapshot.version,
    size: rows.length,
    sizeInBytes: content.length,
    numOfAddFiles: snapshot.files.size,
  }
  await store.put(`${prefix}/_delta_log/_last_checkpoint`, Buffer.from(JSON.stringify(hint)))
}

type Row = Partial<Record<'txn' | 'add' | 'remove' | 'metaData' | 'protocol', unknown>>

function checkpointRows(snapshot: Snapshot, now: Instant): Row[] {
  const rows: Row[] = [{ protocol: snapshot.protocol }, { metaData: metadataRow(snapshot.metadata) }]
  for (const transaction of snapshot.transactions.values()) {
    const { lastUpdated } = transaction
    const expired = lastUpdated !== undefined && lastUpdated < now - TRANSACTIONS_KEPT_DAYS * DAY
    if (!expired) rows.push({ txn: transactionRow(transaction) })
  }
  for (const file of snapshot.removed.values()) {
    if ((file.deletionTimestamp ?? 0) >= now - REMOVED_FILES_KEPT_MS) rows.push({ remove: removeRow(file) })
  }
  for (const file of snapshot.files.values()) rows.push({ add: addRow(file) })
  return rows
}

function metadataRow(metadata: Metadata) {
  const { createdTime } = metadata
  return createdTime === undefined ? metadata : { ...metadata, createdTime: BigInt(createdTime) }
}

function transactionRow({ appId, version, lastUpdated }: Transaction) {
  return { appId, version: BigInt(version), ...(lastUpdated === undefined ? {} : { lastUpdated: BigInt(lastUpdated) }) }
}

/** Actions in a checkpoint describe a state, not a change: `dataChange` is false by the protocol. */
function addRow(file: AddFile) {
  return {
    ...file,
    size: BigInt(file.size),
    modificationTime: BigInt(file.modificationTime),
    dataChange: false,
  }
}

function removeRow(file: RemoveFile) {
  const { deletionTimestamp, size } = file
  return {
    ...file,
    dataChange: false,
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp: BigInt(deletionTimestamp) }),
    ...(size === undefined ? {} : { size: BigInt(size) }),
  }
}

const text = (name: string): SchemaElement[] => [element(name, { type: 'BYTE_ARRAY', converted_type: 'UTF8' })]
const long = (name: string): SchemaElement[] => [element(name, { type: 'INT64' })]
const int = (name: string): SchemaElement[] => [element(name, { type: 'INT32' })]
const boolean = (name: string): SchemaElement[] => [element(name, { type: 'BOOLEAN' })]

function element(name: string, rest: Omit<SchemaElement, 'name'>): SchemaElement {
  return { name, repetition_type: 'OPTIONAL', ...rest }
}

function group(name: string, ...fields: SchemaElement[][]): SchemaElement[] {
  return [element(name, { num_children: fields.length }), ...fields.flat()]
}

function map(name: string): SchemaElement[] {
  return [
    element(name, { num_children: 1, converted_type: 'MAP' }),
    { name: 'key_value', num_children: 2, repetition_type: 'REPEATED' },
    { name: 'key', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    ...text('value'),
  ]
}

function list(name: string): SchemaElement[] {
  return [
    element(name, { num_children: 1, converted_type: 'LIST' }),
    { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
    ...text('element'),
  ]
}

const CHECKPOINT_COLUMNS = [
  group('txn', text('appId'), long('version'), long('lastUpdated')),
  group(
    'add',
    text('path'),
    map('partitionValues'),
    long('size'),
    long('modificationTime'),
    boolean('dataChange'),
    text('stats'),
  ),
  group(
    'remove',
    text('path'),
    long('deletionTimestamp'),
    boolean('dataChange'),
    boolean('extendedFileMetadata'),
    map('partitionValues'),
    long('size'),
  ),
  group(
    'metaData',
    text('id'),
    text('name'),
    text('description'),
    group('format', text('provider'), map('options')),
    text('schemaString'),
    list('partitionColumns'),
    map('configuration'),
    long('createdTime'),
  ),
  group('protocol', int('minReaderVersion'), int('minWriterVersion'), list('readerFeatures'), list('writerFeatures')),
]

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: CHECKPOINT_COLUMNS.length },
  ...CHECKPOINT_COLUMNS.flat(),
]
