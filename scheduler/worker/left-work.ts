import type { Operator } from '../../operators/operator.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import { SingleFlight } from '../loop/single-flight.js'
import type { LeftWork, LeftWorkKey } from '../store/left-work-store.js'
import type { Store } from '../store/store.js'
import { leavesWork } from './leaves-work.js'
import { finishLog } from './log-repair.js'
import type { LogStore } from './log-store.js'
import type { Preparation } from './preparation.js'
import type { LeftEnd } from './protocol.js'
import type { SlotPool } from './slot-pool.js'
import { SlotRequests } from './slot-requests.js'

/** Between two rounds; the store is asked once in each. */
const EVERY_MS = 4_000
/** Each is ended in a process of its own. */
const AT_ONCE = 4
/** A worker that has taken work and says nothing for so long has lost it. */
const LEASE_MS = 120_000
/** A slot that has not answered by then will not. */
const ANSWER_MS = 75_000
/** Pauses before the second and later tries; after the last nobody tries any more. */
const RETRY_AFTER_MS = [10_000, 60_000, 300_000, 1_800_000]

export interface LeftWorkOptions {
  store: Pick<Store, 'dueLeftWork' | 'settleLeftWork'>
  clock: Clock
  log: Log
  logs: LogStore
  pool: Pick<SlotPool, 'take' | 'release'>
  preparation: Pick<Preparation, 'pinned'>
  operators: ReadonlyMap<string, Operator>
  queues(): readonly string[]
}

/**
 * Ends work outside that no attempt goes on with: queries and applications of tasks that were cancelled, or failed for good, when
 * their worker was gone. Any worker of the queue does so. Nothing is kept here: a worker that dies leaves it to the next.
 */
export class LeftWorkRounds {
  readonly #options: LeftWorkOptions
  readonly #rounds = new SingleFlight(() => this.#round())
  readonly #requests: SlotRequests<LeftEnd>
  #forget: () => void = () => undefined
  #closed = false

  constructor(options: LeftWorkOptions) {
    this.#options = options
    this.#requests = new SlotRequests(options)
  }

  /** There may be something to end; from now on it is looked for at its pace. */
  request(): void {
    if (!this.#closed) this.#rounds.request()
  }

  heard(token: string, end: LeftEnd): void {
    this.#requests.heard(token, end)
  }

  /** An attempt has ended this, because its task was cleared. Where the store does not hear of it, it is ended once more. */
  async ended(work: LeftWorkKey): Promise<void> {
    const { store, log } = this.#options
    try {
      await store.settleLeftWork([{ ...work, retryAt: null }])
    } catch (error) {
      const { runId: run, taskId: task, attempt } = work
      log.warn({ err: error, run, task, attempt }, 'that an attempt has ended what another left could not be kept')
    }
  }

  /** the slot that had these tokens is gone */
  gone(tokens: Iterable<string>): void {
    this.#requests.gone(tokens)
  }

  /** takes up nothing more; what is under way is left to its lease */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    this.#requests.drop()
    await this.#rounds.idle()
  }

  async #round(): Promise<void> {
    const { store, clock, log, queues } = this.#options
    try {
      for (;;) {
        const options = { now: clock.now(), leaseMs: LEASE_MS, limit: AT_ONCE }
        const due = this.#closed ? [] : await store.dueLeftWork(queues(), options)
        await Promise.all(due.map((work) => this.#end(work)))
        if (due.length < AT_ONCE) break
      }
    } catch (error) {
      log.error({ err: error }, 'ending what lost attempts have left outside failed; trying again')
    }
    this.#forget()
    if (!this.#closed) this.#forget = clock.at(clock.now() + EVERY_MS, () => this.request())
  }

  async #end(work: LeftWork): Promise<void> {
    const { store, clock } = this.#options
    const end = await this.#ended(work)
    if (end === null) return
    const pause = end.failure === null ? undefined : RETRY_AFTER_MS[work.failures]
    const retryAt = pause === undefined ? null : clock.now() + pause
    await this.#tell(work, end, retryAt === null)
    const { runId, taskId, attempt } = work
    await store.settleLeftWork([{ runId, taskId, attempt, retryAt }])
  }

  /** null when the slot has died or is closed: the lease runs out, and somebody else tries */
  async #ended(work: LeftWork): Promise<LeftEnd | null> {
    const { preparation, operators } = this.#options
    const pinned = await preparation.pinned(work.version, work.taskId)
    if (pinned === null || !leavesWork(operators.get(pinned.task.operator), work.handle))
      return { failure: null, said: [] }
    if (this.#closed) return null
    const late = { failure: 'no answer came', said: [] }
    const left = { work, ...pinned }
    const end = await this.#requests.ask('heavy', (token) => ({ kind: 'end', token, left }), ANSWER_MS, late)
    return this.#closed ? null : end
  }

  /** In the worker's log, and at the end of the attempt's, where people look for it. */
  async #tell(work: LeftWork, { failure, said }: LeftEnd, isLast: boolean): Promise<void> {
    const { log, logs, clock } = this.#options
    const { runId, taskId, attempt } = work
    const lines = [...said]
    if (failure !== null) {
      const then = isLast ? 'and is not tried any more' : 'and is tried again'
      lines.push({
        level: 'error',
        message: `What the attempt has left outside could not be ended, ${then}: ${failure}`,
      })
    }
    for (const { level, message } of lines) log[level]({ run: runId, task: taskId, attempt }, message)
    if (lines.length === 0) return
    try {
      await finishLog(logs, { runId, taskId, attempt }, lines, clock.now())
    } catch (error) {
      log.warn({ err: error, run: runId, task: taskId, attempt }, 'the log of an attempt could not be gone on with')
    }
  }
}
