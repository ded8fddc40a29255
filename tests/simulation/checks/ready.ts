import type { TaskState } from '../../../scheduler/core/model.js'
import type { Task } from '../../../scheduler/dag/model.js'
import { isDone, mayRun } from '../../scheduler/core/trigger-rule-oracle.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'
import type { Mirror, MirroredRun } from './mirror.js'

/**
 * What is ready waits for no message: whatever was lost on the way, and whoever was killed, each look of a sweep finds every run
 * that has a task which may start, or whose fate is sealed. So it waits for the next sweep at most.
 */
export class ReadyCheck {
  readonly #history: History
  readonly #mirror: Mirror

  constructor(history: History, mirror: Mirror) {
    this.#history = history
    this.#mirror = mirror
  }

  /** after the mirror has seen the call */
  observe(call: StoreCall): void {
    if (call.method !== 'runsToSettle' || call.result.length >= call.args[1]) return
    const found = new Set(call.result)
    for (const [runId, run] of this.#mirror.runs) {
      if (run.state !== 'running' || found.has(runId)) continue
      const ready = run.dag.tasks.filter((task) => run.tasks.get(task.id)?.state === 'none' && this.#isReady(run, task))
      if (ready.length === 0) continue
      const which = ready.map(({ id }) => id).join(', ')
      this.#history.violated('what is ready is found', `${runId} was not found by a sweep, although ${which} may go on`)
    }
  }

  #isReady(run: MirroredRun, task: Task): boolean {
    if (hasItemsAtWork(run, task)) return false
    const upstream = task.needs.flatMap((need) => run.tasks.get(need)?.state ?? [])
    if (!mayRun(task.triggerRule, upstream)) return upstream.every(isDone)
    return !task.dependsOnPast || this.#pastAllows(run, task)
  }

  #pastAllows(run: MirroredRun, task: Task): boolean {
    if (run.kind === 'manual') return true
    const before = [...this.#mirror.runs.values()]
      .filter(({ stream, dueAt }) => stream === run.stream && dueAt < run.dueAt)
      .reduce<MirroredRun | null>((last, one) => (last === null || one.dueAt > last.dueAt ? one : last), null)
    const then: TaskState | undefined = before?.tasks.get(task.id)?.state
    return before?.state === 'queued' || then === undefined || then === 'success' || then === 'skipped'
  }
}

/** Items of an earlier generation are stopped before a task makes its items anew. */
function hasItemsAtWork({ tasks }: MirroredRun, { id }: Task): boolean {
  return [...tasks].some(([item, { state }]) => item.startsWith(`${id}.`) && state !== 'none' && !isDone(state))
}
