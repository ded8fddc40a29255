import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { isSluiceError, SluiceError } from '../../errors.js'
import type { JsonObject } from '../../json.js'
import type { LookContext } from '../operator.js'
import { matchFiles } from '../tables/match-files.js'
import type { Look } from '../wait.js'
import { durationOf, type WaitForConfig } from './config.js'

/** Names that are given out; their number is told in full. */
const NAMED_AT_MOST = 1_000

interface Found {
  name: string
  size: number
  /** changes whenever the content does */
  mark: string
}

/** Files that a path or glob matches, in a folder or a bucket, and whose names and sizes have stayed the same for `stable`. */
export async function lookForFiles(config: WaitForConfig, seen: JsonObject, ctx: LookContext): Promise<Look> {
  const glob = config.file ?? ''
  const found = glob.startsWith('s3://') ? await objects(config, glob, ctx) : await localFiles(glob, ctx)
  if (found.length === 0) return { met: null, seen: {}, detail: `no file matches ${glob}` }
  const print = createHash('sha256').update(JSON.stringify(found)).digest('hex')
  const now = ctx.now()
  const since = seen.print === print && typeof seen.since === 'number' ? seen.since : now
  const stableMs = config.stable === undefined ? 0 : durationOf('stable', config.stable)
  if (now - since < stableMs) {
    const what = found.length === 1 ? 'the file is' : `${found.length} files are`
    return { met: null, seen: { print, since }, detail: `${what} there, but not yet unchanged for ${config.stable}` }
  }
  const names = found.map(({ name }) => name)
  const bytes = found.reduce((sum, { size }) => sum + size, 0)
  return { met: { file: names[0] ?? '', files: names.slice(0, NAMED_AT_MOST), count: names.length, bytes } }
}

async function localFiles(glob: string, ctx: LookContext): Promise<Found[]> {
  const paths = await orNone(() => matchFiles([glob], { folder: ctx.dag.folder, roots: ctx.roots, signal: ctx.signal }))
  const found: Found[] = []
  for (const path of paths) {
    const info = await stat(path).catch(() => null) // gone between the two looks
    if (info !== null) found.push({ name: path, size: info.size, mark: `${info.size} ${info.mtimeMs}` })
  }
  return found
}

async function objects(config: WaitForConfig, glob: string, ctx: LookContext): Promise<Found[]> {
  if (config.connection === undefined) {
    const message = `wait_for: ${glob} is in a bucket, so a \`connection\` of type s3 has to say how to reach it.`
    throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
  }
  const { connection } = config
  const { matchingObjects } = await import('../ingest/s3-files.js')
  const files = await orNone(() => matchingObjects(glob, connection, ctx))
  return files.map(({ name, size }) => ({ name, size, mark: String(size) }))
}

async function orNone<Item>(match: () => Promise<Item[]>): Promise<Item[]> {
  try {
    return await match()
  } catch (error) {
    if (isSluiceError(error, 'FILES_NOT_FOUND')) return []
    throw error
  }
}
