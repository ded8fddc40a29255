import { createHash } from 'node:crypto'
import type { VirtualTime } from './virtual-time.js'

/** Something that must never happen, found in a history. */
export class Violation extends Error {
  constructor(
    readonly invariant: string,
    message: string,
  ) {
    super(`${invariant}: ${message}`)
    this.name = 'Violation'
  }
}

/** A history has a thousand lines or two; one of so many never comes to rest. */
const LINES_MAX = 50_000

/** What happened, line by line. Two simulations are the same when their histories have the same hash. */
export class History {
  readonly lines: string[] = []
  readonly violations: Violation[] = []
  readonly #time: VirtualTime
  readonly #start: number

  constructor(time: VirtualTime) {
    this.#time = time
    this.#start = time.now
  }

  get now(): number {
    return this.#time.now
  }

  get isOverlong(): boolean {
    return this.lines.length >= LINES_MAX
  }

  record(who: string, what: string): void {
    this.lines.push(`${((this.#time.now - this.#start) / 1_000).toFixed(3)} ${who} ${what}`)
  }

  violated(invariant: string, message: string): void {
    this.record('check', `VIOLATED ${invariant}: ${message}`)
    this.violations.push(new Violation(invariant, message))
  }

  hash(): string {
    return createHash('sha256').update(this.lines.join('\n')).digest('hex')
  }
}
