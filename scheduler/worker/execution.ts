import type { Instant } from '../../json.js'
import type { AttemptOutcome } from '../core/model.js'
import type { AttemptFacts, ClaimedTask, ClaimRef } from '../store/store.js'
import type { SlotOutcome, StopCode } from './protocol.js'
import type { SlotProcess } from './slot-process.js'

/** Why and how an attempt is being stopped. */
export interface Stop {
  /** what its operator is told */
  code: StopCode
  message: string
  /** what is recorded; null records nothing, because the claim is somebody else's */
  result: 'cancelled' | 'timed_out' | 'stopped' | null
}

export const NO_FACTS: AttemptFacts = {
  rendered: null,
  logLines: 0,
  logBytes: 0,
  reads: [],
  writes: [],
  checks: [],
  metrics: {},
}

/** One claimed attempt on the supervisor's side, from its claim until its outcome is handed to the reporter. */
export class Execution {
  readonly claim: ClaimedTask
  readonly #startedAt: Instant
  slot: SlotProcess | null = null
  stop: Stop | null = null
  leaseUntil: Instant
  readonly #timers = new Set<() => void>()

  /** @param now when the claim was in hand: a claim waits for its turn, and is dated before that */
  constructor(claim: ClaimedTask, now: Instant) {
    this.claim = claim
    // the clock of the machine that queued it may be a little ahead
    this.#startedAt = Math.max(now, claim.claimedAt)
    this.leaseUntil = claim.leaseUntil
  }

  get ref(): ClaimRef {
    const { runId, taskId, attempt, claimToken } = this.claim
    return { runId, taskId, attempt, claimToken }
  }

  /** keeps what forgets a timer, until the attempt has ended */
  armed(forget: () => void): void {
    this.#timers.add(forget)
  }

  ended(): void {
    for (const forget of this.#timers) forget()
    this.#timers.clear()
  }

  /**
   * The outcome to record. An attempt that ended because it was told to ends as the stop says; one that finished all the
   * same keeps its own end. Null when nothing may be recorded.
   */
  outcome(end: SlotOutcome, endedAt: Instant): AttemptOutcome | null {
    const { taskId, attempt } = this.claim
    const told = this.stop
    const startedAt = this.#startedAt
    const own = { ...end, taskId, attempt, startedAt, endedAt: Math.max(endedAt, startedAt) }
    if (told === null) return own
    if (told.result === null) return null
    const obeyed = end.result === 'cancelled' || end.result === 'timed_out' || end.result === 'lost'
    return obeyed ? { ...own, result: told.result, reason: told.message, retryable: true } : own
  }
}
