import type { Instant } from '../../json.js'
import type { Dag, Sla } from '../dag/model.js'
import type { RunOrigin } from './new-run.js'
import { slaDeadline, type ZoneClock } from './sla.js'

/** Early warnings begin when the run has had a moment to start; the deadline itself waits for nothing. */
const FIRST_LOOK_MS = 10_000

/**
 * The SLAs of a run that is being made. Its type is the store's `NewSla`. Runs of backfills have none, as their deadlines
 * have long passed; a run limited to some tasks has those of these tasks alone.
 */
export function newSlas(
  dag: Dag,
  { kind, dueAt, onlyTasks }: Pick<RunOrigin, 'kind' | 'dueAt' | 'onlyTasks'>,
  zone: ZoneClock,
  now: Instant,
) {
  if (kind === 'backfill') return []
  const newSla = (taskId: string | null) => (sla: Sla) => {
    // what the project says of those that do not say is asked when they are looked at
    const warns = sla.earlyWarning !== 'off'
    const deadlineAt = slaDeadline(sla.rule, { dueAt, startedAt: null }, zone)
    const lookAt = deadlineAt === null || !warns ? deadlineAt : Math.min(deadlineAt, now + FIRST_LOOK_MS)
    return { taskId, sla: sla.name, warns, deadlineAt, lookAt }
  }
  const tasks = dag.tasks.filter(({ id }) => onlyTasks === null || onlyTasks.includes(id))
  return [
    ...(onlyTasks === null ? dag.slas.map(newSla(null)) : []),
    ...tasks.flatMap(({ id, slas }) => slas.map(newSla(id))),
  ]
}
