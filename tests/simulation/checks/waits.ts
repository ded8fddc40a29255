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
  /** by key: until when somebody looks */
  readonly #leases = new Map<string, Instant>()
  readonly #decisions = new Set<string>()

  constructor(history: History, mirror: Mirror, tables: Tables) {
    this.#history = history
    this.#mirror = mirror
    this.#tables = tables
  }

  observe(call: StoreCall): void {
    if (call.method === 'wakeWaiting') for (const runId of call.result) this.#woken(runId, call.args[1])
    else if (call.method === 'recordLooks') {
      for (const { key } of call.args[0]) this.#leases.delete(key)
      for (const runId of call.result) this.#found(runId, call)
    } else if (call.method === 'dueLooks') this.#taken(call)
    else if (call.method === 'applyDecision' && call.result === 'applied') this.#decided(call)
  }

  /** What is looked at is looked at by one worker until its lease has ended. */
  #taken({ args: [, { now, leaseMs }], result }: Extract<StoreCall, { method: 'dueLooks' }>): void {
    for (const { key } of result) {
      const lease = this.#leases.get(key) ?? 0
      if (lease > now) this.#history.violated('one look at a time', `${key} is looked at until ${lease}`)
      this.#leases.set(key, now + leaseMs)
    }
    // nobody waited for them any more; whoever does later begins anew
    for (const key of this.#leases.keys()) if (!this.#tables.looks.has(key)) this.#leases.delete(key)
  }

  #found(runId: string, { args: [results, now] }: Extract<StoreCall, { method: 'recordLooks' }>): void {
    const met = new Set(results.flatMap(({ key, met: found }) => (found === null ? [] : [`look:${key}`])))
    for (const { task, woken } of this.#tables.runs.get(runId)?.tasks.values() ?? []) {
      if (task.state !== 'deferred' || task.notBefore !== now || woken === null) continue
      if (task.waitsFor?.kind !== 'look' || met.has(task.waitsFor.on)) continue
      this.#history.violated('nothing is woken in vain', `${runId}/${task.taskId}, which waits for ${task.waitsFor.on}`)
    }
  }

  /** A person decides about what waits for one, once for each time that it is asked. */
  #decided({ args: [runId, , { tasks }] }: Extract<StoreCall, { method: 'applyDecision' }>): void {
    for (const { taskId, expect, set } of tasks) {
      if (!/^(approved|rejected) by /.test(set.reason) || expect.state === set.state) continue
      const asked = `${runId}/${taskId}/${expect.generation}.${expect.attempt}`
      if (expect.state !== 'deferred' || this.#decisions.has(asked)) {
        this.#history.violated('a person decides once', `${asked}, which was ${expect.state}, was ${set.reason}`)
      }
      this.#decisions.add(asked)
    }
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
