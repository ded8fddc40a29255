import type { Instant } from '../../json.js'
import { newTaskRun } from './draft.js'
import { declaredId, isItem, itemId } from './items.js'
import type { Decision, Expansion, RunSnapshot, TaskRun } from './model.js'

/**
 * The snapshot after a decision: what a store makes of it, in memory. The scheduler goes on from here without reading
 * the run again.
 */
export function applied(snapshot: RunSnapshot, decision: Decision, now: Instant): RunSnapshot {
  const changes = new Map(decision.tasks.map((change) => [change.taskId, change]))
  const settled = new Set(decision.settled.map(({ taskId, attempt }) => `${taskId}/${attempt}`))
  return {
    dag: snapshot.dag,
    past: snapshot.past,
    aside: withoutExpanded(snapshot.aside, decision.expand),
    run: { ...snapshot.run, ...decision.run, revision: snapshot.run.revision + 1 },
    tasks: withItems(snapshot.tasks, decision.expand, now).map((task): TaskRun => {
      const change = changes.get(task.taskId)
      if (change === undefined) return task
      return { ...task, ...change.set, since: change.set.state === task.state ? task.since : now }
    }),
    outcomes: snapshot.outcomes.filter(({ taskId, attempt }) => !settled.has(`${taskId}/${attempt}`)),
  }
}

function withoutExpanded(aside: RunSnapshot['aside'], expansions: readonly Expansion[]): RunSnapshot['aside'] {
  if (expansions.length === 0) return aside
  const made = new Set(expansions.map(({ taskId }) => taskId))
  return Object.fromEntries(Object.entries(aside).filter(([taskId]) => !made.has(taskId)))
}

function withItems(tasks: TaskRun[], expansions: readonly Expansion[], now: Instant): TaskRun[] {
  if (expansions.length === 0) return tasks
  const expanded = new Set(expansions.map(({ taskId }) => taskId))
  const known = new Map(tasks.map((task) => [task.taskId, task]))
  const others = tasks.filter(({ taskId }) => !isItem(taskId) || !expanded.has(declaredId(taskId)))
  const items = expansions.flatMap(({ taskId, items: made }) =>
    made.map(({ state, generation, reason }, index) => {
      const id = itemId(taskId, index)
      return { ...newTaskRun(id, now), attempt: known.get(id)?.attempt ?? 0, state, generation, reason }
    }),
  )
  return [...others, ...items]
}
