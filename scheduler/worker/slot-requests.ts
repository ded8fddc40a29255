import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { ToSlot } from './protocol.js'
import type { SlotPool } from './slot-pool.js'

/** What slots are asked besides attempts, until they answer, die or take too long. */
export class SlotRequests<Answer> {
  readonly #pool: Pick<SlotPool, 'take' | 'release'>
  readonly #clock: Clock
  readonly #answers = new Map<string, (answer: Answer | null) => void>()

  constructor({ pool, clock }: { pool: Pick<SlotPool, 'take' | 'release'>; clock: Clock }) {
    this.#pool = pool
    this.#clock = clock
  }

  /**
   * Asks a slot and gives it back.
   * @param withinMs after which `late` is the answer
   * @returns null when the slot has died, or everything was dropped
   */
  async ask(
    weight: Parameters<SlotPool['take']>[1],
    message: (token: string) => ToSlot,
    withinMs: number,
    late: Answer | null,
  ): Promise<Answer | null> {
    const token = randomUUID()
    const slot = this.#pool.take(token, weight)
    let forget: () => void = () => undefined
    const answered = new Promise<Answer | null>((resolve) => {
      this.#answers.set(token, resolve)
      forget = this.#clock.at(this.#clock.now() + withinMs, () => resolve(late))
    })
    slot.send(message(token))
    const answer = await answered
    forget()
    this.#answers.delete(token)
    this.#pool.release(slot, token)
    return answer
  }

  heard(token: string, answer: Answer): void {
    this.#answers.get(token)?.(answer)
  }

  /** the slot that had these tokens is gone */
  gone(tokens: Iterable<string>): void {
    for (const token of tokens) this.#answers.get(token)?.(null)
  }

  /** waits for nothing more */
  drop(): void {
    for (const answer of this.#answers.values()) answer(null)
  }
}
