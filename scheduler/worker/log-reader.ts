import type { Events } from '../events.js'
import type { LogLine } from '../shapes.js'
import type { AttemptId, LogSource, LogStore } from './log-store.js'

const CHUNK_BYTES = 64 * 1024
/** Announcements wake a follower; where they do not come (another process writes) it looks this often. */
const POLL_MS = 500
const LF = 0x0a

/** Reads the logs of attempts, also while they are written, perhaps by another machine. */
export class AttemptLogs {
  readonly #store: LogStore
  readonly #events: Events

  constructor(store: LogStore, events: Events) {
    this.#store = store
    this.#events = events
  }

  /**
   * Lines in order, as far as they are durable; an attempt without a log has none. A line that was torn by a crash is
   * left out.
   * @param options.from first line, counted from 1
   * @param options.limit at most so many lines
   */
  async *read(attempt: AttemptId, options: { from: number; limit?: number }): AsyncGenerator<LogLine> {
    const source = await this.#store.open(attempt)
    if (source === null) return
    try {
      yield* new LineScan(source).lines(options.from, options.limit ?? Number.POSITIVE_INFINITY)
    } finally {
      await source.close()
    }
  }

  /** The last `count` durable lines, in order. */
  async tail(attempt: AttemptId, count: number): Promise<LogLine[]> {
    const source = await this.#store.open(attempt)
    if (source === null) return []
    try {
      return await lastLines(source, count)
    } finally {
      await source.close()
    }
  }

  /**
   * Lines from `from` on and then each new one, until the attempt has ended or the signal is aborted.
   * @param options.ended asked when nothing is left to read: true once the attempt writes no more
   */
  async *follow(
    attempt: AttemptId,
    options: { from: number; ended(): Promise<boolean>; signal: AbortSignal },
  ): AsyncGenerator<LogLine> {
    const bell = new Bell(this.#events, attempt, options.signal)
    let next = options.from
    let scan: LineScan | null = null
    try {
      for (let last = false; !options.signal.aborted; ) {
        const source = scan === null ? await this.#store.open(attempt) : null
        if (source !== null) scan = new LineScan(source)
        for await (const line of scan?.lines(next, Number.POSITIVE_INFINITY) ?? []) {
          next = line.line + 1
          yield line
          if (options.signal.aborted) return
        }
        if (last) return
        // what was written before the attempt ended is read in one more round
        last = await options.ended()
        if (!last) await bell.rung()
      }
    } finally {
      bell.close()
      await scan?.close()
    }
  }
}

/** Reads a growing log forward, from where the last reading stopped. */
class LineScan {
  readonly #source: LogSource
  #position: number | null = null
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: LogSource) {
    this.#source = source
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  async *lines(from: number, limit: number): AsyncGenerator<LogLine> {
    let left = limit
    this.#position ??= await this.#source.near(from)
    while (left > 0) {
      const chunk = await this.#source.read(this.#position, Number.POSITIVE_INFINITY)
      if (chunk.length === 0) return
      this.#position += chunk.length
      const data = Buffer.concat([this.#rest, chunk])
      let start = 0
      for (let end = data.indexOf(LF); end !== -1; end = data.indexOf(LF, start)) {
        const line = parsed(data.subarray(start, end))
        start = end + 1
        if (line === null || line.line < from || left <= 0) continue
        left -= 1
        yield line
      }
      this.#rest = Buffer.from(data.subarray(start))
    }
  }
}

async function lastLines(source: LogSource, count: number): Promise<LogLine[]> {
  let position = await source.size()
  let data: Buffer = Buffer.alloc(0)
  let newlines = 0
  while (position > 0 && newlines <= count) {
    const start = Math.max(0, position - CHUNK_BYTES)
    const chunk = await readWhole(source, start, position)
    position = start
    for (const byte of chunk) if (byte === LF) newlines += 1
    data = Buffer.concat([chunk, data])
  }
  // the first piece may be the end of a line that began before
  const start = position === 0 ? 0 : data.indexOf(LF) + 1
  const text = data.subarray(start, data.lastIndexOf(LF) + 1).toString('utf8')
  const lines = text.split('\n').flatMap((line) => parsed(Buffer.from(line)) ?? [])
  return count === 0 ? [] : lines.slice(-count)
}

/** null for what is no line: torn by a crash, or not written by Sluice */
function parsed(bytes: Buffer): LogLine | null {
  if (bytes.length === 0) return null
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return isLogLine(value) ? value : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function isLogLine(value: unknown): value is LogLine {
  return typeof value === 'object' && value !== null && 'line' in value && typeof value.line === 'number'
}

async function readWhole(source: LogSource, start: number, end: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let position = start; position < end; ) {
    const chunk = await source.read(position, end)
    if (chunk.length === 0) break
    chunks.push(chunk)
    position += chunk.length
  }
  return Buffer.concat(chunks)
}

/** Rings when the attempt has said something, when the reader gives up, and every now and then. */
class Bell {
  readonly #end: () => void
  readonly #signal: AbortSignal
  #ring: () => void = () => undefined
  #pending = false

  constructor(events: Events, attempt: AttemptId, signal: AbortSignal) {
    this.#signal = signal
    const ring = () => {
      this.#pending = true
      this.#ring()
    }
    const unsubscribe = events.subscribe((event) => {
      if (
        (event.kind === 'log' || event.kind === 'task') &&
        event.runId === attempt.runId &&
        event.taskId === attempt.taskId
      )
        ring()
    })
    signal.addEventListener('abort', ring)
    this.#end = () => {
      unsubscribe()
      signal.removeEventListener('abort', ring)
    }
  }

  /** resolves at the next ring, at once when there was one since the last call */
  async rung(): Promise<void> {
    if (!this.#pending && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS)
        this.#ring = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#ring = () => undefined
    this.#pending = false
  }

  close(): void {
    this.#end()
  }
}
