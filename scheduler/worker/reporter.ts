import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import type { AttemptOutcome } from '../core/model.js'
import type { Log } from '../loop/ports.js'
import type { AttemptFacts, ClaimRef, Store } from '../store/store.js'
import { NO_FACTS } from './execution.js'

export type Report = ClaimRef & { outcome: AttemptOutcome; facts: AttemptFacts }

/** Between two tries to reach a store that refused; leases go on meanwhile. */
const RETRY_MS = 500
/** A single outcome that was refused so often is recorded without what its operator has added. */
const PLAIN_AFTER = 20

/**
 * Brings outcomes into the store. What comes while a write is under way goes with the next one, so a burst costs few
 * writes; a write that failed is repeated, which the store allows, until it has succeeded.
 */
export class Reporter {
  readonly #store: Pick<Store, 'recordOutcomes'>
  readonly #clock: Clock
  readonly #log: Log
  readonly #recorded: (reports: readonly Report[]) => void
  readonly #inOrder: boolean
  #waiting: Report[] = []
  #writing: Report[] = []
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
    this.#waiting.push(report)
    this.#flight ??= this.#fly()
  }

  /** claims whose outcome is not recorded yet: their leases must not run out */
  pending(): readonly ClaimRef[] {
    return [...this.#writing, ...this.#waiting]
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

  async #fly(): Promise<void> {
    // outcomes of the same turn go together
    await null
    while (this.#waiting.length > 0) {
      this.#writing = this.#waiting
      this.#waiting = []
      await this.#write(this.#writing)
      this.#writing = []
    }
    this.#flight = null
  }

  /** Repeats the write until it has succeeded, or there is nobody left to wait for it. */
  async #write(reports: Report[]): Promise<void> {
    for (let tries = 1; !this.#closed; tries += 1) {
      try {
        return await this.#record(reports)
      } catch (error) {
        this.#log.error({ err: error, outcomes: reports.length }, 'outcomes could not be recorded; trying again')
        // one that the store cannot take must not keep the others from being recorded
        if (reports.length > 1 && tries > 1) return this.#writeEach(reports)
        if (tries === PLAIN_AFTER) reports = reports.map(plain)
        await this.#pause()
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.at(this.#clock.now() + RETRY_MS, resolve))
  }

  async #writeEach(reports: Report[]): Promise<void> {
    const refused: Report[] = []
    for (const report of reports) {
      try {
        await this.#record([report])
      } catch (error) {
        this.#log.error({ err: error, run: report.runId, task: report.taskId }, 'an outcome could not be recorded')
        refused.push(report)
      }
    }
    for (const report of refused) await this.#write([report])
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
