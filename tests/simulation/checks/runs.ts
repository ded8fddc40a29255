import type { Instant } from '../../../json.js'
import type { Schedule } from '../../../scheduler/dag/model.js'
import type { NewRun } from '../../../scheduler/store/store.js'
import type { History } from '../history.js'
import { createdRuns, type StoreCall } from '../remote-store.js'
import { isDue } from './calendar.js'

/** One run per (dag, due instant, kind) and per idempotency key, and with catchup no tick without one. */
export class RunsCheck {
  readonly #history: History
  readonly #made = new Set<string>()
  readonly #keys = new Map<string, string>()
  readonly #ticks = new Map<string, number[]>()

  readonly #scheduleOf: (version: string) => Schedule | null

  constructor(history: History, scheduleOf: (version: string) => Schedule | null) {
    this.#history = history
    this.#scheduleOf = scheduleOf
  }

  observe(call: StoreCall): void {
    for (const run of createdRuns(call)) this.#created(run)
    if (call.method !== 'createRun') return
    const [run, { idempotency }] = call.args
    if (idempotency === undefined) return
    const first = this.#keys.get(idempotency.key)
    if (call.result.outcome === 'repeated' && first !== call.result.runId) {
      this.#history.violated('idempotency', `${idempotency.key} gave another run`)
    }
    if (call.result.outcome !== 'created') return
    if (first !== undefined) {
      this.#history.violated('idempotency', `${idempotency.key} made ${first} and ${run.id}`)
    }
    this.#keys.set(idempotency.key, run.id)
  }

  #created(run: NewRun): void {
    // a backfill has runs of its own for a slot, and its number is in their ids
    const key = run.kind === 'backfill' ? run.id : `${run.dagId} ${run.dueAt} ${run.kind}`
    if (this.#made.has(key)) this.#history.violated('one run per tick', `${run.id} was made twice`)
    this.#made.add(key)
    if (run.kind !== 'scheduled') return
    const schedule = this.#scheduleOf(run.version)
    if (schedule === null || !isDue(schedule, run.dueAt)) {
      this.#history.violated('only what is due', `${run.id} was made by a schedule that is not due then`)
    }
    const ticks = this.#ticks.get(run.dagId) ?? []
    const last = ticks.at(-1)
    if (last !== undefined && run.dueAt <= last) {
      this.#history.violated('ticks go forward', `${run.id} was made after the run due at ${last}`)
    }
    this.#ticks.set(run.dagId, [...ticks, run.dueAt])
  }

  /** @param isNext that nothing is due between two instants, of a DAG that makes up for everything and was never changed */
  end(dagId: string, isNext: (tick: Instant, next: Instant) => boolean): void {
    const ticks = this.#ticks.get(dagId) ?? []
    ticks.forEach((tick, index) => {
      const before = ticks[index - 1]
      if (before !== undefined && !isNext(before, tick)) {
        this.#history.violated('no tick is lost', `${dagId} has no run between ${before} and ${tick}`)
      }
    })
  }
}
