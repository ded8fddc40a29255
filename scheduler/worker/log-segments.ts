import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError } from '../../errors.js'
import type { ObjectStore } from '../../lakehouse/objects/object-store.js'
import {
  type AttemptId,
  type LogAppender,
  type LogExtent,
  type LogSource,
  type LogStore,
  logKey,
  runLogsKey,
} from './log-store.js'
import { chainOf, type Segment, segmentName } from './segment-names.js'

/** Together with the time of a request well within the second that a kill may cost (docs/ARCHITECTURE.md). */
const FLUSH_MS = 400
const BATCH_BYTES = 256 * 1024
/** Segments are merged up to this size; so much of each running log is kept in memory. */
const BLOCK_BYTES = 4 * 1024 * 1024
/** So many small segments are merged before the block is full. */
const SMALL_SEGMENTS = 50
const READ_BYTES = 1024 * 1024
/** Once its attempt has ended an object store that cannot be reached is asked again for so long; then the log ends early. */
const PATIENCE_MS = 60_000
const PAUSE_MS = 500
/** How often a reader looks again when segments are merged under it. */
const MAX_LOOKS = 5

/**
 * Logs in an object store, where nothing can be appended to: each flush makes a segment, an object whose name says which
 * bytes of the log it holds and the number of its last line. Small segments are merged as the log grows and when it ends,
 * first the new object, then the old ones go, so a reader may find the same bytes twice but never a gap.
 */
export class SegmentLogStore implements LogStore {
  private opened: ObjectStore | null = null

  /** @param openStore called with the first use, so that what it says of its configuration is said of that log */
  constructor(private readonly openStore: () => ObjectStore) {}

  async warm(): Promise<void> {
    try {
      await this.store().assertWritable()
    } catch (error) {
      // told with the first log that meets it
      if (!isSluiceError(error)) throw error
    }
  }

  appender(attempt: AttemptId, after: LogExtent = { lines: 0, bytes: 0 }): LogAppender {
    return new SegmentAppender(() => this.store(), logKey(attempt), after)
  }

  async open(attempt: AttemptId): Promise<LogSource | null> {
    const source = new SegmentSource(this.store(), logKey(attempt))
    return (await source.size()) === 0 ? null : source
  }

  /** Objects appear whole, so nothing can be torn. */
  async mend(attempt: AttemptId): Promise<LogExtent> {
    const last = chainOf(await this.store().list(logKey(attempt))).at(-1)
    return last === undefined ? { lines: 0, bytes: 0 } : { lines: last.lastLine, bytes: last.end }
  }

  async remove(runId: string): Promise<void> {
    await this.store().deleteAll(runLogsKey(runId))
  }

  async close(): Promise<void> {
    await this.opened?.close()
    this.opened = null
  }

  private store(): ObjectStore {
    this.opened ??= this.openStore()
    return this.opened
  }
}

/** Segments that will be one when they are full, with what they hold. */
interface Block {
  start: number
  names: string[]
  contents: Buffer[]
  bytes: number
}

class SegmentAppender implements LogAppender {
  readonly flushMs = FLUSH_MS
  readonly batchBytes = BATCH_BYTES
  private block: Block
  private end: number
  private lastLine: number
  /** on the clock of `performance` */
  private until = Number.POSITIVE_INFINITY

  constructor(
    private readonly store: () => ObjectStore,
    private readonly key: string,
    after: LogExtent,
  ) {
    this.end = after.bytes
    this.lastLine = after.lines
    this.block = emptyBlock(after.bytes)
  }

  async append(text: string, lines: number): Promise<void> {
    const content = Buffer.from(text)
    const end = this.end + content.length
    const lastLine = this.lastLine + lines
    const name = segmentName({ start: this.end, end, lastLine })
    if (this.end === 0) await this.clear()
    await this.patiently(() => this.store().put(`${this.key}/${name}`, content))
    this.end = end
    this.lastLine = lastLine
    const { block } = this
    block.names.push(name)
    block.contents.push(content)
    block.bytes += content.length
    if (block.bytes >= BLOCK_BYTES || block.names.length >= SMALL_SEGMENTS) await this.merge()
    if (block.bytes >= BLOCK_BYTES) this.block = emptyBlock(end)
  }

  ending(): void {
    this.until = performance.now() + PATIENCE_MS
  }

  async close(): Promise<void> {
    await this.merge()
  }

  /** Makes one object of the block's. What they hold is durable already, so a failure costs nothing but objects. */
  private async merge(): Promise<void> {
    const { block } = this
    if (block.names.length < 2) return
    const name = segmentName({ start: block.start, end: this.end, lastLine: this.lastLine })
    try {
      await this.store().put(`${this.key}/${name}`, Buffer.concat(block.contents))
      const merged = block.names
      block.names = [name, ...merged]
      await this.store().delete(merged.map((small) => `${this.key}/${small}`))
      block.names = [name]
    } catch (error) {
      if (!isSluiceError(error)) throw error
    }
  }

  /** Longer segments of another history would stand before ours. */
  private async clear(): Promise<void> {
    try {
      await this.patiently(() => this.store().deleteAll(this.key))
    } catch (error) {
      // who may not delete still has a log
      if (!isSluiceError(error)) throw error
    }
  }

  /** While the attempt lives it waits with its log, which holds so much and no more. */
  private async patiently(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        const passing = isSluiceError(error, 'UNREACHABLE') || isSluiceError(error, 'OBJECT_STORE_FAILED')
        if (!passing || performance.now() > this.until) throw error
        await pause(PAUSE_MS)
      }
    }
  }
}

class SegmentSource implements LogSource {
  private chain: Segment[] = []

  constructor(
    private readonly store: ObjectStore,
    private readonly key: string,
  ) {}

  async read(start: number, end: number): Promise<Buffer> {
    for (let looks = 0; ; looks++) {
      if (looks > 0 || this.at(start) === undefined) await this.look()
      const segment = this.at(start)
      if (segment === undefined) return Buffer.alloc(0)
      const to = Math.min(end, segment.end, start + READ_BYTES)
      try {
        const range = [start - segment.start, to - segment.start] as const
        return Buffer.from(await this.store.readRange(`${this.key}/${segmentName(segment)}`, ...range))
      } catch (error) {
        // merged meanwhile; what it held is in another one
        if (looks === MAX_LOOKS) throw error
      }
    }
  }

  async size(): Promise<number> {
    await this.look()
    return this.chain.at(-1)?.end ?? 0
  }

  async near(line: number): Promise<number> {
    // what has come since it was opened is found when the reading gets there
    if (this.chain.length === 0) await this.look()
    const last = this.chain.at(-1)
    return this.chain.find((segment) => segment.lastLine >= line)?.start ?? last?.end ?? 0
  }

  async close(): Promise<void> {}

  private at(position: number): Segment | undefined {
    return this.chain.find((segment) => segment.start <= position && position < segment.end)
  }

  private async look(): Promise<void> {
    this.chain = chainOf(await this.store.list(this.key))
  }
}

function emptyBlock(start: number): Block {
  return { start, names: [], contents: [], bytes: 0 }
}
