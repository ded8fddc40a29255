import type { AttemptOutcome } from '../../../scheduler/core/model.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'

/** What a worker says of an attempt is what becomes of its task: why it was skipped, and that a retry would not help. */
export class OutcomesCheck {
  readonly #history: History
  readonly #recorded = new Map<string, AttemptOutcome>()

  constructor(history: History) {
    this.#history = history
  }

  observe(call: StoreCall): void {
    if (call.method === 'recordOutcomes') {
      for (const [index, { runId, taskId, attempt, outcome }] of call.args[0].entries()) {
        if (call.result[index] === 'recorded') this.#recorded.set(`${runId}/${taskId}/${attempt}`, outcome)
      }
    } else if (call.method === 'applyDecision' && call.result === 'applied') this.#decided(call)
  }

  #decided({ args: [runId, , { tasks, settled }] }: Extract<StoreCall, { method: 'applyDecision' }>): void {
    for (const { taskId, attempt } of settled) {
      const outcome = this.#recorded.get(`${runId}/${taskId}/${attempt}`)
      const change = tasks.find((one) => one.taskId === taskId && one.expect.attempt === attempt)
      if (outcome === undefined || change?.expect.state !== 'running') continue
      const { state, reason } = change.set
      const what = `${runId}/${taskId}/${attempt} ${outcome.result} (${outcome.reason}), now ${state} (${reason})`
      if (outcome.result === 'skipped' && state === 'skipped' && reason !== outcome.reason) {
        this.#history.violated('a skip says why', what)
      }
      if (outcome.result === 'failed' && !outcome.retryable && state === 'up_for_retry') {
        this.#history.violated('no retry in vain', what)
      }
    }
  }
}
