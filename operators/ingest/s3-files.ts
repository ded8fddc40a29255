import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import picomatch from 'picomatch'
import { SluiceError } from '../../errors.js'
import { eachBounded } from '../../lakehouse/objects/concurrency.js'
import type { ListedObject, S3Bucket } from '../../lakehouse/objects/s3-bucket.js'
import type { LookContext, OperatorContext } from '../operator.js'
import { MAX_FILES } from '../tables/match-files.js'
import { countOf, filesSource, logFiles, type Prepared, withContent } from './files.js'
import type { IngestSource } from './source-schema.js'

/** Names that are looked at for one glob; more means that it begins too early. */
const MAX_LISTED = 1_000_000
const DOWNLOADS_AT_ONCE = 8
/** Where a key begins to be a pattern. */
const PATTERN_CHARACTER = /[*?[\]{}()!+@\\]/

interface RemoteFile {
  bucket: S3Bucket
  key: string
  /** s3:// URL */
  name: string
  size: number
}

/**
 * The objects that s3:// globs match, downloaded into the attempt's private folder. Globs have the grammar of local ones.
 * @throws SluiceError FILES_NOT_FOUND for a glob without a match, OPERATOR_FAILED for too many or too large ones
 */
export async function s3Files(
  globs: readonly string[],
  connection: string,
  from: IngestSource,
  ctx: OperatorContext,
): Promise<Prepared> {
  const { S3Bucket } = await import('../../lakehouse/objects/s3-bucket.js')
  const config = ctx.connection(connection)
  const buckets = new Map<string, S3Bucket>()
  try {
    const found = new Map<string, RemoteFile>()
    for (const glob of globs) {
      const { name, pattern } = parsedGlob(glob)
      const bucket = buckets.get(name) ?? new S3Bucket(name, { name: connection, config }, ctx.project)
      buckets.set(name, bucket)
      for (const file of await matches(bucket, pattern, glob, ctx.signal)) found.set(file.name, file)
    }
    const files = withContent([...found.values()], ctx)
    logFiles(files, ctx)
    const local = await downloaded(files, ctx)
    return { source: filesSource(from, local, ctx), read: countOf(files), outputs: { files: files.length } }
  } finally {
    for (const bucket of buckets.values()) bucket.close()
  }
}

/**
 * The objects that one s3:// glob matches; nothing is downloaded.
 * @throws SluiceError FILES_NOT_FOUND when there is none
 */
export async function matchingObjects(
  glob: string,
  connection: string,
  ctx: LookContext,
): Promise<{ name: string; size: number }[]> {
  const { S3Bucket } = await import('../../lakehouse/objects/s3-bucket.js')
  const { name, pattern } = parsedGlob(glob)
  const bucket = new S3Bucket(name, { name: connection, config: ctx.connection(connection) }, ctx.project)
  try {
    const found = await matches(bucket, pattern, glob, ctx.signal)
    return found.map(({ name, size }) => ({ name, size }))
  } finally {
    bucket.close()
  }
}

function parsedGlob(glob: string): { name: string; pattern: string } {
  const [, name, pattern] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.+)$/.exec(glob) ?? []
  if (name !== undefined && pattern !== undefined) return { name, pattern }
  const message = `${glob} is not of the form s3://bucket/key; with a connection of type s3 all files are.`
  throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
}

/** Sorted by key; one that names an existing object means that object, whatever characters it holds. */
async function matches(bucket: S3Bucket, pattern: string, glob: string, signal: AbortSignal): Promise<RemoteFile[]> {
  const file = ({ key, size }: Pick<ListedObject, 'key' | 'size'>): RemoteFile => {
    return { bucket, key, name: `s3://${bucket.name}/${key}`, size }
  }
  const literal = await bucket.head(pattern)
  if (literal !== null) return [file({ key: pattern, size: literal.size })]
  const first = pattern.search(PATTERN_CHARACTER)
  const files = first === -1 ? [] : (await listed(bucket, pattern, first, signal)).map(file)
  if (files.length > 0) return files
  throw new SluiceError('FILES_NOT_FOUND', `No object matches ${glob}.`, {
    hint: 'Check bucket and key; a prefix alone matches nothing, add /* or /**.',
  })
}

async function listed(bucket: S3Bucket, pattern: string, first: number, signal: AbortSignal): Promise<ListedObject[]> {
  const isMatch = picomatch(pattern)
  const found: ListedObject[] = []
  let seen = 0
  for await (const { objects } of bucket.list(pattern.slice(0, first), { signal })) {
    seen += objects.length
    // keys that end in a slash are what consoles make for folders
    found.push(...objects.filter(({ key }) => !key.endsWith('/') && isMatch(key)))
    if (seen > MAX_LISTED) throw tooMany(`s3://${bucket.name}/${pattern} looks through more than a million objects`)
    if (found.length > MAX_FILES) throw tooMany(`s3://${bucket.name}/${pattern} matches more than 10,000 objects`)
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : 1))
}

async function downloaded(files: readonly RemoteFile[], ctx: OperatorContext) {
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const { bavail, bsize } = await statfs(ctx.workDir)
  if (bytes > bavail * bsize) {
    const message = `The objects have ${bytes.toLocaleString('en-US')} bytes; ${ctx.workDir} has not so much free space.`
    throw new SluiceError('OPERATOR_FAILED', message, { hint: 'Narrow the glob, or give the worker a larger disk.' })
  }
  // The name of a key may not be one of a file, so only its extensions are kept: the engine goes by them.
  const local = files.map((file, index) => ({ ...file, path: join(ctx.workDir, `${index}${extensionsOf(file.key)}`) }))
  let done = 0
  await eachBounded(local, DOWNLOADS_AT_ONCE, async ({ bucket, key, path, name }) => {
    const info = await bucket.download(key, path, ctx.signal)
    if (info === null) throw new SluiceError('FILES_NOT_FOUND', `${name} was deleted while it was about to be read.`)
    done += 1
    ctx.progress({ done, total: files.length, unit: 'files' })
  })
  return local
}

function extensionsOf(key: string): string {
  return /(\.[A-Za-z0-9]{1,10}){0,2}$/.exec(key)?.[0] ?? ''
}

function tooMany(what: string): SluiceError {
  return new SluiceError('OPERATOR_FAILED', `${what}.`, { hint: 'Narrow the glob.', retryable: false })
}
