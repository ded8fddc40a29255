import type { Instant } from '../../json.js'
import type { PastRun } from '../core/sla-forecast.js'
import { pastRun } from '../core/sla-times.js'
import type { Dag } from '../dag/model.js'
import type { Store } from '../store/store.js'

/** Runs that a forecast goes by; fewer of a DAG with very many tasks. */
const RUNS = 30
const FEWEST_RUNS = 8
const TASKS_AT_ONCE = 20_000
/** What is known is used for so long: a forecast is no exacter than the days are alike. */
const FRESH_MS = 300_000
/** And for so long where each further run may make a forecast possible, or much better. */
const FRESH_OF_FEW_MS = 10_000
/** Times of tasks kept in memory, over all DAGs. */
const KEPT_TASKS = 200_000

interface Known {
  at: Instant
  runs: PastRun[]
  tasks: number
}

/** How long the runs of DAGs have taken, remembered for a few minutes. */
export class PastRuns {
  readonly #store: Pick<Store, 'pastRuns'>
  readonly #known = new Map<string, Known>()
  #tasks = 0

  constructor(store: Pick<Store, 'pastRuns'>) {
    this.#store = store
  }

  async of(dag: Dag, now: Instant): Promise<readonly PastRun[]> {
    const known = this.#known.get(dag.version)
    const limit = Math.max(FEWEST_RUNS, Math.min(RUNS, Math.floor(TASKS_AT_ONCE / dag.tasks.length)))
    const freshMs = known !== undefined && known.runs.length < limit ? FRESH_OF_FEW_MS : FRESH_MS
    if (known !== undefined && now - known.at < freshMs) return known.runs
    const runs = (await this.#store.pastRuns(dag.id, limit)).map((past) => pastRun(dag, past))
    this.#keep(dag.version, { at: now, runs, tasks: runs.length * dag.tasks.length })
    return runs
  }

  #keep(version: string, known: Known): void {
    this.#forget(version)
    this.#known.set(version, known)
    this.#tasks += known.tasks
    for (const oldest of this.#known.keys()) {
      if (this.#tasks <= KEPT_TASKS) return
      this.#forget(oldest)
    }
  }

  #forget(version: string): void {
    this.#tasks -= this.#known.get(version)?.tasks ?? 0
    this.#known.delete(version)
  }
}
