import type { JsonObject } from '../../json.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import type { ClaimRef, Store } from '../store/store.js'

/** Between two writes for one attempt; pages need no more. */
const SPACING_MS = 500

interface Waiting {
  claim: ClaimRef
  progress: JsonObject
  saved: () => void
}

/** Saves the latest progress of each attempt, however often it is told. */
export class ProgressWriter {
  readonly #store: Pick<Store, 'saveProgress'>
  readonly #clock: Clock
  readonly #log: Log
  readonly #waiting = new Map<string, Waiting>()
  readonly #active = new Set<string>()
  readonly #timers = new Set<() => void>()

  constructor(store: Pick<Store, 'saveProgress'>, clock: Clock, log: Log) {
    this.#store = store
    this.#clock = clock
    this.#log = log
  }

  /** @param saved called once this or a later value is durable */
  write(claim: ClaimRef, progress: JsonObject, saved: () => void): void {
    this.#waiting.set(claim.claimToken, { claim, progress, saved })
    if (!this.#active.has(claim.claimToken)) void this.#save(claim.claimToken)
  }

  /** Saves nothing more. */
  close(): void {
    this.#waiting.clear()
    for (const forget of this.#timers) forget()
  }

  async #save(claimToken: string): Promise<void> {
    const next = this.#waiting.get(claimToken)
    this.#waiting.delete(claimToken)
    if (next === undefined) {
      this.#active.delete(claimToken)
      return
    }
    this.#active.add(claimToken)
    try {
      // of an attempt that has ended meanwhile nothing is saved, which is as it should be
      const outcome = await this.#store.saveProgress(next.claim, next.progress, this.#clock.now())
      if (outcome === 'saved') next.saved()
    } catch (error) {
      this.#log.warn({ err: error, run: next.claim.runId, task: next.claim.taskId }, 'progress could not be saved')
    }
    const forget = this.#clock.at(this.#clock.now() + SPACING_MS, () => {
      this.#timers.delete(forget)
      void this.#save(claimToken)
    })
    this.#timers.add(forget)
  }
}
