import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'

/** What a person was told is done has been written before they were told. */
export class AcknowledgedCheck {
  readonly #history: History
  /** by task: how often a decision in a person's name was written to it */
  readonly #written = new Map<string, number>()

  constructor(history: History) {
    this.#history = history
  }

  observe(call: StoreCall): void {
    if (call.method !== 'applyDecision' || call.result !== 'applied') return
    for (const { taskId, set } of call.args[2].tasks) {
      if (!set.reason.includes(' by ana')) continue
      const key = `${call.args[0]}/${taskId}`
      this.#written.set(key, (this.#written.get(key) ?? 0) + 1)
    }
  }

  /** @returns to be called with the tasks that the command says it has changed since */
  begin(runId: string): (tasks: string[], what: string) => void {
    const before = new Map(this.#written)
    return (tasks, what) => {
      for (const taskId of tasks) {
        const key = `${runId}/${taskId}`
        if ((this.#written.get(key) ?? 0) > (before.get(key) ?? 0)) continue
        this.#history.violated('acknowledged is written', `${what} of ${key} was acknowledged, not written`)
      }
    }
  }
}
