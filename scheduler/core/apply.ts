import type { Instant } from '../../json.js'
import type { Decision, RunSnapshot, TaskRun } from './model.js'

/**
 * The snapshot after a decision: what a store makes of it, in memory. The scheduler goes on from here without reading
 * the run again.
 */
export function applied(snapshot: RunSnapshot, decision: Decision, now: Instant): RunSnapshot {
  const changes = new Map(decision.tasks.map((change) => [change.taskId, change]))
  const settled = new Set(decision.settled.map(({ taskId, attempt }) => `${taskId}/${attempt}`))
  return {
    dag: snapshot.dag,
    run: { ...snapshot.run, ...decision.run, revision: snapshot.run.revision + 1 },
    tasks: snapshot.tasks.map((task): TaskRun => {
      const change = changes.get(task.taskId)
      if (change === undefined) return task
      return { ...task, ...change.set, since: change.set.state === task.state ? task.since : now }
    }),
    outcomes: snapshot.outcomes.filter(({ taskId, attempt }) => !settled.has(`${taskId}/${attempt}`)),
  }
}
