import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import type { AttemptOutcome } from '../core/model.js'
import type { Log } from '../loop/ports.js'
import type { AttemptFacts, ClaimRef, Store } from '../store/store.js'

export type Report = ClaimRef & { outcome: AttemptOutcome; facts: AttemptFacts }

/** Between two tries to reach a store that refused; leases go on meanwhile. */
const RETRY_MS = 500

/**
 * Brings outcomes into the store. What comes while a write is under way goes with the next one, so a burst costs few
 * writes; a write that failed is repeated, which the store allows, until it has succeeded.
 */
export class Reporter {
  readonly #store: Pick<Store, 'recordOutcomes'>
  readonly #clock: Clock
  readonly #log: Log
  readonly #recorded: (reports: readonly Report[]) => void
  #waiting: Report[] = []
  #writing: Report[] = []
  #flight: Promise<void> | null = null

  /** @param recorded is told what has been accepted, as soon as it is durable */
  constructor(
    store: Pick<Store, 'recordOutcomes'>,
    clock: Clock,
    log: Log,
    recorded: (reports: readonly Report[]) => void,
  ) {
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#recorded = recorded
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

  async #write(reports: Report[]): Promise<void> {
    for (;;) {
      try {
        const answers = await this.#store.recordOutcomes(reports, this.#clock.now())
        const accepted = reports.filter((_, index) => answers[index] === 'recorded')
        for (const [index, { runId: run, taskId: task, attempt, outcome }] of reports.entries()) {
          if (answers[index] === 'recorded') continue
          this.#log.warn({ run, task, attempt, result: outcome.result }, 'the claim was lost; the outcome is refused')
        }
        if (accepted.length > 0) this.#recorded(accepted)
        return
      } catch (error) {
        this.#log.error({ err: error, outcomes: reports.length }, 'outcomes could not be recorded; trying again')
        await delay(RETRY_MS)
      }
    }
  }
}
