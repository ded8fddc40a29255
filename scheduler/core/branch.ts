import type { Task } from '../dag/model.js'
import { declaredOf } from './declared.js'
import type { RunDraft } from './draft.js'

/**
 * What the branches of a run leave out. A task is left out when it needs a branch that has succeeded and follows others
 * only, as in Airflow: unless a followed task leads to it as well, which makes it the place where the ways meet again.
 */
export class Branches {
  readonly #draft: RunDraft
  readonly #branches: ReadonlyMap<string, Task>
  readonly #reached = new Map<string, ReadonlySet<string>>()

  constructor(draft: RunDraft) {
    this.#draft = draft
    this.#branches = declaredOf(draft.dag).branches
  }

  /** the branch that leaves the task out; null for none */
  leavingOut(task: Task): string | null {
    if (this.#branches.size === 0) return null
    return task.needs.find((need) => this.#branches.has(need) && this.#leavesOut(need, task.id)) ?? null
  }

  #leavesOut(branch: string, taskId: string): boolean {
    const run = this.#draft.task(branch)
    // one that a person marked as successful has chosen nothing
    if (run?.state !== 'success' || !Array.isArray(run.outputs.follow)) return false
    return !this.#reachedFrom(branch, run.outputs.follow.map(String)).has(taskId)
  }

  #reachedFrom(branch: string, follow: readonly string[]): ReadonlySet<string> {
    const known = this.#reached.get(branch)
    if (known !== undefined) return known
    const reached = new Set(follow)
    for (const { id, needs } of this.#draft.dag.tasks) if (needs.some((need) => reached.has(need))) reached.add(id)
    this.#reached.set(branch, reached)
    return reached
  }
}
