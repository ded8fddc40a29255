import type { Instant } from '../../json.js'

/**
 * Where a catalog keeps its bytes: a folder today, a bucket later. Keys are relative to the catalog's location, parts
 * separated by `/`. Everything durable is written through this interface, except data files, which the SQL engine
 * writes itself and which `persist` then makes durable.
 */
export interface ObjectStore {
  /** the whole object, or null when there is none */
  read(key: string): Promise<Buffer | null>
  /** bytes `[start, end)`; a missing object throws */
  readRange(key: string, start: number, end: number): Promise<ArrayBuffer>
  stat(key: string): Promise<ObjectInfo | null>
  /** sorted names of the objects directly below a prefix (no recursion); a prefix without objects gives none */
  list(prefix: string): Promise<string[]>
  /** sorted names of the prefixes directly below a prefix */
  listPrefixes(prefix: string): Promise<string[]>
  /**
   * Creates the object, whole or not at all, and only when no object has this key. Once it resolves with `created` the
   * object survives a power cut. When it throws, the object may exist or not: the caller looks.
   */
  putIfAbsent(key: string, content: Uint8Array): Promise<'created' | 'exists'>
  /** Replaces the object, whole or not at all. */
  put(key: string, content: Uint8Array): Promise<void>
  /** Deletes the objects that exist among these. */
  delete(keys: string[]): Promise<void>
  /** Deletes everything below a prefix. */
  deleteAll(prefix: string): Promise<void>
  /** Makes a prefix ready for files that the engine is about to write below it. */
  prepare(prefix: string): Promise<void>
  /** Makes files that the engine wrote to `location(key)` durable, content and names. */
  persist(keys: string[]): Promise<void>
  /** the path or URL under which the SQL engine reads and writes the object */
  location(key: string): string
}

export interface ObjectInfo {
  size: number
  modifiedAt: Instant
  /** differs whenever the object was replaced */
  etag: string
}
