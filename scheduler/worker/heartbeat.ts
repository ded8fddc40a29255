import { hostname } from 'node:os'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import { SingleFlight } from '../loop/single-flight.js'
import type { ClaimRef, Store } from '../store/store.js'

/** Between two heartbeats; a lease lasts several of them. */
export const HEARTBEAT_MS = 8_000
/** After a heartbeat that failed the next one follows so soon: a lease has room for few. */
const AGAIN_MS = 1_000
/** One that is asked for after the end of a lease, as after a suspend, is waited for so long before the lease counts as lost. */
const LATE_ANSWER_MS = 5_000

export interface HeartbeatOptions {
  store: Pick<Store, 'heartbeat' | 'removeWorker'>
  clock: Clock
  log: Log
  worker: { id: string; epoch: number; slots: number }
  leaseMs: number
  everyMs: number
  /** what the worker serves and holds at this moment */
  state(): { queues: string[]; busy: number; claims: ClaimRef[] }
  /** the lease of these claims lasts until `leaseUntil` */
  extended(claims: readonly ClaimRef[], leaseUntil: number): void
  /** these claims are no longer ours */
  lost(claims: readonly ClaimRef[]): void
  /** these attempts are to stop */
  cancel(claims: readonly ClaimRef[]): void
  /** another Sluice has begun an epoch: this worker will never get a claim again */
  epochOver(): void
  /** the store could not be asked: leases that ran out must count as lost */
  failed(now: number): void
}

/** Keeps the leases of all claims with one statement, from a process that no operator can keep busy. */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #startedAt: number
  readonly #beats = new SingleFlight(() => this.#beat())
  #forget: () => void = () => undefined
  #lastBeat = 0
  #stopped = false

  constructor(options: HeartbeatOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
  }

  /** Beats now, and from then on at its pace. */
  start(): void {
    this.#beats.request()
  }

  /**
   * Beats now when the last heartbeat is older than half a lease: after a suspend or a long pause of the whole machine
   * leases have run out although nobody has died.
   */
  async catchUp(): Promise<void> {
    if (this.#stopped || this.#options.clock.now() - this.#lastBeat < this.#options.leaseMs / 2) return
    this.#beats.request()
    await this.#beats.idle()
  }

  /** Beats no more and signs off, so that nobody misses this worker. */
  async stop(): Promise<void> {
    const wasStopped = this.#stopped
    this.#stopped = true
    this.#forget()
    await this.#beats.idle()
    if (wasStopped) return
    const { store, log, worker } = this.#options
    await store.removeWorker(worker.id).catch((error: unknown) => {
      log.warn({ err: error }, 'signing off failed; this worker will be missed')
    })
  }

  async #beat(): Promise<void> {
    const { store, clock, log, worker, leaseMs, everyMs, ...on } = this.#options
    const now = clock.now()
    const { queues, busy, claims } = on.state()
    const host = { host: hostname(), pid: process.pid, startedAt: this.#startedAt, heartbeatAt: now }
    const forgetEnd = this.#atLeaseEnd(now)
    let pace = everyMs
    try {
      const self = { ...worker, ...host, queues, busy }
      const { lost, cancel, epochOver } = await store.heartbeat(self, claims, { now, leaseMs })
      this.#lastBeat = now
      on.extended(claims, now + leaseMs)
      on.lost(lost)
      on.cancel(cancel)
      if (epochOver) on.epochOver()
    } catch (error) {
      log.error({ err: error }, 'the heartbeat failed; trying again')
      on.failed(clock.now())
      pace = Math.min(everyMs, AGAIN_MS)
    } finally {
      forgetEnd()
    }
    this.#forget()
    if (!this.#stopped) this.#forget = clock.at(clock.now() + pace, () => this.#beats.request())
  }

  /**
   * A store that is silent says nothing about leases, and others may take over what could not be kept: so they end while a
   * heartbeat is waited for, too. @param since when it was asked for
   */
  #atLeaseEnd(since: number): () => void {
    const { clock, leaseMs, failed } = this.#options
    let forget: () => void = () => undefined
    const wait = (until: number) => {
      forget = clock.at(until, () => {
        failed(clock.now())
        wait(clock.now() + AGAIN_MS)
      })
    }
    wait(Math.max(this.#lastBeat + leaseMs + 1, since + Math.min(LATE_ANSWER_MS, leaseMs)))
    return () => forget()
  }
}
