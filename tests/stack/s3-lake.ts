import { mkdtempSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { LakehouseConfig, S3Connection } from '../../lakehouse/config.js'
import { S3Bucket } from '../../lakehouse/objects/s3-bucket.js'
import { Lake } from '../lakehouse/subject.js'
import { S3Place } from './s3-place.js'

/** A lakehouse whose Delta tables lie in a bucket. */
export class S3Lake extends Lake {
  readonly place: S3Place

  /**
   * @param endpoint another way to the same store, e.g. through a proxy
   * @param keys another user's
   */
  constructor(endpoint?: string, keys: Partial<S3Connection> = {}) {
    super()
    this.place = new S3Place(endpoint, keys)
  }

  override get config(): LakehouseConfig {
    return {
      project: this.project,
      catalogs: { lake: { format: 'delta', location: this.place.location, connection: 'minio' } },
      connections: {
        lakehouse: { type: 'duckdb', memory_limit: '512MB', threads: 2 },
        minio: this.place.connection,
      },
      cache: this.place.cache,
    }
  }

  override async mirror(table: string): Promise<string> {
    const folder = mkdtempSync(join(this.project, 'mirror-'))
    const prefix = `${this.place.prefix}/${table.replace('.', '/')}/`
    const bucket = new S3Bucket(this.place.bucket, { name: 'minio', config: this.place.connection }, this.project)
    for await (const { objects } of bucket.list(prefix)) {
      for (const { key } of objects) {
        const path = join(folder, key.slice(prefix.length))
        await mkdir(dirname(path), { recursive: true })
        await bucket.download(key, path)
      }
    }
    bucket.close()
    return folder
  }

  /** The table as delta-rs finds it. */
  url(table: string): string {
    return `${this.place.location}/${table.replace('.', '/')}`
  }

  override async remove(): Promise<void> {
    await super.remove()
    await this.place.remove()
  }
}
