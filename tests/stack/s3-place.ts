import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3Connection } from '../../lakehouse/config.js'
import { openObjectStore } from '../../lakehouse/objects/open.js'

function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} must be set; see docs/guides/object-storage.md`)
  return value
}

/** A prefix of its own in the bucket of the stack, and a local folder for the project. */
export class S3Place {
  readonly project = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
  readonly bucket = process.env.S3_BUCKET ?? 'lake'
  readonly prefix = `sluice-test-${randomUUID()}`
  readonly connection: S3Connection

  /**
   * @param endpoint another way to the same store, e.g. through a proxy
   * @param keys another user's
   */
  constructor(endpoint?: string, keys: Partial<S3Connection> = {}) {
    const stack = S3Place.stack()
    this.connection = { type: 's3', path_style: true, ...stack, endpoint: endpoint ?? stack.endpoint, ...keys }
  }

  /** The object store of the stack, and the keys of the user that owns it. */
  static stack() {
    return {
      endpoint: variable('S3_ENDPOINT'),
      region: process.env.S3_REGION ?? 'us-east-1',
      access_key: variable('AWS_ACCESS_KEY_ID'),
      secret_key: variable('AWS_SECRET_ACCESS_KEY'),
    }
  }

  get location(): string {
    return `s3://${this.bucket}/${this.prefix}`
  }

  get cache() {
    return { folder: join(this.project, 'cache'), maxBytes: 1e9 }
  }

  /** A store at the place, as a process of its own would have it. */
  open(set: { connection?: Partial<S3Connection>; location?: string; maxBytes?: number } = {}) {
    const config = { ...this.connection, ...set.connection }
    const cache = { ...this.cache, ...(set.maxBytes === undefined ? {} : { maxBytes: set.maxBytes }) }
    const around = { project: this.project, cache, place: 'catalogs.lake.location' }
    return openObjectStore(set.location ?? this.location, { name: 'minio', config }, around)
  }

  async remove(): Promise<void> {
    const store = this.open()
    await store.deleteAll('')
    await store.close()
    rmSync(this.project, { recursive: true, force: true })
  }
}
