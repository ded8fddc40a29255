import { createHash, randomUUID } from 'node:crypto'
import { copyFile, link, mkdir, readdir, rename, rm, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../../errors.js'
import type { CacheConfig } from '../config.js'
import { removeAbandoned } from './private-folder.js'

/** Looking through the cache costs a little, so it may grow by this part of its limit between two looks. */
const SLACK = 0.05
/** A look that finds too much makes room for a while. */
const TRIM_TO = 0.9
const ABANDONED_DOWNLOAD_MS = 60 * 60_000

/**
 * Files of object stores on this machine, shared by all processes of a project, for objects that never change. A file
 * appears under its name only when it is whole and durable. Whoever reads one has a hard link of his own: to remove the
 * least recently used file takes nothing away from a query that reads it.
 */
export class FileCache {
  private grown: number
  private trimming: Promise<void> | null = null

  constructor(private readonly config: CacheConfig) {
    // the first file of a process looks at what others have left
    this.grown = config.maxBytes
  }

  /**
   * Puts an object's file at `target`, which must be on the cache's file system.
   * @param identity names the object among all objects of all stores; with its size it stands for its content
   * @param download writes the object to a path that does not exist yet, whole and durable
   */
  async place(
    object: { identity: string; size: number },
    target: string,
    download: (path: string) => Promise<void>,
  ): Promise<void> {
    await mkdir(dirname(target), { recursive: true })
    const kept = this.pathOf(object)
    if (await this.linkKept(kept, object.size, target)) return
    const fresh = join(this.config.folder, 'incoming', randomUUID())
    await mkdir(dirname(fresh), { recursive: true, mode: 0o700 })
    try {
      await download(fresh)
      await linkOrCopy(fresh, target)
      await mkdir(dirname(kept), { recursive: true, mode: 0o700 })
      await rename(fresh, kept)
    } finally {
      await rm(fresh, { force: true })
    }
    await this.added(object.size)
  }

  /** Keeps a local file that has just become an object. */
  async keep(object: { identity: string; size: number }, path: string): Promise<void> {
    const kept = this.pathOf(object)
    await mkdir(dirname(kept), { recursive: true, mode: 0o700 })
    await linkOrCopy(path, kept)
    await this.added(object.size)
  }

  private pathOf({ identity, size }: { identity: string; size: number }): string {
    const hash = createHash('sha256').update(identity).digest('hex')
    return join(this.config.folder, 'objects', hash.slice(0, 2), `${hash.slice(2)}-${size}`)
  }

  private async linkKept(kept: string, size: number, target: string): Promise<boolean> {
    try {
      const found = await stat(kept)
      if (found.size !== size) return false
      await linkOrCopy(kept, target)
      await utimes(kept, new Date(), new Date())
      return true
    } catch (error) {
      // not there, or removed just now by another process to make room
      if (codeOf(error) !== 'ENOENT') throw error
      return false
    }
  }

  private async added(bytes: number): Promise<void> {
    this.grown += bytes
    if (this.grown < this.config.maxBytes * SLACK) return
    this.trimming ??= this.trim().finally(() => {
      this.trimming = null
    })
    await this.trimming
  }

  /** Removes the least recently used files until the rest is within the limit. */
  private async trim(): Promise<void> {
    this.grown = 0
    const { folder, maxBytes } = this.config
    await mkdir(join(folder, 'incoming'), { recursive: true, mode: 0o700 })
    await removeAbandoned(join(folder, 'incoming'), ABANDONED_DOWNLOAD_MS)
    const files = await this.files()
    let bytes = files.reduce((sum, file) => sum + file.size, 0)
    if (bytes <= maxBytes) return
    for (const file of files.sort((a, b) => a.usedAt - b.usedAt)) {
      if (bytes <= maxBytes * TRIM_TO) return
      await rm(file.path, { force: true })
      bytes -= file.size
    }
  }

  private async files(): Promise<{ path: string; size: number; usedAt: number }[]> {
    const root = join(this.config.folder, 'objects')
    const files: { path: string; size: number; usedAt: number }[] = []
    for (const part of await readdir(root)) {
      for (const name of await readdir(join(root, part))) {
        const path = join(root, part, name)
        const found = await stat(path).catch(() => null) // another process made room
        if (found !== null) files.push({ path, size: found.size, usedAt: found.mtimeMs })
      }
    }
    return files
  }
}

/** A second name for a file; a copy where the file system has no hard links. What stands at `target` is the same. */
async function linkOrCopy(path: string, target: string): Promise<void> {
  try {
    await link(path, target)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'EMLINK') throw error
    await copyWhole(path, target)
  }
}

async function copyWhole(path: string, target: string): Promise<void> {
  const part = `${target}.${randomUUID()}`
  try {
    await copyFile(path, part)
    await rename(part, target)
  } catch (error) {
    await unlink(part).catch(() => undefined) // it is the first error that is told
    throw error
  }
}
