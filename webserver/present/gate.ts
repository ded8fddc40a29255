import type { Task } from '../../scheduler/dag/model.js'

/** What the mark of a task without a gate says when it is pointed at. */
const NOT_GATED = 'One statement as it is: nothing is staged or checked, and a further try runs it again.'

/** The mark of a task whose statement takes effect without a gate; null for all others. */
export function gateMark(spec: Task | null | undefined): { label: string; title: string } | null {
  if (spec?.operator !== 'sql' || spec.config.statement === undefined) return null
  return { label: 'not gated', title: NOT_GATED }
}
