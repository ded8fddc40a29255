import type { AsyncBuffer } from 'hyparquet'
import { SluiceError } from '../../../errors.js'
import { isObject, type Json, type JsonObject } from '../../../json.js'
import type { ObjectStore } from '../../objects/object-store.js'
import { type Action, actionOf } from './actions.js'

/** The checkpoint files of one version, complete. */
export interface Checkpoint {
  version: number
  names: string[]
}

const SINGLE = /^(\d{20})\.checkpoint\.parquet$/
const PART = /^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$/

/**
 * The newest complete checkpoint up to a version among the names of a log folder. Checkpoints of which a part is missing
 * (their writer crashed) and those of other forms are passed over: the log entries say the same.
 */
export function newestCheckpoint(names: string[], maxVersion: number): Checkpoint | null {
  const parts = new Map<string, { version: number; expected: number; names: string[] }>()
  for (const name of names) {
    const single = SINGLE.exec(name)
    const part = PART.exec(name)
    if (single !== null) parts.set(name, { version: Number(single[1]), expected: 1, names: [name] })
    if (part === null) continue
    const key = `${part[1]}/${part[3]}`
    const known = parts.get(key) ?? { version: Number(part[1]), expected: Number(part[3]), names: [] }
    known.names.push(name)
    parts.set(key, known)
  }
  const complete = [...parts.values()].filter((set) => set.names.length === set.expected && set.version <= maxVersion)
  const newest = complete.sort((a, b) => b.version - a.version)[0]
  return newest === undefined ? null : { version: newest.version, names: newest.names.sort() }
}

/** The version that `_last_checkpoint` names; null when there is none, or nothing that makes sense. */
export async function lastCheckpoint(store: ObjectStore, folder: string): Promise<number | null> {
  const content = await store.read(`${folder}/_last_checkpoint`)
  if (content === null) return null
  try {
    const hint: Json = JSON.parse(content.toString('utf8'))
    return isObject(hint) && Number.isSafeInteger(hint.version) ? Number(hint.version) : null
  } catch (error) {
    // a hint that cannot be read is no hint: the log says the same
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Reads the actions of a checkpoint. */
export async function readCheckpoint(store: ObjectStore, folder: string, checkpoint: Checkpoint): Promise<Action[]> {
  const actions: Action[] = []
  for (const name of checkpoint.names) {
    for (const row of await readParquet(store, `${folder}/${name}`)) {
      const action = actionOf(row, name)
      if (action !== null) actions.push(action)
    }
  }
  return actions
}

async function readParquet(store: ObjectStore, key: string): Promise<JsonObject[]> {
  const info = await store.stat(key)
  if (info === null) throw new SluiceError('TABLE_CORRUPT', `Checkpoint ${key} disappeared while it was read.`)
  const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
  const file: AsyncBuffer = {
    byteLength: info.size,
    slice: (start, end) => store.readRange(key, start < 0 ? info.size + start : start, end ?? info.size),
  }
  try {
    const metadata = await parquetMetadataAsync(file)
    const present = new Set(metadata.schema.slice(1).map((element) => element.name))
    const columns = ['txn', 'add', 'remove', 'metaData', 'protocol', 'domainMetadata']
    const rows = await parquetReadObjects({ file, metadata, columns: columns.filter((column) => present.has(column)) })
    return rows.map(plainObject)
  } catch (error) {
    throw new SluiceError('TABLE_CORRUPT', `Checkpoint ${key} cannot be read.`, { cause: error })
  }
}

function plainObject(row: Record<string, unknown>): JsonObject {
  const object: JsonObject = {}
  for (const [key, value] of Object.entries(row)) {
    const json = plain(value)
    if (json !== null) object[key] = json
  }
  return object
}

/** What hyparquet returns as JSON: 64-bit integers become numbers. */
function plain(value: unknown): Json {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Date || value instanceof Uint8Array || typeof value !== 'object') return null
  const object: JsonObject = {}
  for (const [key, item] of Object.entries(value)) object[key] = plain(item)
  return object
}
