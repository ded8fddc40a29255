import { declaredId, isItem, itemIndex, NOTHING_ASIDE } from './items.js'
import type { ItemsAside, RunSnapshot, TaskRun } from './model.js'
import { isFailure, isFinal } from './states.js'

/**
 * A task may have ten thousand items, and each of their outcomes is a decision. What a decision needs of items that have
 * ended, or whose turn is far off, is their number: so a snapshot may set them aside. The few decisions that need each of
 * them (the end of the task, a clear, a cancel) are taken from a whole snapshot.
 */

/**
 * The snapshot with fewer rows: of a task with many items only those at work, and the first that wait for their turn.
 * @param shown how many waiting items stay; tasks with up to twice as many items in all are left as they are
 */
export function withAside(snapshot: RunSnapshot, shown: number): RunSnapshot {
  if (snapshot.tasks.length <= 2 * shown) return snapshot
  const items = new Map<string, TaskRun[]>()
  for (const task of snapshot.tasks) {
    if (!isItem(task.taskId)) continue
    const group = declaredId(task.taskId)
    const rows = items.get(group)
    if (rows === undefined) items.set(group, [task])
    else rows.push(task)
  }
  const aside: Record<string, ItemsAside> = { ...snapshot.aside }
  const gone = new Set<string>()
  for (const [group, rows] of items) {
    if (rows.length <= 2 * shown) continue
    const ended = rows.filter(({ state }) => isFinal(state))
    const waiting = rows
      .filter(({ state }) => state === 'none')
      .sort((a, b) => itemIndex(a.taskId) - itemIndex(b.taskId))
      .slice(shown)
    for (const { taskId } of [...ended, ...waiting]) gone.add(taskId)
    const before = aside[group] ?? NOTHING_ASIDE
    aside[group] = {
      ended: before.ended + ended.length,
      failed: before.failed + ended.filter(({ state }) => isFailure(state)).length,
      waiting: before.waiting + waiting.length,
    }
  }
  if (gone.size === 0) return snapshot
  return { ...snapshot, aside, tasks: snapshot.tasks.filter(({ taskId }) => !gone.has(taskId)) }
}
