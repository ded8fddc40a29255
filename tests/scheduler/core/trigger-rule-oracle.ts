import type { TaskState } from '../../../scheduler/core/model.js'
import type { TriggerRule } from '../../../scheduler/dag/model.js'

const FAILED: readonly TaskState[] = ['failed', 'upstream_failed', 'cancelled']
const DONE: readonly TaskState[] = ['success', 'skipped', ...FAILED]

/** What each rule asks for, said once more and otherwise than in the core, so that tests compare two sayings. */
export function mayRun(rule: TriggerRule, upstream: readonly TaskState[]): boolean {
  const every = (states: readonly TaskState[]) => upstream.every((state) => states.includes(state))
  const some = (states: readonly TaskState[]) => upstream.some((state) => states.includes(state))
  if (upstream.length === 0) return true
  switch (rule) {
    case 'all_success':
      return every(['success'])
    case 'all_failed':
      return every(FAILED)
    case 'all_done':
      return every(DONE)
    case 'one_success':
      return some(['success'])
    case 'one_failed':
      return some(FAILED)
    case 'none_failed':
      return every(['success', 'skipped'])
    case 'none_failed_min_one_success':
      return every(['success', 'skipped']) && some(['success'])
    case 'none_skipped':
      return every(['success', ...FAILED])
    case 'always':
      return true
  }
}

export function isDone(state: TaskState): boolean {
  return DONE.includes(state)
}

export function isFailed(state: TaskState): boolean {
  return FAILED.includes(state)
}
