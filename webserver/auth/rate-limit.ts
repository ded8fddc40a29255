import type { Instant } from '../../json.js'

/** Names remembered at most; when there are more, the one that was recorded longest ago is forgotten. */
const NAMES_LIMIT = 10_000

/** Counts what must not happen too often within a window, by who does it: failed logins of an address, deliveries to a webhook. */
export class RateLimit {
  readonly #counts = new Map<string, { count: number; until: Instant }>()

  constructor(
    readonly limit: number,
    readonly windowMs = 60_000,
  ) {}

  /** Milliseconds until `who` may try again; 0 when it may now. */
  waitMs(who: string, now: Instant): number {
    const seen = this.#counts.get(who)
    return seen !== undefined && seen.until > now && seen.count >= this.limit ? seen.until - now : 0
  }

  record(who: string, now: Instant): void {
    const seen = this.#counts.get(who)
    this.#counts.delete(who)
    const alive = seen !== undefined && seen.until > now
    this.#counts.set(
      who,
      alive ? { count: seen.count + 1, until: seen.until } : { count: 1, until: now + this.windowMs },
    )
    const oldest = this.#counts.keys().next()
    if (this.#counts.size > NAMES_LIMIT && !oldest.done) this.#counts.delete(oldest.value)
  }
}
