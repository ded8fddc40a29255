import type { Instant } from '../../../json.js'
import type { BackfillState, NewBackfill } from '../../../scheduler/store/backfill-store.js'
import type { NewRun } from '../../../scheduler/store/store.js'
import type { History } from '../history.js'
import { createdRuns, type StoreCall } from '../remote-store.js'

interface Followed {
  backfill: NewBackfill
  cursor: Instant | null
  passed: number
  made: Set<Instant>
}

/** Every slot of a backfill is looked at once and in order, and gets a run exactly when its choice asks for one. */
export class BackfillsCheck {
  readonly #history: History
  readonly #backfills = new Map<number, Followed>()
  /** slots of any DAG that have a run by schedule or backfill: `dag due` */
  readonly #slots = new Set<string>()

  constructor(history: History) {
    this.#history = history
  }

  observe(call: StoreCall): void {
    if (call.method === 'createBackfill') {
      const [backfill] = call.args
      this.#backfills.set(call.result, { backfill, cursor: backfill.nextDueAt, passed: 0, made: new Set() })
    }
    if (call.method === 'advanceBackfill' && call.result.outcome === 'advanced') this.#advanced(call)
    for (const { dagId, dueAt, kind } of createdRuns(call)) {
      if (kind === 'scheduled' || kind === 'backfill') this.#slots.add(`${dagId} ${dueAt}`)
    }
  }

  end(rows: Iterable<{ id: number; state: BackfillState }>): void {
    for (const { id, state } of rows) {
      const followed = this.#backfills.get(id)
      if (state === 'running') this.#history.violated('every backfill ends', `backfill ${id} is still running`)
      if (followed === undefined || state !== 'done') continue
      const { backfill, passed, made } = followed
      if (passed !== backfill.slots) {
        this.#history.violated('every slot once', `backfill ${id} has looked at ${passed} of ${backfill.slots} slots`)
      }
      if (backfill.which === 'all' && made.size !== backfill.slots) {
        this.#history.violated('every slot once', `backfill ${id} has made ${made.size} of ${backfill.slots} runs`)
      }
    }
  }

  #advanced(call: Extract<StoreCall, { method: 'advanceBackfill' }>): void {
    const [id, expect, { nextDueAt, passed }] = call.args
    const followed = this.#backfills.get(id)
    if (followed === undefined) return
    if (expect !== followed.cursor) {
      this.#history.violated('backfills go forward', `backfill ${id} was at ${followed.cursor}, moved from ${expect}`)
    }
    followed.cursor = nextDueAt
    followed.passed += passed
    for (const run of createdRuns(call)) this.#made(id, followed, run)
  }

  #made(id: number, { backfill, made }: Followed, run: NewRun): void {
    if (made.has(run.dueAt)) this.#history.violated('every slot once', `backfill ${id} made ${run.id} twice`)
    made.add(run.dueAt)
    if (run.intervalStart < backfill.from || run.intervalEnd > backfill.to) {
      this.#history.violated('inside the range', `backfill ${id} made ${run.id}`)
    }
    if (backfill.which === 'missing' && this.#slots.has(`${run.dagId} ${run.dueAt}`)) {
      this.#history.violated('missing is missing', `backfill ${id} made ${run.id}, whose slot has a run`)
    }
  }
}
