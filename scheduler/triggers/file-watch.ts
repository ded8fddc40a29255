import { createHash } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Config } from '../config.js'
import type { FilesLook, Watches } from '../loop/ports.js'
import type { SeenFile, TriggerSource } from '../store/trigger-store.js'
import { listBucket } from './bucket-files.js'
import { listProject } from './project-files.js'

/** One file that a glob matches, or that says that its folder is complete. */
export interface ListedFile {
  /** absolute path or s3:// URL */
  path: string
  size: number
  /** changes whenever the content does: modification time, or the etag of an object */
  stamp: string
  /** nobody can see it before it is complete: an object of a bucket */
  isWhole: boolean
}

export interface Listing {
  files: ListedFile[]
  /** files with the marker's name in the folders of the files */
  markers: ListedFile[]
  close?(): void
}

interface Memory {
  /** keys of what is there and was told */
  known: Set<string>
  /** by path since when it has looked as it does */
  growing: Map<string, { stamp: string; since: Instant }>
}

/** How soon files that may be growing are looked at again, at the earliest. */
const SOONEST_MS = 500
/** More files of one folder are no list that a run could work on. */
const FILES_OF_FOLDER = 10_000

/**
 * The files of globs, each known once: by path, size and modification time (or etag), so a file that is written anew or
 * uploaded again is a new one. What is remembered here only saves work; the store decides what is new.
 */
export class FileWatch {
  readonly #config: Config
  readonly #now: () => Instant
  readonly #sources = new Map<string, Memory>()

  constructor(config: Config, now: () => Instant) {
    this.#config = config
    this.#now = now
  }

  async look(source: TriggerSource, known: Parameters<Watches['files']>[1]): Promise<FilesLook> {
    const { files: how } = source
    if (how === null) throw new Error(`the glob ${source.source} of ${source.dagId} says not how to look at it`)
    const listing =
      how.connection === null
        ? await listProject(source.source, how.marker, this.#config)
        : await listBucket(source.source, how.marker, how.connection, this.#config)
    const memory = await this.#memory(source, known)
    const complete = how.marker === null ? singly(listing.files) : byFolder(listing)
    const keys = new Set(complete.map(({ key }) => key))
    const settled = how.marker === null ? this.#settled(listing.files, memory.growing, how.stableMs) : null
    const unknown = complete.filter(({ key }) => !memory.known.has(key))
    const files = unknown.filter(({ files: paths }) => settled === null || paths.every((path) => settled.has(path)))
    const gone = [...memory.known].filter((key) => !keys.has(key))
    const recorded = () => {
      for (const { key } of files) memory.known.add(key)
      for (const key of gone) memory.known.delete(key)
    }
    return { files, gone, againMs: unknown.length > files.length ? Math.max(how.stableMs, SOONEST_MS) : null, recorded }
  }

  close(): void {
    this.#sources.clear()
  }

  async #memory({ dagId, source }: TriggerSource, known: Parameters<Watches['files']>[1]): Promise<Memory> {
    const place = `${dagId} ${source}`
    const there = this.#sources.get(place)
    if (there !== undefined) return there
    const memory: Memory = { known: new Set(await known()), growing: new Map() }
    this.#sources.set(place, memory)
    return memory
  }

  /** Paths whose size and modification time have stayed the same for long enough. */
  #settled(files: readonly ListedFile[], growing: Memory['growing'], stableMs: number): Set<string> {
    const now = this.#now()
    const settled = new Set<string>()
    const there = new Set<string>()
    for (const { path, size, stamp, isWhole } of files) {
      const seen = growing.get(path)
      const look = `${size} ${stamp}`
      const since = seen?.stamp === look ? seen.since : now
      if (isWhole || now - since >= stableMs) settled.add(path)
      growing.set(path, { stamp: look, since })
      there.add(path)
    }
    for (const path of growing.keys()) if (!there.has(path)) growing.delete(path)
    return settled
  }
}

function singly(files: readonly ListedFile[]): SeenFile[] {
  return files.map((file) => ({ key: keyOf(file), files: [file.path] }))
}

/** A folder is known by its marker: written anew, it says that the folder is complete once more. */
function byFolder({ files, markers }: Listing): SeenFile[] {
  const folders = new Map<string, string[]>()
  for (const { path } of files) folders.set(folderOf(path), [...(folders.get(folderOf(path)) ?? []), path])
  return markers.flatMap((marker) => {
    const paths = folders.get(folderOf(marker.path)) ?? []
    if (paths.length > FILES_OF_FOLDER) {
      throw new SluiceError('TRIGGER_FAILED', `${folderOf(marker.path)} holds more than ${FILES_OF_FOLDER} files.`, {
        hint: 'Narrow the glob.',
      })
    }
    return paths.length === 0 ? [] : { key: keyOf(marker), files: paths }
  })
}

/** The folder of a file, of a path or a URL with `/`; '' for a file at the top. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function keyOf({ path, size, stamp }: ListedFile): string {
  return createHash('sha256').update(`${path}\n${size}\n${stamp}`).digest('hex')
}
