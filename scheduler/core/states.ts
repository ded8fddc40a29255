import type { RunState, TaskState } from './model.js'

/** Nothing happens to a task in one of these unless someone clears or marks it. */
export function isFinal(state: TaskState): boolean {
  return (
    state === 'success' ||
    state === 'failed' ||
    state === 'skipped' ||
    state === 'upstream_failed' ||
    state === 'cancelled'
  )
}

/** The final states of runs: none leaves one by itself, only when its tasks are cleared or marked by hand. */
export function isFinalRun(state: RunState): boolean {
  return state === 'success' || state === 'failed' || state === 'cancelled'
}

/** The final states that make a leaf fail its run. */
export function isFailure(state: TaskState): boolean {
  return state === 'failed' || state === 'upstream_failed' || state === 'cancelled'
}
