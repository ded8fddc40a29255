import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'

/** One run per (dag, due instant, kind) and per idempotency key, and with catchup no tick without one. */
export class RunsCheck {
  readonly #history: History
  readonly #made = new Set<string>()
  readonly #keys = new Map<string, string>()
  readonly #ticks = new Map<string, number[]>()

  constructor(history: History) {
    this.#history = history
  }

  observe(call: StoreCall): void {
    if (call.method !== 'createRun') return
    const [run, { idempotency }] = call.args
    if (call.result.outcome === 'repeated' && idempotency !== undefined) {
      const first = this.#keys.get(idempotency.key)
      if (first !== call.result.runId) this.#history.violated('idempotency', `${idempotency.key} gave another run`)
    }
    if (call.result.outcome !== 'created') return
    const key = `${run.dagId} ${run.dueAt} ${run.kind}`
    if (this.#made.has(key)) this.#history.violated('one run per tick', `${run.id} was made twice`)
    this.#made.add(key)
    const last = this.#ticks.get(run.dagId)?.at(-1)
    if (run.kind === 'scheduled' && last !== undefined && run.dueAt <= last) {
      this.#history.violated('ticks go forward', `${run.id} was made after the run due at ${last}`)
    }
    if (run.kind === 'scheduled') this.#ticks.set(run.dagId, [...(this.#ticks.get(run.dagId) ?? []), run.dueAt])
    if (idempotency === undefined) return
    if (this.#keys.has(idempotency.key)) {
      this.#history.violated('idempotency', `${idempotency.key} made ${this.#keys.get(idempotency.key)} and ${run.id}`)
    }
    this.#keys.set(idempotency.key, run.id)
  }

  /** @param stepMs between two ticks of a DAG with catchup that was never paused nor changed */
  end(dagId: string, stepMs: number): void {
    const ticks = this.#ticks.get(dagId) ?? []
    ticks.forEach((tick, index) => {
      const before = ticks[index - 1]
      if (before !== undefined && tick - before !== stepMs) {
        this.#history.violated('no tick is lost', `${dagId} has no run between ${before} and ${tick}`)
      }
    })
  }
}
