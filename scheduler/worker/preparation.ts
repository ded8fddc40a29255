import { messageOf } from '../../errors.js'
import type { Operator } from '../../operators/operator.js'
import type { Clock } from '../clock.js'
import type { Task } from '../dag/model.js'
import type { Log } from '../loop/ports.js'
import type { LeftWork } from '../store/left-work-store.js'
import type { ClaimedTask, Store } from '../store/store.js'
import { patiently } from './patience.js'
import { PinnedDags, type PinnedTask } from './pinned-dags.js'
import type { Assignment } from './protocol.js'

export type Prepared = { assignment: Assignment } | { failure: string; retryable: boolean }

/** So long nobody else takes up what an attempt is given to end. */
const LEFT_LEASE_MS = 120_000

export interface PreparationOptions {
  store: Pick<Store, 'dagVersion' | 'outputsOf' | 'leftBefore'>
  operators: ReadonlyMap<string, Operator>
  clock: Clock
  log: Log
}

/** Puts together what a slot needs to run a claimed attempt. */
export class Preparation {
  readonly #options: PreparationOptions
  readonly #dags: PinnedDags

  constructor(options: PreparationOptions) {
    this.#options = options
    this.#dags = new PinnedDags(options.store)
  }

  /** What needs no store; null when it does. A chain of tasks without outputs never asks. */
  known(claim: ClaimedTask): Assignment | null {
    const pinned = this.#dags.known(claim.version, claim.taskId)
    if (pinned === undefined || pinned === null || pinned.task.outputsOf.length > 0) return null
    if (this.#mayHaveLeft(claim, pinned.task)) return null
    return { claim, ...pinned, upstream: {}, left: [] }
  }

  /** The task as its version has it; null when there is none. */
  async pinned(version: string, taskId: string): Promise<PinnedTask | null> {
    return this.#dags.known(version, taskId) ?? (await this.#dags.load(version, taskId))
  }

  /**
   * Never rejects: what cannot be prepared is the outcome of the attempt. A store that is away is waited for.
   * @param wanted whether the attempt is to begin yet
   */
  async load(claim: ClaimedTask, wanted: () => boolean): Promise<Prepared> {
    const { clock, log } = this.#options
    const what = 'an attempt could not be prepared'
    try {
      return await patiently(() => this.#prepared(claim), { clock, log, what, wanted })
    } catch (error) {
      return { failure: `the attempt could not be prepared: ${messageOf(error)}`, retryable: true }
    }
  }

  /** Only a task that was cleared, by an operator that starts work outside: no other attempt pays for the look. */
  #mayHaveLeft({ generation }: ClaimedTask, { operator }: Task): boolean {
    return generation > 1 && this.#options.operators.get(operator)?.end !== undefined
  }

  async #left(claim: ClaimedTask, task: Task): Promise<LeftWork[]> {
    if (!this.#mayHaveLeft(claim, task)) return []
    const { store, clock } = this.#options
    return store.leftBefore(claim, { now: clock.now(), leaseMs: LEFT_LEASE_MS })
  }

  async #prepared(claim: ClaimedTask): Promise<Prepared> {
    const { version, taskId, dagId, runId } = claim
    const pinned = await this.pinned(version, taskId)
    if (pinned === null) return { failure: `version ${version} of ${dagId} has no task ${taskId}`, retryable: false }
    const { outputsOf } = pinned.task
    const [upstream, left] = await Promise.all([this.#outputs(runId, outputsOf), this.#left(claim, pinned.task)])
    return { assignment: { claim, ...pinned, upstream, left } }
  }

  async #outputs(runId: string, tasks: readonly string[]): Promise<Assignment['upstream']> {
    if (tasks.length === 0) return {}
    const named = await this.#options.store.outputsOf(runId, tasks)
    return Object.fromEntries(Object.entries(named).map(([taskId, outputs]) => [taskId, { outputs }]))
  }
}
