import type { History } from './history.js'

/**
 * The table that tasks write to, as Delta does it by commit token: a commit whose token is there already does
 * nothing, so that a retried, doubled or zombie attempt adds no rows.
 */
export class Lake {
  readonly #history: History
  readonly #checksToken: boolean
  readonly #commits = new Map<string, number>()

  constructor(history: History, options: { checksToken: boolean }) {
    this.#history = history
    this.#checksToken = options.checksToken
  }

  commit(token: string, attempt: number): void {
    const before = this.#commits.get(token) ?? 0
    if (before > 0 && this.#checksToken) {
      this.#history.record('lake', `${token} is there already, attempt ${attempt} adds nothing`)
      return
    }
    this.#commits.set(token, before + 1)
    this.#history.record('lake', `commit ${token} by attempt ${attempt}`)
    if (before > 0) this.#history.violated('one commit per token', `${token} was committed ${before + 1} times`)
  }

  has(token: string): boolean {
    return this.#commits.has(token)
  }
}
