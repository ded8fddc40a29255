import { messageOf } from '../../errors.js'
import type { LogLevel } from '../../operators/operator.js'
import { MAX_LINE_BYTES } from '../../operators/process/log-lines.js'
import type { LogLine } from '../shapes.js'
import type { AttemptId, LogAppender, LogStore } from './log-store.js'
import { LogTail } from './log-tail.js'
import type { Masking } from './masking.js'

/** Above so many batches the writer asks its source to wait. */
const HIGH_WATER_BATCHES = 4
/** What the log of one attempt may hold; of what comes later only the end is kept. */
const MAX_LOG_BYTES = 50 * 1024 * 1024

export interface LogWriterOptions {
  store: LogStore
  attempt: AttemptId
  masking: Masking
  now(): number
  /** the number of lines that have become durable */
  onFlush?(lines: number): void
  maxBytes?: number
}

/**
 * Appends to the log of one attempt. Nothing is created until there is a line. A log that cannot be written stops neither
 * the attempt nor its output: `failure` says why it ends early.
 */
export class LogWriter {
  readonly #options: LogWriterOptions
  readonly #maxBytes: number
  readonly #held = new Map<LogLevel, string>()
  #waiting: string[] = []
  #waitingBytes = 0
  #lines = 0
  #bytes = 0
  #tail: LogTail | null = null
  readonly #appender: LogAppender
  #writing: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null
  #failure: string | null = null

  constructor(options: LogWriterOptions) {
    this.#options = options
    this.#appender = options.store.appender(options.attempt)
    this.#maxBytes = options.maxBytes ?? MAX_LOG_BYTES
  }

  /** lines said so far, those left out not counted */
  get lines(): number {
    return this.#lines
  }

  get bytes(): number {
    return this.#bytes
  }

  /** why the log ends before the attempt did; null while it is whole */
  get failure(): string | null {
    return this.#failure
  }

  /** Takes one message; each of its lines becomes one of the log. */
  write(level: LogLevel, message: string): void {
    const text = (this.#held.get(level) ?? '') + message
    this.#held.delete(level)
    // Programs' lines come in pieces of this size when they are longer, and a secret may lie across the cut: the end of
    // a piece waits for what follows it.
    const keep = this.#options.masking.longest - 1
    if (keep > 0 && Buffer.byteLength(message) > MAX_LINE_BYTES - 4) {
      const masked = this.#options.masking.text(text)
      const cut = Math.max(0, masked.length - keep)
      this.#held.set(level, masked.slice(cut))
      this.#say(level, masked.slice(0, cut))
    } else this.#say(level, this.#options.masking.text(text))
  }

  /** Resolves once the log can take more. */
  async drained(): Promise<void> {
    const most = HIGH_WATER_BATCHES * this.#appender.batchBytes
    while (this.#waitingBytes > most && this.#failure === null) await this.#flush()
  }

  /** Resolves once everything said is durable; the log takes nothing more. */
  async close(): Promise<void> {
    for (const [level, text] of this.#held) this.#say(level, text)
    this.#held.clear()
    if (this.#tail !== null) for (const line of this.#tail.lines()) this.#append(line.level, line.message)
    this.#tail = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#appender.ending()
    while (this.#waiting.length > 0 || this.#writing !== null) await this.#flush()
    await this.#appender.close()
  }

  #say(level: LogLevel, text: string): void {
    for (const line of text.split(/\r\n|\r|\n/)) {
      const message = shortened(line)
      if (this.#tail !== null) this.#tail.push(level, message)
      else if (this.#bytes < this.#maxBytes) this.#append(level, message)
      else {
        this.#append(
          'warn',
          `The log has reached ${this.#maxBytes.toLocaleString('en-US')} bytes: only its end follows.`,
        )
        this.#tail = new LogTail(level, message)
      }
    }
  }

  #append(level: LogLevel, message: string): void {
    this.#lines += 1
    const line: LogLine = { line: this.#lines, at: new Date(this.#options.now()).toISOString(), level, message }
    const text = `${JSON.stringify(line)}\n`
    this.#bytes += Buffer.byteLength(text)
    this.#waiting.push(text)
    this.#waitingBytes += text.length
    if (this.#waitingBytes >= this.#appender.batchBytes) void this.#flush()
    else this.#timer ??= setTimeout(() => void this.#flush(), this.#appender.flushMs)
  }

  /** One write at a time; whoever comes meanwhile waits for that one and asks again. */
  #flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  async #writeWaiting(): Promise<void> {
    const lines = this.#waiting
    this.#waiting = []
    if (lines.length === 0) return
    try {
      if (this.#failure === null) {
        await this.#appender.append(lines.join(''), lines.length)
        this.#options.onFlush?.(lines.length)
      }
    } catch (error) {
      this.#failure = messageOf(error)
    }
    this.#waitingBytes = this.#waiting.reduce((bytes, line) => bytes + line.length, 0)
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => void this.#flush(), this.#appender.flushMs)
  }
}

function shortened(line: string): string {
  // lines of programs have at most so many bytes already; a masked secret may add a little
  const limit = MAX_LINE_BYTES + 1024
  return line.length <= limit
    ? line
    : `${line.slice(0, MAX_LINE_BYTES)}… (${line.length - MAX_LINE_BYTES} more characters)`
}
