import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { isDiskError } from './disk-errors.js'
import type { ObjectInfo } from './object-store.js'

/** Larger files go up in parts of this size. */
export const PART_BYTES = 8 * 1024 * 1024
const PARTS_AT_ONCE = 4
const READ_BYTES = 1024 * 1024
/** Tries in a row in which a body gives nothing before its connection breaks. */
const MAX_TRIES = 5

/** Uploads a large file in parts; the object appears whole or not at all. */
export async function uploadInParts(
  client: S3Client,
  object: { Bucket: string; Key: string; Metadata: Record<string, string> },
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const upload = new Upload({
    client,
    params: { ...object, Body: createReadStream(path, { highWaterMark: READ_BYTES }) },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  })
  const abort = (): void => void upload.abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await upload.done()
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/**
 * Writes an object to an empty file. A connection that breaks is taken up where it broke, and only while the object is the
 * same.
 * @param open asks for the object, or for the rest of it; null when there is none
 * @returns null when there is no such object
 */
export async function downloadInto(
  file: FileHandle,
  open: (rest: { Range: string; IfMatch: string } | null) => Promise<GetObjectCommandOutput | null>,
  signal: AbortSignal | undefined,
): Promise<ObjectInfo | null> {
  let info: ObjectInfo | null = null
  let offset = 0
  for (let tries = 1; info === null || offset < info.size; ) {
    const answer = await open(info === null ? null : { Range: byteRange(offset, info.size), IfMatch: info.etag })
    if (answer === null) return null
    info ??= infoOf(answer)
    const before = offset
    try {
      for await (const chunk of answer.Body as Readable) {
        signal?.throwIfAborted()
        await writeAll(file, chunk as Buffer, offset)
        offset += (chunk as Buffer).length
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (tries >= MAX_TRIES || isDiskError(error)) throw error
    }
    tries = offset > before ? 1 : tries + 1
    if (offset < info.size) await backoff(tries)
  }
  return info
}

/** What an answer says of its object. */
export function infoOf(answer: {
  ContentLength?: number | undefined
  LastModified?: Date | undefined
  ETag?: string | undefined
}): ObjectInfo {
  return {
    size: answer.ContentLength ?? 0,
    modifiedAt: answer.LastModified?.getTime() ?? 0,
    etag: answer.ETag ?? '',
  }
}

/**
 * The `Range` header for the bytes from `start` to before `end`; HTTP counts the last byte in (RFC 9110, section
 * 14.1.2).
 */
export function byteRange(start: number, end: number): string {
  return `bytes=${start}-${end - 1}`
}

/**
 * Waits before the next try: any time up to 50 ms doubled with every try, never over 5 s. The chance keeps writers that
 * met once from meeting again.
 * @param tries made so far
 */
export function backoff(tries: number): Promise<void> {
  return pause(Math.random() * Math.min(5_000, 50 * 2 ** tries))
}

/** A disk may take less at once than it is given. */
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}
