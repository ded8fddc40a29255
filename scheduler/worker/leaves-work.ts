import type { Json } from '../../json.js'
import type { Operator } from '../../operators/operator.js'

/** Whether there may be something to end: not for what an operator keeps as a handle that is no work outside. */
export function leavesWork(operator: Operator | undefined, handle: Json): boolean {
  return operator?.end !== undefined && operator.leaves?.(handle) !== false
}
