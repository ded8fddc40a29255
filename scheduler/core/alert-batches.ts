import type { Instant } from '../../json.js'

/** Alerts for one destination that no message carries yet. */
export interface WaitingDestination {
  destination: string
  /** since when the oldest of them waits */
  since: Instant
  /** when the newest of them was raised */
  newest: Instant
  /** a message to it is still to be sent */
  isOpen: boolean
  /** the newest messages to it, the newest first, at most STORM_ALERTS: how many alerts each carried, and when it was made */
  lately: readonly { alerts: number; at: Instant }[]
}

/** How alerts are put together. */
export interface DigestRules {
  /** alerts raised within this of the first go out with it, in ms */
  windowMs: number
}

/** While more keep coming within this of each other, or within the window where that is shorter, they are waited for. */
const QUIET_MS = 2_000
/** But the first of them waits no longer than this. */
const LONGEST_WINDOW_MS = 30_000

/** So many alerts to the same people within two minutes are a storm, and the next message waits longer. */
export const STORM_ALERTS = 10
const STORM_SEEN_MS = 120_000
/** Between two messages of one storm. */
export const STORM_MS = 60_000

/**
 * Retries come soon at first, and never further apart than this: an outage that ends is noticed within 20 seconds, with
 * some left for the sending.
 */
const LONGEST_RETRY_MS = 15_000

/**
 * Which destinations get their next message now: once the first of their alerts has waited for the window and no more come
 * (raising 14,000 takes a while), in a storm a minute after the last one. While a message is under way, what comes meanwhile
 * waits for the next one, so that an outage of the mail server leaves two mails behind, not hundreds. Alerts with other
 * destinations never share a message, so nobody learns who else is told of what.
 * @returns the destinations, and the instant of the next look; null when nothing waits but for a message under way
 */
export function dueDestinations(
  waiting: readonly WaitingDestination[],
  now: Instant,
  rules: DigestRules,
): { due: string[]; next: Instant | null } {
  const due: string[] = []
  let next: Instant | null = null
  for (const one of waiting) {
    if (one.isOpen) continue
    const at = dueAt(one, rules)
    if (at <= now) due.push(one.destination)
    else next = Math.min(next ?? at, at)
  }
  return { due, next }
}

function dueAt({ since, newest, lately }: WaitingDestination, { windowMs }: DigestRules): Instant {
  const quiet = Math.min(newest + Math.min(windowMs, QUIET_MS), since + LONGEST_WINDOW_MS)
  const first = Math.max(since + windowMs, quiet)
  const [last] = lately
  return last !== undefined && isStorm(lately, last.at) ? Math.max(first, last.at + STORM_MS) : first
}

/** Many at once, or one after the other: nobody reads more than a mail a minute. */
function isStorm(lately: WaitingDestination['lately'], last: Instant): boolean {
  const seen = lately.filter(({ at }) => at > last - STORM_SEEN_MS)
  return seen.reduce((sum, { alerts }) => sum + alerts, 0) >= STORM_ALERTS
}

/**
 * How long to wait before sending again: 1, 2, 4, 8 seconds, then every 15.
 * @param failures sendings that failed so far, at least 1
 */
export function retryDelayMs(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, 1_000 * 2 ** (failures - 1))
}

/** A message that could not be sent for so long is given up; a person may send it again. */
export const GIVE_UP_MS = 3 * 86_400_000
