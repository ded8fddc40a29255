import type { LogLevel } from '../../operators/operator.js'

const MAX_LINES = 200
const MAX_CHARACTERS = 256 * 1024

interface Said {
  level: LogLevel
  message: string
}

/** The last lines of a log that has grown too long: what went wrong usually stands at the end. */
export class LogTail {
  readonly #lines: Said[] = []
  #characters = 0
  #left = 0

  constructor(level: LogLevel, message: string) {
    this.push(level, message)
  }

  push(level: LogLevel, message: string): void {
    this.#lines.push({ level, message })
    this.#characters += message.length
    while (this.#lines.length > 1 && (this.#lines.length > MAX_LINES || this.#characters > MAX_CHARACTERS)) {
      this.#characters -= this.#lines.shift()?.message.length ?? 0
      this.#left += 1
    }
  }

  /** The kept lines, after one that counts those left out. */
  lines(): Said[] {
    if (this.#left === 0) return this.#lines
    const message = `${this.#left.toLocaleString('en-US')} lines are left out here.`
    return [{ level: 'warn', message }, ...this.#lines]
  }
}
