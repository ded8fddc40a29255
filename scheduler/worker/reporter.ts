import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import type { AttemptOutcome } from '../core/model.js'
import type { Log } from '../loop/ports.js'
import type { AttemptFacts, ClaimRef, Store } from '../store/store.js'
import { NO_FACTS } from './execution.js'
import { refusesValues } from './patience.js'

export type Report = ClaimRef & { outcome: AttemptOutcome; facts: AttemptFacts }

/** Between two tries to reach a store that did not take all; leases go on meanwhile. */
const RETRY_MS = 500
/** An outcome that could not be written so often together with others is written alone, so that it keeps none of them back. */
const ALONE_AFTER = 2
/** A single outcome whose values were refused so often is recorded without what its operator has added. */
const PLAIN_AFTER = 20

interface Pending {
  report: Report
  failures: number
  /** times that the store has refused what stands in it, and nothing else */
  refusals: number
}

/**
 * Brings outcomes into the store. What comes while a write is under way goes with the next one, so a burst costs few
 * writes; a write that failed is repeated, which the store allows, until it has succeeded. However long the store is away, an
 * outcome stays what it is.
 */
export class Reporter {
  readonly #store: Pick<Store, 'recordOutcomes'>
  readonly #clock: Clock
  readonly #log: Log
  readonly #recorded: (reports: readonly Report[]) => void
  readonly #inOrder: boolean
  #pending: Pending[] = []
  #flight: Promise<void> | null = null
  #closed = false

  /**
   * @param recorded is told what has been accepted, as soon as it is durable
   * @param inOrder the store works in order: `recorded` is told what is being written, and what it asks of the store comes
   *   after the write, which the store may have refused
   */
  constructor(
    store: Pick<Store, 'recordOutcomes'>,
    clock: Clock,
    log: Log,
    recorded: (reports: readonly Report[]) => void,
    inOrder = false,
  ) {
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#recorded = recorded
    this.#inOrder = inOrder
  }

  report(report: Report): void {
    this.#pending.push({ report, failures: 0, refusals: 0 })
    this.#flight ??= this.#fly()
  }

  /** claims whose outcome is not recorded yet: their leases must not run out */
  pending(): readonly ClaimRef[] {
    return this.#pending.map(({ report }) => report)
  }

  /** resolves once everything reported so far is recorded */
  async idle(): Promise<void> {
    while (this.#flight !== null) await this.#flight
  }

  /**
   * Waits up to `withinMs` for what is still to be recorded, then gives up.
   * @returns claims of which no outcome is known to be recorded; a write that is under way may yet succeed
   */
  async close(withinMs: number): Promise<readonly ClaimRef[]> {
    const bound = new AbortController()
    const late = delay(withinMs, undefined, { signal: bound.signal }).catch(() => undefined)
    await Promise.race([this.idle(), late])
    bound.abort()
    this.#closed = true
    return this.pending()
  }

  /** Goes on until all is recorded, or there is nobody left to wait for it. */
  async #fly(): Promise<void> {
    // outcomes of the same turn go together
    await null
    while (this.#pending.length > 0 && !this.#closed) {
      if (!(await this.#writeAll())) await this.#pause()
    }
    this.#flight = null
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.at(this.#clock.now() + RETRY_MS, resolve))
  }

  /** @returns false as soon as the store has not taken something */
  async #writeAll(): Promise<boolean> {
    const together = this.#pending.filter(({ failures }) => failures < ALONE_AFTER)
    const alone = this.#pending.filter(({ failures }) => failures >= ALONE_AFTER)
    if (together.length > 0 && !(await this.#write(together))) return false
    for (const one of alone) {
      if (this.#closed) return false
      if (await this.#write([one])) continue
      // next time all others come before it
      this.#pending = [...this.#pending.filter((other) => other !== one), one]
      return false
    }
    return true
  }

  /** @returns whether the store has answered; what it has not taken stays pending */
  async #write(batch: readonly Pending[]): Promise<boolean> {
    try {
      await this.#record(batch.map(({ report }) => report))
      const written = new Set(batch)
      this.#pending = this.#pending.filter((one) => !written.has(one))
      return true
    } catch (error) {
      this.#log.error({ err: error, outcomes: batch.length }, 'outcomes could not be recorded; trying again')
      for (const one of batch) one.failures += 1
      const [one] = batch
      if (one !== undefined && batch.length === 1 && refusesValues(error)) this.#refused(one)
      return false
    }
  }

  #refused(one: Pending): void {
    one.refusals += 1
    if (one.refusals !== PLAIN_AFTER) return
    const { runId: run, taskId: task, attempt } = one.report
    this.#log.error({ run, task, attempt }, 'the store refuses an outcome; it is recorded without outputs and facts')
    one.report = plain(one.report)
  }

  async #record(reports: readonly Report[]): Promise<void> {
    const writing = this.#store.recordOutcomes([...reports], this.#clock.now())
    if (this.#inOrder) this.#recorded(reports)
    const answers = await writing
    for (const [index, { runId: run, taskId: task, attempt, outcome }] of reports.entries()) {
      if (answers[index] === 'recorded') continue
      this.#log.warn({ run, task, attempt, result: outcome.result }, 'the claim was lost; the outcome is refused')
    }
    if (this.#inOrder) return
    const accepted = reports.filter((_, index) => answers[index] === 'recorded')
    if (accepted.length > 0) this.#recorded(accepted)
  }
}

/** The outcome without what an operator has added to it: what a store refuses again and again is in there. */
function plain(report: Report): Report {
  const { logLines, logBytes } = report.facts
  const facts = { ...NO_FACTS, logLines, logBytes }
  const { outcome } = report
  if (outcome.result !== 'success') return { ...report, facts, outcome: { ...outcome, outputs: {} } }
  const reason = 'the task succeeded, but the store refuses its outputs or facts'
  return { ...report, facts, outcome: { ...outcome, result: 'failed', reason, retryable: false, outputs: {} } }
}
