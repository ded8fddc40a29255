import { declaredId } from '../../../scheduler/core/items.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'
import type { Mirror } from './mirror.js'

/** Pools, max_active_tasks and max_active_runs are never exceeded, not even for an instant. */
export class LimitsCheck {
  readonly #history: History
  readonly #mirror: Mirror
  readonly #pools: Readonly<Record<string, number>>

  constructor(history: History, mirror: Mirror, pools: Readonly<Record<string, number>>) {
    this.#history = history
    this.#mirror = mirror
    this.#pools = pools
  }

  /** after the mirror has seen the call */
  observe(call: StoreCall): void {
    if (call.method === 'queueReady' && call.result.length > 0) this.#countTasks()
    else if (call.method === 'startRuns' && call.result.length > 0) this.#countRuns()
  }

  #countTasks(): void {
    const pools = new Map<string, number>()
    const dags = new Map<string, { active: number; limit: number }>()
    for (const { dag, tasks } of this.#mirror.runs.values()) {
      const declared = new Map(dag.tasks.map((task) => [task.id, task]))
      for (const [id, { state }] of tasks) {
        if (state !== 'queued' && state !== 'running') continue
        const { pool, poolSlots } = declared.get(declaredId(id)) ?? { pool: '', poolSlots: 0 }
        pools.set(pool, (pools.get(pool) ?? 0) + poolSlots)
        const counted = dags.get(dag.id)
        // while a run of an older version is on, its own limit may still let it in
        const limit = Math.max(dag.maxActiveTasks, counted?.limit ?? 0)
        dags.set(dag.id, { active: (counted?.active ?? 0) + 1, limit })
      }
    }
    for (const [pool, active] of pools) {
      const size = this.#pools[pool] ?? 0
      if (active > size) this.#history.violated('pool limit', `${active} slots of pool ${pool} taken, of ${size}`)
    }
    for (const [dag, { active, limit }] of dags) {
      if (active > limit) this.#history.violated('max_active_tasks', `${active} active tasks of ${dag}, not ${limit}`)
    }
  }

  #countRuns(): void {
    const dags = new Map<string, { active: number; limit: number }>()
    for (const { dag, state } of this.#mirror.runs.values()) {
      if (state !== 'running') continue
      const counted = dags.get(dag.id)
      const limit = Math.max(dag.maxActiveRuns, counted?.limit ?? 0)
      dags.set(dag.id, { active: (counted?.active ?? 0) + 1, limit })
    }
    for (const [dag, { active, limit }] of dags) {
      if (active > limit) this.#history.violated('max_active_runs', `${active} active runs of ${dag}, not ${limit}`)
    }
  }
}
