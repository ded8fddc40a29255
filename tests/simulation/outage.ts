import type { Instant } from '../../json.js'
import type { Prng } from './prng.js'

/** A time in which nobody reaches the store, longer than a lease. */
export interface Outage {
  from: Instant
  until: Instant
}

/** In every third seed. @param start of the storm */
export function anyOutage(random: Prng, start: Instant): Outage | null {
  if (!random.chance(0.33)) return null
  const from = start + random.int(20_000, 150_000)
  return { from, until: from + random.int(32_000, 70_000) }
}

/** Whether nobody reaches the store at `now`. */
export function isAway(outage: Outage | null, now: Instant): boolean {
  return outage !== null && now >= outage.from && now < outage.until
}
