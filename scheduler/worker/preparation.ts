import { messageOf } from '../../errors.js'
import type { ClaimedTask, Store } from '../store/store.js'
import { PinnedDags, type PinnedTask } from './pinned-dags.js'
import type { Assignment } from './protocol.js'

export type Prepared = { assignment: Assignment } | { failure: string; retryable: boolean }

/** Puts together what a slot needs to run a claimed attempt. */
export class Preparation {
  readonly #store: Pick<Store, 'dagVersion' | 'outputsOf'>
  readonly #dags: PinnedDags

  constructor(store: Pick<Store, 'dagVersion' | 'outputsOf'>) {
    this.#store = store
    this.#dags = new PinnedDags(store)
  }

  /** What needs no store; null when it does. A chain of tasks without outputs never asks. */
  known(claim: ClaimedTask): Assignment | null {
    const pinned = this.#dags.known(claim.version, claim.taskId)
    if (pinned === undefined || pinned === null || pinned.task.outputsOf.length > 0) return null
    return { claim, ...pinned, upstream: {} }
  }

  /** The task as its version has it; null when there is none. */
  async pinned(version: string, taskId: string): Promise<PinnedTask | null> {
    return this.#dags.known(version, taskId) ?? (await this.#dags.load(version, taskId))
  }

  /** Never rejects: what cannot be prepared is the outcome of the attempt. */
  async load(claim: ClaimedTask): Promise<Prepared> {
    const { version, taskId, dagId, runId } = claim
    try {
      const pinned = await this.pinned(version, taskId)
      if (pinned === null) return { failure: `version ${version} of ${dagId} has no task ${taskId}`, retryable: false }
      const { outputsOf } = pinned.task
      return { assignment: { claim, ...pinned, upstream: await this.#outputs(runId, outputsOf) } }
    } catch (error) {
      return { failure: `the attempt could not be prepared: ${messageOf(error)}`, retryable: true }
    }
  }

  async #outputs(runId: string, tasks: readonly string[]): Promise<Assignment['upstream']> {
    if (tasks.length === 0) return {}
    const named = await this.#store.outputsOf(runId, tasks)
    return Object.fromEntries(Object.entries(named).map(([taskId, outputs]) => [taskId, { outputs }]))
  }
}
