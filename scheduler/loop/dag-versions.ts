import type { Dag } from '../dag/model.js'
import type { Store } from '../store/store.js'

/** Stored versions never change, so the DAGs of the last ticks are kept. */
const CACHED_VERSIONS = 1_024

/** The DAGs that are at work just now, by version. */
export class DagVersions {
  readonly #store: Store
  readonly #dags = new Map<string, Dag>()

  constructor(store: Store) {
    this.#store = store
  }

  async get(version: string): Promise<Dag | null> {
    const known = this.#dags.get(version)
    if (known !== undefined) return known
    const dag = await this.#store.dagVersion(version)
    if (dag !== null) this.#dags.set(version, dag)
    const oldest = this.#dags.keys().next()
    if (this.#dags.size > CACHED_VERSIONS && !oldest.done) this.#dags.delete(oldest.value)
    return dag
  }
}
