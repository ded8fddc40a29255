import { declaredId } from '../../../scheduler/core/items.js'
import type { LeftWorkStore } from '../../../scheduler/store/left-work-store.js'
import type { AttemptRow, Tables, TaskRow } from './tables.js'

export function leftWorkStore(tables: Tables): LeftWorkStore {
  return {
    async dueLeftWork(queues, { now, leaseMs, limit }) {
      const due = [...tables.leftWork.values()]
        .filter(({ queue, nextTryAt }) => queues.includes(queue) && nextTryAt <= now)
        .sort((a, b) => a.nextTryAt - b.nextTryAt)
      return due.slice(0, limit).map((row) => {
        row.nextTryAt = now + leaseMs
        return { ...row.work }
      })
    },
    async leftBefore({ runId, taskId, generation }, { now, leaseMs }) {
      const before = [...tables.leftWork.values()].filter(
        ({ work }) =>
          work.runId === runId && declaredId(work.taskId) === declaredId(taskId) && work.generation < generation,
      )
      return before.map((row) => {
        row.nextTryAt = now + leaseMs
        return { ...row.work }
      })
    },
    async settleLeftWork(ends) {
      for (const { retryAt, ...key } of ends) {
        const row = tables.leftWork.get(keyOf(key))
        if (retryAt === null) tables.leftWork.delete(keyOf(key))
        else if (row !== undefined) Object.assign(row, { nextTryAt: retryAt, work: oneMoreFailure(row.work) })
      }
    },
  }
}

/** No attempt will be given the handle of this task any more. */
export function keepLeftWork(tables: Tables, row: TaskRow, now: number): void {
  const version = tables.runs.get(row.runId)?.run.version
  const { runId, dagId, queue, handle } = row
  const { taskId } = row.task
  const claimed = lastClaimed(tables, row)
  if (handle === null || version === undefined || claimed === undefined) return
  const { attempt, generation } = claimed
  const work = { runId, taskId, attempt, generation, dagId, version, handle, failures: 0 }
  tables.leftWork.set(keyOf(work), { work, queue, nextTryAt: now })
}

/** Not the attempt that the task counts: one that waits for a worker has none yet. */
function lastClaimed(tables: Tables, { runId, task: { taskId, attempt } }: TaskRow): AttemptRow | undefined {
  if (!tables.guards('left_while_queued')) return tables.attempt(runId, taskId, attempt)
  let last: AttemptRow | undefined
  for (const claimed of tables.attempts.get(runId)?.values() ?? []) {
    if (claimed.taskId === taskId && claimed.attempt > (last?.attempt ?? 0)) last = claimed
  }
  return last
}

function oneMoreFailure<Work extends { failures: number }>(work: Work): Work {
  return { ...work, failures: work.failures + 1 }
}

function keyOf({ runId, taskId, attempt }: { runId: string; taskId: string; attempt: number }): string {
  return `${runId}/${taskId}/${attempt}`
}
