import type { Instant } from '../../json.js'

/** Addresses remembered at most; when there are more, the one that failed longest ago is forgotten. */
const ADDRESS_LIMIT = 10_000

/** Counts failed logins per address within a window, so that nobody can try links at leisure. */
export class FailedLogins {
  readonly #failures = new Map<string, { count: number; until: Instant }>()

  constructor(
    readonly limit = 10,
    readonly windowMs = 60_000,
  ) {}

  /** Milliseconds until the address may try again; 0 when it may now. */
  waitMs(address: string, now: Instant): number {
    const seen = this.#failures.get(address)
    return seen !== undefined && seen.until > now && seen.count >= this.limit ? seen.until - now : 0
  }

  record(address: string, now: Instant): void {
    const seen = this.#failures.get(address)
    this.#failures.delete(address)
    const alive = seen !== undefined && seen.until > now
    this.#failures.set(
      address,
      alive ? { count: seen.count + 1, until: seen.until } : { count: 1, until: now + this.windowMs },
    )
    const oldest = this.#failures.keys().next()
    if (this.#failures.size > ADDRESS_LIMIT && !oldest.done) this.#failures.delete(oldest.value)
  }
}
