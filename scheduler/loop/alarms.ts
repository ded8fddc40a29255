import type { Instant } from '../../json.js'
import type { Clock } from '../clock.js'

/** No timer is armed for longer: a clock that is set, or a machine that has slept, is noticed by then. */
const LONGEST_MS = 5_000

/**
 * Named instants at which something is to be looked at; one timer stands for the earliest of them. Instants are those of
 * the wall clock, which people and daemons set: where it has gone back everything rings once, so that whoever wants to be
 * woken says anew when that is, and nothing waits until the clock has caught up.
 */
export class Alarms {
  readonly #clock: Clock
  readonly #ring: (name: string) => void
  readonly #due = new Map<string, Instant>()
  #armed: { at: Instant; forget: () => void } | null = null
  /** what the clock said last */
  #seen: Instant = Number.NEGATIVE_INFINITY
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

  /** What has been set by a clock that has gone back since is due now. */
  #now(): Instant {
    const now = this.#clock.now()
    if (now < this.#seen) for (const [name, at] of this.#due) this.#due.set(name, Math.min(at, now))
    this.#seen = now
    return now
  }

  #arm(instant: Instant): void {
    this.#armed?.forget()
    const at = Math.min(instant, this.#now() + LONGEST_MS)
    this.#armed = { at, forget: this.#clock.at(at, () => this.#fire()) }
  }

  #fire(): void {
    this.#armed = null
    const now = this.#now()
    const ringing = [...this.#due].filter(([, at]) => at <= now).map(([name]) => name)
    for (const name of ringing) this.#due.delete(name)
    for (const name of ringing) this.#ring(name)
    let next: Instant | null = null
    for (const at of this.#due.values()) next = Math.min(next ?? at, at)
    if (next !== null && this.#armed === null) this.#arm(next)
  }
}
