import { declaredId } from '../core/items.js'
import type { Dag, Task } from '../dag/model.js'
import type { Store } from '../store/store.js'

/** A task with as much of its DAG as a slot needs. */
export interface PinnedTask {
  dag: Dag
  task: Task
}

interface PinnedDag {
  dag: Dag
  tasks: ReadonlyMap<string, Task>
}

/** DAG versions as the worker uses them. A version never changes once stored, so the last ones used are kept. */
export class PinnedDags {
  readonly #store: Pick<Store, 'dagVersion'>
  readonly #kept = new Map<string, PinnedDag>()
  readonly #limit: number

  constructor(store: Pick<Store, 'dagVersion'>, limit = 64) {
    this.#store = store
    this.#limit = limit
  }

  /** What is in memory; undefined when the version must be loaded. */
  known(version: string, taskId: string): PinnedTask | null | undefined {
    const pinned = this.#kept.get(version)
    if (pinned === undefined) return undefined
    this.#kept.delete(version)
    this.#kept.set(version, pinned)
    return cut(pinned, taskId)
  }

  /** @returns null when there is no such version, or no such task in it */
  async load(version: string, taskId: string): Promise<PinnedTask | null> {
    const dag = await this.#store.dagVersion(version)
    if (dag === null) return null
    const pinned = { dag, tasks: new Map(dag.tasks.map((task) => [task.id, task])) }
    this.#kept.set(version, pinned)
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > this.#limit && !oldest.done) this.#kept.delete(oldest.value)
    return cut(pinned, taskId)
  }
}

/** Slots are given nothing that their task does not name. */
function cut({ dag, tasks }: PinnedDag, taskId: string): PinnedTask | null {
  const task = tasks.get(declaredId(taskId))
  if (task === undefined) return null
  const files: Record<string, string> = {}
  for (const path of task.files) {
    const text = dag.files[path]
    if (text !== undefined) files[path] = text
  }
  return { task, dag: { ...dag, tasks: [task], source: '', files, params: {} } }
}
