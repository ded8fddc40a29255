import { randomUUID } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { NamedConnection, S3Connection } from '../config.js'
import { isDiskError } from './disk-errors.js'
import type { ObjectInfo } from './object-store.js'
import { clientConfig } from './s3-connection.js'
import { isUnclear, type S3Place, s3Error, statusOf } from './s3-errors.js'
import { backoff, byteRange, downloadInto, infoOf, PART_BYTES, uploadInParts } from './s3-transfer.js'

/** A small request is answered within this time, or asked again. */
const ANSWER_MS = 15_000
const PART_MS = 120_000
/** Tries to put a key whose other writer is still at it (409), and to read a body whose connection breaks. */
const MAX_TRIES = 5
const DELETE_AT_ONCE = 1_000
/** Metadata by which a writer knows its own object again. */
const WRITE_ID = 'sluice-write'

export interface ListedObject {
  key: string
  size: number
  modifiedAt: number
  etag: string
}

/**
 * One bucket through the AWS SDK. Import it dynamically, because loading it takes longer than most tasks. Keys are those
 * of the bucket. Errors are SluiceErrors with the connection's name.
 */
export class S3Bucket {
  private readonly client: S3Client
  private readonly place: S3Place

  /** @param project absolute folder that a relative `ca` of the connection starts in */
  constructor(bucket: string, connection: NamedConnection, project: string) {
    // The SDK's note that later versions of it need a newer Node is for us, who pin its version, not for users.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
    this.client = new S3Client(clientConfig(connection, project))
    const { endpoint } = connection.config as S3Connection
    this.place = { bucket, connection: connection.name, endpoint: endpoint ?? null }
  }

  get name(): string {
    return this.place.bucket
  }

  /** null when there is no such object */
  async get(
    key: string,
    range?: { start: number; end: number },
  ): Promise<{ content: Buffer; info: ObjectInfo } | null> {
    for (let tries = 1; ; tries++) {
      const answer = await this.open(key, range === undefined ? {} : { Range: byteRange(range.start, range.end) })
      if (answer === null) return null
      try {
        const bytes = await answer.Body?.transformToByteArray()
        return { content: Buffer.from(bytes ?? []), info: infoOf(answer) }
      } catch (error) {
        if (tries >= MAX_TRIES) throw this.told(error, `read ${key}`)
        await backoff(tries)
      }
    }
  }

  async head(key: string): Promise<(ObjectInfo & { writeId: string | null }) | null> {
    return this.orNull(`read ${key}`, async () => {
      const input = { Bucket: this.name, Key: key }
      const answer = await this.client.send(new HeadObjectCommand(input), { requestTimeout: ANSWER_MS })
      return { ...infoOf(answer), writeId: answer.Metadata?.[WRITE_ID] ?? null }
    })
  }

  /** Names below a prefix, in order, page by page: objects, and the prefixes one level down when a delimiter is given. */
  async *list(
    prefix: string,
    options: { delimiter?: '/'; after?: string; pageSize?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<{ objects: ListedObject[]; prefixes: string[] }> {
    let next: string | undefined
    do {
      const page = await this.asking(`list ${prefix}`, options.signal, () => {
        const input = {
          Bucket: this.name,
          Prefix: prefix,
          ...(options.delimiter === undefined ? {} : { Delimiter: options.delimiter }),
          ...(options.after === undefined ? {} : { StartAfter: options.after }),
          ...(options.pageSize === undefined ? {} : { MaxKeys: options.pageSize }),
          ...(next === undefined ? {} : { ContinuationToken: next }),
        }
        return this.client.send(new ListObjectsV2Command(input), sending(ANSWER_MS, options.signal))
      })
      yield {
        objects: (page.Contents ?? []).map((object) => ({
          key: object.Key ?? '',
          size: object.Size ?? 0,
          modifiedAt: object.LastModified?.getTime() ?? 0,
          etag: object.ETag ?? '',
        })),
        prefixes: (page.CommonPrefixes ?? []).flatMap(({ Prefix }) => Prefix ?? []),
      }
      next = page.NextContinuationToken
    } while (next !== undefined)
  }

  async put(key: string, content: Uint8Array): Promise<void> {
    await this.asking(`write ${key}`, undefined, () => this.send(key, content, {}))
  }

  /**
   * Creates an object unless the key is taken. A request whose answer was lost is sent again, and then finds the key taken
   * by itself: the id in the object's metadata tells.
   */
  async putIfAbsent(key: string, content: Uint8Array): Promise<'created' | 'exists'> {
    const writeId = randomUUID()
    for (let tries = 1; ; tries++) {
      try {
        await this.send(key, content, { IfNoneMatch: '*', Metadata: { [WRITE_ID]: writeId } })
        return 'created'
      } catch (error) {
        const status = statusOf(error)
        if (status === 412) return (await this.isOurs(key, writeId)) ? 'created' : 'exists'
        // 409: another conditional write of this key is under way
        if (status === 409 && tries < MAX_TRIES) await backoff(tries)
        else if (isUnclear(error) && (await this.isOurs(key, writeId))) return 'created'
        else throw this.told(error, `write ${key}`)
      }
    }
  }

  /** Deletes what exists among these keys. */
  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += DELETE_AT_ONCE) {
      const Objects = keys.slice(start, start + DELETE_AT_ONCE).map((Key) => ({ Key }))
      const input = { Bucket: this.name, Delete: { Objects, Quiet: true } }
      const { Errors = [] } = await this.asking('delete objects', undefined, () =>
        this.client.send(new DeleteObjectsCommand(input), { requestTimeout: ANSWER_MS }),
      )
      const [failed] = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
      if (failed === undefined) continue
      const error = Object.assign(new Error(failed.Message ?? ''), { name: failed.Code ?? 'Error' })
      const denied = failed.Code === 'AccessDenied' ? { $metadata: { httpStatusCode: 403 } } : {}
      throw this.told(Object.assign(error, denied), `delete ${failed.Key ?? ''}`)
    }
  }

  /**
   * Uploads a file, in parts when it is large; the object appears whole or not at all. When the answer to the completion
   * is lost, the request is sent again and finds no such upload any more: the id in the metadata tells that it is done.
   */
  async upload(path: string, key: string, signal?: AbortSignal): Promise<void> {
    const writeId = randomUUID()
    const object = { Bucket: this.name, Key: key, Metadata: { [WRITE_ID]: writeId } }
    const { size } = await stat(path)
    await this.asking(`write ${key}`, signal, async () => {
      try {
        if (size > PART_BYTES) return await uploadInParts(this.client, object, path, signal)
        const command = new PutObjectCommand({ ...object, Body: await readFile(path) })
        await this.client.send(command, sending(PART_MS, signal))
      } catch (error) {
        signal?.throwIfAborted()
        const perhapsDone = isUnclear(error) || (error as Error).name === 'NoSuchUpload'
        if (!perhapsDone || !(await this.isOurs(key, writeId))) throw error
      }
    })
  }

  /**
   * Writes an object to a new local file and makes it durable.
   * @returns null when there is no such object; the file may then exist, empty
   */
  async download(key: string, path: string, signal?: AbortSignal): Promise<ObjectInfo | null> {
    const file = await open(path, 'wx', 0o600)
    try {
      const info = await downloadInto(file, (rest) => this.open(key, rest ?? {}, signal), signal)
      await file.sync()
      return info
    } catch (error) {
      signal?.throwIfAborted()
      throw isDiskError(error) ? error : this.told(error, `read ${key}`)
    } finally {
      await file.close()
    }
  }

  close(): void {
    this.client.destroy()
  }

  private open(
    key: string,
    extra: { Range?: string; IfMatch?: string },
    signal?: AbortSignal,
  ): Promise<GetObjectCommandOutput | null> {
    return this.orNull(
      `read ${key}`,
      () => {
        const input = { Bucket: this.name, Key: key, ...extra }
        return this.client.send(new GetObjectCommand(input), sending(ANSWER_MS, signal))
      },
      signal,
    )
  }

  private async send(
    key: string,
    content: Uint8Array,
    extra: { IfNoneMatch?: '*'; Metadata?: Record<string, string> },
  ) {
    const input = { Bucket: this.name, Key: key, Body: content, ...extra }
    const timeout = content.length > PART_BYTES ? PART_MS : ANSWER_MS
    await this.client.send(new PutObjectCommand(input), { requestTimeout: timeout })
  }

  private async isOurs(key: string, writeId: string): Promise<boolean> {
    return (await this.head(key))?.writeId === writeId
  }

  private async orNull<T>(doing: string, ask: () => Promise<T>, signal?: AbortSignal): Promise<T | null> {
    return this.asking<T | null>(doing, signal, async () => {
      try {
        return await ask()
      } catch (error) {
        // HEAD has no body, so a bucket that is missing looks like a key that is
        if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return null
        throw error
      }
    })
  }

  private async asking<T>(doing: string, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      signal?.throwIfAborted()
      throw this.told(error, doing)
    }
  }

  private told(error: unknown, doing: string): unknown {
    return s3Error(error, this.place, `${doing} in bucket ${this.name}`)
  }
}

function sending(requestTimeout: number, signal: AbortSignal | undefined) {
  return { requestTimeout, ...(signal === undefined ? {} : { abortSignal: signal }) }
}
