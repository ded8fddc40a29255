import type { Instant } from '../../json.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import type { ClaimedTask, Store } from '../store/store.js'

export interface ClaimingOptions {
  store: Pick<Store, 'claim' | 'giveBack'>
  clock: Clock
  log: Log
  worker: { id: string; epoch: number }
  leaseMs: number
  /** tokens of all claims whose attempts run, or whose outcome is not recorded yet */
  held(): readonly string[]
}

/**
 * Claims attempts. Where the answer to a claim is lost the store may have given away what nobody runs: it is given back before the
 * next claim, instead of being lost at the end of a lease, which would cost a try. Nothing here may be asked beside itself:
 * a claim that is just arriving must not be taken for one that was lost.
 */
export class Claiming {
  readonly #options: ClaimingOptions
  /** from the first claim without an answer on; a lease after the last one none of them can still be on its way */
  #unclear: { since: Instant; until: Instant } | null = null
  readonly #lost = new Set<string>()

  constructor(options: ClaimingOptions) {
    this.#options = options
  }

  /** Whether the store may hold claims for this worker that it does not know of. */
  get isUnclear(): boolean {
    return this.#unclear !== null
  }

  /**
   * @param limit may be 0 or less: then nothing is claimed
   * @throws what the store throws
   */
  async claim(queues: string[], limit: number): Promise<ClaimedTask[]> {
    const { store, clock, worker, leaseMs } = this.#options
    await this.#giveBack()
    if (limit <= 0) return []
    const now = clock.now()
    try {
      return await store.claim({ ...worker, queues }, { now, leaseMs, limit })
    } catch (error) {
      this.#unclear = { since: this.#unclear?.since ?? now, until: clock.now() + leaseMs }
      throw error
    }
  }

  /** This claim was ours and is not held any more, but the store may not know that yet. */
  lost(claimToken: string): void {
    if (this.#unclear !== null) this.#lost.add(claimToken)
  }

  /** What is held unknowingly at the end is given back, if the store can be asked; otherwise its lease ends. */
  async close(): Promise<void> {
    try {
      await this.#giveBack()
    } catch (error) {
      this.#options.log.warn({ err: error }, 'claims whose answer was lost could not be given back')
    }
  }

  async #giveBack(): Promise<void> {
    if (this.#unclear === null) return
    const { store, clock, worker, log, held } = this.#options
    const { since, until } = this.#unclear
    const now = clock.now()
    const given = await store.giveBack(worker, { since, known: [...held(), ...this.#lost], now })
    if (given.length > 0) log.warn({ attempts: given }, 'claims whose answer was lost were given back')
    if (now < until) return
    this.#unclear = null
    this.#lost.clear()
  }
}
