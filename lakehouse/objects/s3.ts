import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.js'
import type { CacheConfig, NamedConnection, S3Connection } from '../config.js'
import { eachBounded } from './concurrency.js'
import { assertConditionalWrites } from './conditional-writes.js'
import { onCacheDisk } from './disk-errors.js'
import { FileCache } from './file-cache.js'
import { objectMissing } from './object-missing.js'
import type { ObjectInfo, ObjectStore } from './object-store.js'
import { PrivateFolder } from './private-folder.js'
import type { S3Bucket } from './s3-bucket.js'
import type { S3Location } from './s3-connection.js'

const UPLOADS_AT_ONCE = 2
const DOWNLOADS_AT_ONCE = 8
/** Names in one page of a listing, as many as S3 gives. */
const PAGE = 1_000
const DELETED_AT_ONCE = 1_000

/** Buckets that have passed the test of conditional writes in this process. */
const tested = new Map<string, Promise<void>>()

export interface S3StoreOptions extends S3Location {
  connection: NamedConnection
  /** absolute folder that relative paths of the connection start in */
  project: string
  cache: CacheConfig
}

/**
 * Objects below one prefix of a bucket. Data files are written and read in a private local folder: `persist` uploads
 * them, `fetch` brings them from the cache of immutable files or from the bucket.
 */
export class S3Store implements ObjectStore {
  private readonly base: string
  private readonly folder: PrivateFolder
  private readonly cache: FileCache
  private opened: Promise<S3Bucket> | null = null

  constructor(private readonly options: S3StoreOptions) {
    this.base = options.prefix === '' ? '' : `${options.prefix}/`
    this.folder = new PrivateFolder(join(options.cache.folder, 'work'))
    this.cache = new FileCache(options.cache)
  }

  get localRoot(): string {
    return this.folder.path
  }

  location(key: string): string {
    return `s3://${this.options.bucket}/${this.base}${key}`.replace(/\/$/, '')
  }

  localPath(key: string): string {
    return join(this.folder.path, key)
  }

  async read(key: string): Promise<Buffer | null> {
    return (await this.readWithInfo(key))?.content ?? null
  }

  async readWithInfo(key: string): Promise<{ content: Buffer; info: ObjectInfo } | null> {
    return (await this.bucket()).get(this.base + key)
  }

  async readRange(key: string, start: number, end: number): Promise<ArrayBuffer> {
    const found = await (await this.bucket()).get(this.base + key, { start, end })
    if (found?.content.length !== end - start) throw new Error(`${this.location(key)} has no bytes ${start} to ${end}`)
    return new Uint8Array(found.content).buffer
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const found = await (await this.bucket()).head(this.base + key)
    return found === null ? null : { size: found.size, modifiedAt: found.modifiedAt, etag: found.etag }
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<string[]> {
    const { after, limit = Number.POSITIVE_INFINITY } = options
    const below = this.below(prefix)
    const names: string[] = []
    const pages = (await this.bucket()).list(below, {
      delimiter: '/',
      pageSize: Math.min(PAGE, limit),
      ...(after === undefined ? {} : { after: below + after }),
    })
    for await (const { objects } of pages) {
      names.push(...objects.map(({ key }) => key.slice(below.length)).filter((name) => name !== ''))
      if (names.length >= limit) break
    }
    return names.slice(0, limit)
  }

  async listPrefixes(prefix: string): Promise<string[]> {
    const below = this.below(prefix)
    const names: string[] = []
    for await (const { prefixes } of (await this.bucket()).list(below, { delimiter: '/' })) {
      names.push(...prefixes.map((found) => found.slice(below.length, -1)))
    }
    return names
  }

  async putIfAbsent(key: string, content: Uint8Array): Promise<'created' | 'exists'> {
    return (await this.writable()).putIfAbsent(this.base + key, content)
  }

  async put(key: string, content: Uint8Array): Promise<void> {
    await (await this.writable()).put(this.base + key, content)
  }

  async delete(keys: string[]): Promise<void> {
    if (keys.length === 0) return
    for (const key of keys) await rm(this.localPath(key), { force: true })
    await (await this.bucket()).delete(keys.map((key) => this.base + key))
  }

  async deleteAll(prefix: string): Promise<void> {
    await rm(this.localPath(prefix), { recursive: true, force: true })
    const bucket = await this.bucket()
    for await (const { objects } of bucket.list(this.below(prefix), { pageSize: DELETED_AT_ONCE })) {
      if (objects.length > 0) await bucket.delete(objects.map(({ key }) => key))
    }
  }

  async assertWritable(): Promise<void> {
    await this.writable()
  }

  async prepare(prefix: string): Promise<void> {
    await onCacheDisk(this.options.cache.folder, async () => {
      await this.folder.make()
      await mkdir(this.localPath(prefix), { recursive: true })
    })
  }

  async persist(keys: string[], signal?: AbortSignal): Promise<void> {
    const bucket = await this.writable()
    await eachBounded(keys, UPLOADS_AT_ONCE, async (key) => {
      const path = this.localPath(key)
      await bucket.upload(path, this.base + key, signal)
      const object = { identity: this.identity(key), size: (await stat(path)).size }
      await onCacheDisk(this.options.cache.folder, () => this.cache.keep(object, path))
    })
  }

  async fetch(objects: readonly { key: string; size: number }[], signal?: AbortSignal): Promise<void> {
    await onCacheDisk(this.options.cache.folder, async () => {
      await this.folder.make()
      await eachBounded(objects, DOWNLOADS_AT_ONCE, (object) => this.fetchOne(object, signal))
    })
  }

  async close(): Promise<void> {
    await this.folder.remove()
    const opened = await this.opened?.catch(() => null) // whoever opened it was told
    opened?.close()
    this.opened = null
  }

  private async fetchOne({ key, size }: { key: string; size: number }, signal: AbortSignal | undefined): Promise<void> {
    const target = this.localPath(key)
    if (await exists(target)) return
    await this.cache.place({ identity: this.identity(key), size }, target, async (path) => {
      const info = await (await this.bucket()).download(this.base + key, path, signal)
      if (info?.size !== size) throw objectMissing(this.location(key), size, info)
    })
  }

  private below(prefix: string): string {
    return prefix === '' ? this.base : `${this.base}${prefix}/`
  }

  /** The same object has the same identity in every process, whatever the connection is called. */
  private identity(key: string): string {
    const { endpoint = 'aws' } = this.options.connection.config as S3Connection
    return `${endpoint} ${this.location(key)}`
  }

  private bucket(): Promise<S3Bucket> {
    this.opened ??= this.open()
    return this.opened
  }

  private async open(): Promise<S3Bucket> {
    const { S3Bucket } = await import('./s3-bucket.js')
    const { bucket, connection, project } = this.options
    return new S3Bucket(bucket, connection, project)
  }

  private async writable(): Promise<S3Bucket> {
    const bucket = await this.bucket()
    const { endpoint = 'AWS S3' } = this.options.connection.config as S3Connection
    const name = `Bucket ${this.options.bucket} at ${endpoint}`
    const test = tested.get(name) ?? assertConditionalWrites(bucket, `${this.base}_sluice/`, name)
    tested.set(name, test)
    try {
      await test
    } catch (error) {
      tested.delete(name)
      throw error
    }
    return bucket
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}
