import type { Instant } from '../../json.js'
import type { Ports } from './ports.js'

/**
 * Unheard of for so long the store may have been away for everybody: three sweeps, and less than what is left of a lease when its
 * worker has just missed a heartbeat.
 */
const AWAY_MS = 15_000
/** As long as a worker waits for an answer that will not come (postgres-bounds.ts), and then asks again. Shorter than a lease. */
export const GRACE_MS = 20_000
/** Looks during the grace come so often that they do not take one another for an outage. */
const AGAIN_MS = 5_000

/**
 * Ends the attempts whose leases have ended (`ClaimStore.reapExpired`). A lease that could not be kept because the store was away tells
 * nothing of its worker, which may have an outcome to report. So whoever has not heard of the store for a while, as one that has just
 * started, gives all others some time to be heard before it reaps (ADR 59).
 */
export class Reaper {
  readonly #ports: Pick<Ports, 'store' | 'clock'>
  #heardAt: Instant = Number.NEGATIVE_INFINITY
  #reapsFrom: Instant = Number.NEGATIVE_INFINITY

  constructor(ports: Pick<Ports, 'store' | 'clock'>) {
    this.#ports = ports
  }

  /** @returns runs that have lost an attempt, and when to look again; null for when there are other leases */
  async look(): Promise<{ runs: string[]; next: Instant | null }> {
    const { store, clock } = this.#ports
    const now = clock.now()
    const wasAway = now - this.#heardAt > AWAY_MS || now < this.#heardAt
    const reaps = !wasAway && now >= this.#reapsFrom
    const runs = reaps ? await store.reapExpired(now) : []
    const leaseEnd = await store.nextLeaseEnd()
    this.#heardAt = clock.now()
    if (wasAway) this.#reapsFrom = this.#heardAt + GRACE_MS
    if (!reaps) return { runs, next: Math.min(this.#heardAt + AGAIN_MS, this.#reapsFrom) }
    // a lease is over once its end has passed
    return { runs, next: leaseEnd === null ? null : leaseEnd + 1 }
  }
}
