import type { Instant } from '../../json.js'

/**
 * Where a catalog keeps its bytes: a folder (`FolderStore`) or a bucket (`S3Store`). Keys are relative to the catalog's
 * location, parts separated by `/`. Everything durable is written through this interface, except data files: the SQL
 * engine writes them to `localPath` below a prefix that was prepared, and `persist` makes them durable. It reads data
 * files there too, after `fetch`.
 */
export interface ObjectStore {
  /** the whole object, or null when there is none */
  read(key: string): Promise<Buffer | null>
  /** the whole object with what `stat` would say of it, or null when there is none */
  readWithInfo(key: string): Promise<{ content: Buffer; info: ObjectInfo } | null>
  /** bytes `[start, end)`; a missing object throws */
  readRange(key: string, start: number, end: number): Promise<ArrayBuffer>
  stat(key: string): Promise<ObjectInfo | null>
  /**
   * Sorted names of the objects directly below a prefix (no recursion); a prefix without objects gives none.
   * @param options.after only names behind this one
   * @param options.limit at most so many, the first ones
   */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<string[]>
  /** sorted names of the prefixes directly below a prefix */
  listPrefixes(prefix: string): Promise<string[]>
  /**
   * Creates the object, whole or not at all, and only when no object has this key. Once it resolves with `created` the
   * object survives a power cut. When it throws, the object may exist or not: the caller looks.
   */
  putIfAbsent(key: string, content: Uint8Array): Promise<'created' | 'exists'>
  /** Replaces the object, whole or not at all. */
  put(key: string, content: Uint8Array): Promise<void>
  /** Deletes the objects that exist among these, and local files of theirs. */
  delete(keys: string[]): Promise<void>
  /** Deletes everything below a prefix, local files too. */
  deleteAll(prefix: string): Promise<void>
  /**
   * Resolves when the store takes writes and keeps what `putIfAbsent` promises.
   * @throws SluiceError saying why it does not, e.g. OBJECT_STORE_UNSAFE
   */
  assertWritable(): Promise<void>
  /** Makes a prefix ready for files that the engine is about to write below it. */
  prepare(prefix: string): Promise<void>
  /** Makes files that the engine wrote to `localPath(key)` durable, content and names. */
  persist(keys: string[], signal?: AbortSignal): Promise<void>
  /**
   * Makes objects that never change readable at `localPath(key)`, where they stay until `close`.
   * @throws SluiceError OBJECT_MISSING naming the first one that does not exist in this size
   */
  fetch(objects: readonly { key: string; size: number }[], signal?: AbortSignal): Promise<void>
  /** the file that the SQL engine writes before `persist` and reads after `fetch` */
  localPath(key: string): string
  /** the folder that holds all of `localPath`, for the engine's sandbox */
  readonly localRoot: string
  /** where the object is, as people and other engines write it: a path or an s3:// URL */
  location(key: string): string
  /** Ends connections and removes local files that are not the objects themselves. */
  close(): Promise<void>
}

export interface ObjectInfo {
  size: number
  modifiedAt: Instant
  /** differs whenever the object was replaced */
  etag: string
}
