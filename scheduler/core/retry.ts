import type { Task } from '../dag/model.js'

/** A number in `[0, 1)`; passed in so that the same seed gives the same decisions. */
export type Random = () => number

/** The delay is spread over `[1 - JITTER, 1]` of its length, so that tasks which failed together do not come back together. */
const JITTER = 0.2

/**
 * How long a task waits before its next attempt, in milliseconds: `retry_delay`, grown by `backoff` with every try and
 * capped at `max_delay`, then shortened by up to a fifth at random.
 * @param tries attempts used so far, at least 1
 */
export function retryDelayMs(
  task: Pick<Task, 'retryDelayMs' | 'backoff' | 'maxDelayMs'>,
  tries: number,
  random: Random,
): number {
  if (task.retryDelayMs === 0) return 0
  // a huge power is Infinity, which the cap turns back into a number
  const grown = Math.min(task.retryDelayMs * task.backoff ** Math.max(0, tries - 1), task.maxDelayMs)
  return Math.round(grown * (1 - JITTER * random()))
}
