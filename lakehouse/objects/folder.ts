import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../../errors.js'
import { eachBounded } from './concurrency.js'
import { onLakeDisk } from './disk-errors.js'
import { objectMissing } from './object-missing.js'
import type { ObjectInfo, ObjectStore } from './object-store.js'

/** Leftovers of a crash while an object was written; listings leave them out. */
const TEMPORARY = /^\.tmp-/
const CONCURRENT_STATS = 64

/** Objects as files below one folder of a local (or mounted) file system that knows hard links. */
export class FolderStore implements ObjectStore {
  /** @param root absolute path; created at the first write */
  constructor(private readonly root: string) {}

  get localRoot(): string {
    return this.root
  }

  location(key: string): string {
    return join(this.root, key)
  }

  localPath(key: string): string {
    return this.location(key)
  }

  async read(key: string): Promise<Buffer | null> {
    return orNull(readFile(this.location(key)))
  }

  async readWithInfo(key: string): Promise<{ content: Buffer; info: ObjectInfo } | null> {
    const file = await orNull(open(this.location(key), 'r'))
    if (file === null) return null
    try {
      return { content: await file.readFile(), info: objectInfo(await file.stat()) }
    } finally {
      await file.close()
    }
  }

  async readRange(key: string, start: number, end: number): Promise<ArrayBuffer> {
    const file = await open(this.location(key), 'r')
    try {
      const bytes = new Uint8Array(end - start)
      let filled = 0
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled)
        if (bytesRead === 0) throw new Error(`${key} ends at byte ${start + filled}, expected ${end}`)
        filled += bytesRead
      }
      return bytes.buffer
    } finally {
      await file.close()
    }
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const stats = await orNull(stat(this.location(key)))
    return stats?.isFile() ? objectInfo(stats) : null
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<string[]> {
    const { after = '', limit } = options
    const entries = await this.entries(prefix)
    return entries
      .filter((entry) => entry.isFile() && !TEMPORARY.test(entry.name) && entry.name > after)
      .map((entry) => entry.name)
      .sort()
      .slice(0, limit)
  }

  async listPrefixes(prefix: string): Promise<string[]> {
    const entries = await this.entries(prefix)
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort()
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<'created' | 'exists'> {
    return onLakeDisk(this.location(key), () => this.createFrom(content, key))
  }

  async put(key: string, content: Uint8Array): Promise<void> {
    await onLakeDisk(this.location(key), async () => {
      const temporary = await this.writeTemporary(key, content)
      await rename(temporary, this.location(key))
      await syncFolder(dirname(this.location(key)))
    })
  }

  private async createFrom(content: Uint8Array, key: string): Promise<'created' | 'exists'> {
    const temporary = await this.writeTemporary(key, content)
    try {
      // link() fails when the name is taken, on every file system that has it; rename() would replace.
      await link(temporary, this.location(key))
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return 'exists'
      throw error
    } finally {
      await unlink(temporary)
    }
    await syncFolder(dirname(this.location(key)))
    return 'created'
  }

  async delete(keys: string[]): Promise<void> {
    for (const key of keys) await rm(this.location(key), { force: true })
  }

  async deleteAll(prefix: string): Promise<void> {
    await rm(this.location(prefix), { recursive: true, force: true })
  }

  async assertWritable(): Promise<void> {
    await onLakeDisk(this.root, () => makeFolder(this.root))
  }

  async prepare(prefix: string): Promise<void> {
    const folder = this.location(prefix)
    await onLakeDisk(folder, () => makeFolder(folder))
  }

  async persist(keys: string[]): Promise<void> {
    await onLakeDisk(this.root, () => this.syncAll(keys))
  }

  private async syncAll(keys: string[]): Promise<void> {
    const folders = new Set<string>()
    for (const key of keys) {
      const file = await open(this.location(key), 'r')
      await syncAndClose(file)
      for (let folder = dirname(this.location(key)); folder.startsWith(this.root); folder = dirname(folder)) {
        folders.add(folder)
      }
    }
    for (const folder of folders) await syncFolder(folder)
  }

  async fetch(objects: readonly { key: string; size: number }[]): Promise<void> {
    await eachBounded(objects, CONCURRENT_STATS, async ({ key, size }) => {
      const info = await this.stat(key)
      if (info?.size !== size) throw objectMissing(this.location(key), size, info)
    })
  }

  async close(): Promise<void> {}

  private async entries(prefix: string) {
    return (await orNull(readdir(this.location(prefix), { withFileTypes: true }))) ?? []
  }

  private async writeTemporary(key: string, content: Uint8Array): Promise<string> {
    const folder = dirname(this.location(key))
    await makeFolder(folder)
    const temporary = join(folder, `.tmp-${randomUUID()}`)
    try {
      const file = await open(temporary, 'wx')
      try {
        await file.writeFile(content)
      } finally {
        await syncAndClose(file)
      }
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    return temporary
  }
}

/** Creates a folder with its parents; the names of all new ones are durable. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

async function syncFolder(folder: string): Promise<void> {
  await syncAndClose(await open(folder, 'r'))
}

async function syncAndClose(file: FileHandle): Promise<void> {
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function objectInfo(stats: Stats): ObjectInfo {
  return {
    size: stats.size,
    modifiedAt: Math.trunc(stats.mtimeMs),
    etag: `${stats.dev}:${stats.ino}:${stats.mtimeMs}:${stats.size}`,
  }
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}
