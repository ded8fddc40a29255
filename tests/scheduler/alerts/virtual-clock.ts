import type { Instant } from '../../../json.js'
import type { Clock } from '../../../scheduler/clock.js'

/** Time that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #now: Instant
  #timers: { at: Instant; callback: () => void }[] = []

  constructor(now: Instant) {
    this.#now = now
  }

  now(): Instant {
    return this.#now
  }

  at(at: Instant, callback: () => void): () => void {
    const timer = { at, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  /** Rings every timer up to `until` in its order, and lets what it began come to rest before the next. */
  async runUntil(until: Instant, rest: () => Promise<void>): Promise<void> {
    await rest()
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((one) => one !== next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
      await rest()
    }
    this.#now = until
  }
}
