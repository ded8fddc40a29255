import type { Instant } from '../../json.js'
import type { Clock } from '../clock.js'

/** Named instants at which something is to be looked at; one timer stands for the earliest of them. */
export class Alarms {
  readonly #clock: Clock
  readonly #ring: (name: string) => void
  readonly #due = new Map<string, Instant>()
  #armed: { at: Instant; forget: () => void } | null = null
  #stopped = false

  constructor(clock: Clock, ring: (name: string) => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** sets or moves an alarm; null takes it away */
  set(name: string, at: Instant | null): void {
    if (this.#stopped) return
    if (at === null) {
      // a timer that finds nothing due arms itself anew, so it may stay
      this.#due.delete(name)
      return
    }
    this.#due.set(name, at)
    if (this.#armed === null || at < this.#armed.at) this.#arm(at)
  }

  stop(): void {
    this.#stopped = true
    this.#due.clear()
    this.#armed?.forget()
    this.#armed = null
  }

  #arm(at: Instant): void {
    this.#armed?.forget()
    this.#armed = { at, forget: this.#clock.at(at, () => this.#fire()) }
  }

  #fire(): void {
    this.#armed = null
    const now = this.#clock.now()
    const ringing = [...this.#due].filter(([, at]) => at <= now).map(([name]) => name)
    for (const name of ringing) this.#due.delete(name)
    for (const name of ringing) this.#ring(name)
    let next: Instant | null = null
    for (const at of this.#due.values()) next = Math.min(next ?? at, at)
    if (next !== null && this.#armed === null) this.#arm(next)
  }
}
