import { LONGEST_TIMER_MS } from '../deadline.js'
import type { Instant } from '../json.js'

/** Time as the scheduler and the worker see it; the simulation brings its own. */
export interface Clock {
  now(): Instant
  /** calls back once at or after `at`; returns a function that forgets it */
  at(at: Instant, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  at(at, callback) {
    let timer: NodeJS.Timeout
    const arm = () => {
      const left = at - Date.now()
      timer = left > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(callback, Math.max(0, left))
    }
    arm()
    return () => clearTimeout(timer)
  },
}
