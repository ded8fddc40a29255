import type { Weight } from '../../operators/operator.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import { SingleFlight } from '../loop/single-flight.js'
import type { Store } from '../store/store.js'
import type { DueLook, LookResult } from '../store/wait-store.js'
import type { SlotPool } from './slot-pool.js'
import { SlotRequests } from './slot-requests.js'

/** Looks of one message: more is another round. What needs an engine has its turn by itself, as one may take long. */
const BATCH: Record<Weight, number> = { light: 500, heavy: 1 }
/** A worker that has taken a look and says nothing for so long has lost it. */
const LEASE_MS = 90_000
/** A slot that has not answered by then will not. */
const ANSWER_MS = 75_000
/** Looks that others have asked for are found by then. */
const LONGEST_PAUSE_MS = 2_000
const SHORTEST_PAUSE_MS = 100
/** After a round that had something to look at: with thousands of looks, spread over the minute, the rounds are what costs. */
const GATHER_MS = 1_000

export interface LooksOptions {
  store: Pick<Store, 'dueLooks' | 'nextLookAt' | 'recordLooks'>
  clock: Clock
  log: Log
  pool: Pick<SlotPool, 'take' | 'release'>
  /** of the looks that this one makes */
  weight: Weight
  queues(): readonly string[]
  /** these runs have a task that goes on */
  woken(runIds: readonly string[]): void
}

/**
 * Looks at what deferred tasks wait for outside: all that is due in one message to a light slot, and what it found in one
 * write; what needs an engine one after the other in one process of its own. Nothing is kept here, so a worker that dies loses
 * no wait, only a look.
 */
export class Looks {
  readonly #options: LooksOptions
  readonly #passes = new SingleFlight(() => this.#pass())
  readonly #requests: SlotRequests<LookResult[]>
  #forget: () => void = () => undefined
  #closed = false

  constructor(options: LooksOptions) {
    this.#options = options
    this.#requests = new SlotRequests(options)
  }

  /** something may be due */
  request(): void {
    if (!this.#closed) this.#passes.request()
  }

  heard(token: string, results: LookResult[]): void {
    this.#requests.heard(token, results)
  }

  /** the slot that had these tokens is gone */
  gone(tokens: Iterable<string>): void {
    this.#requests.gone(tokens)
  }

  /** takes up nothing more; what is under way counts for nothing */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    this.#requests.drop()
    await this.#passes.idle()
  }

  async #pass(): Promise<void> {
    const { store, clock, log, queues, weight } = this.#options
    const limit = BATCH[weight]
    let next: number | null = null
    let found = false
    try {
      for (;;) {
        const options = { now: clock.now(), leaseMs: LEASE_MS, limit, weight }
        const due = this.#closed ? [] : await store.dueLooks(queues(), options)
        if (due.length > 0) await this.#lookAt(due)
        found ||= due.length > 0
        if (due.length < limit) break
      }
      next = await store.nextLookAt(queues(), weight)
    } catch (error) {
      log.error({ err: error }, 'looking at what tasks wait for failed; trying again')
    }
    this.#pause(next, found ? GATHER_MS : SHORTEST_PAUSE_MS)
  }

  #pause(next: number | null, shortest: number): void {
    const { clock } = this.#options
    this.#forget()
    if (this.#closed) return
    const pause = Math.max(shortest, Math.min(LONGEST_PAUSE_MS, (next ?? Number.MAX_VALUE) - clock.now()))
    this.#forget = clock.at(clock.now() + pause, () => this.request())
  }

  async #lookAt(looks: readonly DueLook[]): Promise<void> {
    const { store, clock, weight, woken } = this.#options
    const results = await this.#requests.ask(
      weight,
      (token) => ({ kind: 'look', token, looks: [...looks] }),
      ANSWER_MS,
      null,
    )
    if (results === null || this.#closed) return
    const runs = await store.recordLooks(results, clock.now())
    if (runs.length > 0) woken(runs)
  }
}
