import picomatch from 'picomatch'
import { SluiceError } from '../../errors.js'
import type { Config } from '../config.js'
import { resolveSecrets } from '../secrets.js'
import { folderOf, type ListedFile, type Listing } from './file-watch.js'

/** Names that one look goes through; more means that the glob begins too early. */
const MAX_LISTED = 1_000_000
const MAX_FILES = 100_000
/** Where a key begins to be a pattern. */
const PATTERN_CHARACTER = /[*?[\]{}()!+@\\]/

/**
 * The objects that an s3:// glob matches, sorted by key.
 * @throws SluiceError TRIGGER_FAILED for too many; what the bucket says when it does not answer
 */
export async function listBucket(
  url: string,
  marker: string | null,
  connection: string,
  config: Pick<Config, 'project' | 'connections'>,
): Promise<Listing> {
  const [, name, pattern] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url) ?? []
  const written = Object.hasOwn(config.connections, connection) ? config.connections[connection] : undefined
  if (name === undefined || pattern === undefined || written?.type !== 's3') {
    throw new SluiceError('TRIGGER_FAILED', `${url} needs the connection ${connection} of type s3 in sluice.yaml.`)
  }
  const source = { env: process.env, folder: config.project }
  const resolved = resolveSecrets(written, source, `sluice.yaml: connections.${connection}`, () => undefined)
  const { S3Bucket } = await import('../../lakehouse/objects/s3-bucket.js')
  const bucket = new S3Bucket(name, { name: connection, config: resolved }, config.project)
  try {
    const first = pattern.search(PATTERN_CHARACTER)
    const isMatch = picomatch(pattern)
    const listing: Listing = { files: [], markers: [] }
    let seen = 0
    for await (const { objects } of bucket.list(first === -1 ? pattern : pattern.slice(0, first))) {
      seen += objects.length
      for (const { key, size, etag, modifiedAt } of objects) {
        const file = { path: `s3://${name}/${key}`, size, stamp: `${etag} ${modifiedAt}`, isWhole: true }
        if (marker !== null && key.slice(key.lastIndexOf('/') + 1) === marker) listing.markers.push(file)
        // keys that end in a slash are what consoles make for folders
        else if (!key.endsWith('/') && isMatch(key)) listing.files.push(file)
      }
      if (seen > MAX_LISTED) throw tooMany(`${url} looks through more than a million objects`)
      if (listing.files.length > MAX_FILES) throw tooMany(`${url} matches more than 100,000 objects`)
    }
    return { files: listing.files, markers: markersOf(listing.markers, listing.files) }
  } finally {
    bucket.close()
  }
}

/** Markers of folders without a file are none of ours. */
function markersOf(markers: readonly ListedFile[], files: readonly ListedFile[]): ListedFile[] {
  const folders = new Set(files.map(({ path }) => folderOf(path)))
  return markers.filter(({ path }) => folders.has(folderOf(path)))
}

function tooMany(what: string): SluiceError {
  return new SluiceError('TRIGGER_FAILED', `${what}.`, { hint: 'Narrow the glob, or move objects away once done.' })
}
