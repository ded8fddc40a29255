import type { AttemptOutcome } from '../../scheduler/core/model.js'
import type { Dag, Task } from '../../scheduler/dag/model.js'
import type { Prng } from './prng.js'

export type AttemptEnd = Pick<AttemptOutcome, 'result' | 'retryable'> &
  Partial<Pick<AttemptOutcome, 'reason' | 'outputs'>>

/** A task whose `when` does not hold is skipped before anything else; null for one that is to run. */
export function unwantedBy({ when }: Task, random: Prng): AttemptEnd | null {
  if (when === null || !random.chance(0.3)) return null
  return { result: 'skipped', retryable: true, reason: '`when` is false' }
}

/**
 * How a task ends whose work went well: a branch has chosen any of the tasks that need it, and outputs that are not as
 * declared are a failure that another try would not mend.
 */
export function endGiven(task: Task, dag: Dag, random: Prng): AttemptEnd {
  if (task.operator === 'branch') {
    const after = dag.tasks.filter(({ needs }) => needs.includes(task.id)).map(({ id }) => id)
    return { result: 'success', retryable: true, outputs: { follow: random.some(after, 0.5) } }
  }
  if (Object.keys(task.outputs).length === 0) return { result: 'success', retryable: true }
  if (random.chance(0.2)) {
    return { result: 'failed', retryable: false, reason: 'The outputs are without the declared rows.' }
  }
  return { result: 'success', retryable: true, outputs: { rows: random.int(0, 9) } }
}
