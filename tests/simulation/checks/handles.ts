import type { Json } from '../../../json.js'
import type { Decision, TaskChange } from '../../../scheduler/core/model.js'
import { isFinal } from '../../../scheduler/core/states.js'
import type { History } from '../history.js'
import type { Tables } from '../memory-store/index.js'
import type { StoreCall } from '../remote-store.js'

/**
 * What an attempt has started outside is never forgotten: until its attempt has ended well, the next attempt is given its handle, or it is
 * kept as left work that a later generation finds.
 */
export class HandlesCheck {
  readonly #history: History
  readonly #tables: Tables
  /** by run and task: what may still go on outside */
  readonly #open = new Map<string, Json>()

  constructor(history: History, tables: Tables) {
    this.#history = history
    this.#tables = tables
  }

  observe(call: StoreCall): void {
    if (call.method === 'saveHandle' && call.result === 'saved') this.#open.set(keyOf(call.args[0]), call.args[1])
    else if (call.method === 'applyDecision' && call.result === 'applied') this.#decided(call.args[0], call.args[2])
    else if (call.method === 'claim') {
      for (const claimed of call.result) {
        const open = this.#open.get(keyOf(claimed))
        if (open !== undefined && !same(open, claimed.handle)) this.#lost(keyOf(claimed), 'was claimed without it')
      }
    }
  }

  #decided(runId: string, { tasks, settled, expand }: Decision): void {
    for (const { taskId, result } of settled) {
      if (result === 'success' || result === 'skipped') this.#open.delete(keyOf({ runId, taskId }))
    }
    for (const change of tasks) {
      if (!isGivenOn(change)) this.#isLeft({ runId, taskId: change.taskId }, change.set.generation)
    }
    for (const { taskId } of expand) {
      // items are made anew, without what they had
      const items = [...this.#open.keys()].filter((key) => key.startsWith(`${runId}/${taskId}.`))
      for (const key of items) this.#isLeft({ runId, taskId: key.slice(runId.length + 1) }, undefined)
    }
  }

  #isLeft(task: { runId: string; taskId: string }, next: number | undefined): void {
    const open = this.#open.get(keyOf(task))
    if (open === undefined) return
    this.#open.delete(keyOf(task))
    const left = [...this.#tables.leftWork.values()].find(({ work }) => same(work.handle, open))?.work
    if (left === undefined || keyOf(left) !== keyOf(task)) this.#lost(keyOf(task), 'has left nothing behind')
    else if (next !== undefined && left.generation >= next) this.#lost(keyOf(task), `left it to generation ${next}`)
  }

  #lost(task: string, how: string): void {
    this.#history.violated('no handle is lost', `${task} has started something outside and ${how}`)
  }
}

/** Whether the next attempt will be given what the last one has saved. */
function isGivenOn({ expect, set }: TaskChange): boolean {
  const startsAnew = set.generation !== undefined || (expect.state === 'running' && set.state === 'none')
  return !startsAnew && !isFinal(set.state)
}

function same(one: Json, other: Json): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function keyOf({ runId, taskId }: { runId: string; taskId: string }): string {
  return `${runId}/${taskId}`
}
