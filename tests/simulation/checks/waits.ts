import type { Instant } from '../../../json.js'
import type { Wait } from '../../../operators/wait.js'
import type { RunState } from '../../../scheduler/core/model.js'
import { isFinalRun } from '../../../scheduler/core/states.js'
import type { History } from '../history.js'
import type { Tables } from '../memory-store/index.js'
import type { StoreCall } from '../remote-store.js'
import type { Mirror } from './mirror.js'

/** What waits is woken by what it waits for, and by nothing else. That it is woken at all shows in that every run ends. */
export class WaitsCheck {
  readonly #history: History
  readonly #mirror: Mirror
  readonly #tables: Tables

  constructor(history: History, mirror: Mirror, tables: Tables) {
    this.#history = history
    this.#mirror = mirror
    this.#tables = tables
  }

  observe(call: StoreCall): void {
    if (call.method === 'wakeWaiting') for (const runId of call.result) this.#woken(runId, call.args[1])
  }

  /** Only what was woken just now can be judged: the other run may have been cleared since. */
  #woken(runId: string, now: Instant): void {
    for (const { task, woken } of this.#tables.runs.get(runId)?.tasks.values() ?? []) {
      if (task.state !== 'deferred' || task.notBefore !== now) continue
      const by = woken !== null && typeof woken === 'object' && 'run' in woken ? String(woken.run) : ''
      const state = this.#mirror.runs.get(by)?.state as RunState | undefined
      if (isWanted(task.waitsFor, state)) continue
      this.#history.violated('nothing is woken in vain', `${runId}/${task.taskId} by ${by}, which is ${state}`)
    }
  }
}

function isWanted(wait: Wait | null | undefined, state: RunState | undefined): boolean {
  if (state === undefined) return false
  if (wait?.kind === 'run') return wait.states.includes(state)
  return wait?.kind === 'child' && (!wait.wait || isFinalRun(state))
}
