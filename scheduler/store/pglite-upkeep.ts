/** Work (see `requestDone`) until the tables are vacuumed for the first time: a fresh store's statements were planned when they were empty. */
const FIRST = 1_000
const USUAL = 20_000
/** A vacuum that takes a millisecond longer comes after this much more work, so that it takes a small share of the time. */
const WORK_PER_MS = 100

export interface UpkeepDatabase {
  /** the tables of the store */
  tables(): Promise<string[]>
  vacuum(table: string): Promise<void>
}

/**
 * What PostgreSQL's autovacuum does, which PGlite has not: without it rows that have been replaced stay for ever, and a
 * statement that was planned on empty tables reads them whole when they have grown (20 ms instead of 0.5 with 30,000 attempts).
 * The owner of the database calls `requestDone` between two requests; one table is vacuumed at a time.
 */
export class Upkeep {
  readonly #database: UpkeepDatabase
  readonly #elapsed: () => number
  #work = 0
  #due = FIRST
  #next = FIRST * 4
  #running = false
  #left: string[] = []
  #tookMs = 0

  /** @param elapsed milliseconds since any fixed moment */
  constructor(database: UpkeepDatabase, elapsed: () => number) {
    this.#database = database
    this.#elapsed = elapsed
  }

  /**
   * Counts a request, and vacuums a table when it is time.
   * @param work about how many rows the request may have changed
   */
  async requestDone(work: number): Promise<void> {
    this.#work += work
    if (this.#work < this.#due) return
    if (!this.#running) this.#left = await this.#database.tables()
    this.#running = true
    const table = this.#left.pop()
    if (table === undefined) this.#finish()
    else await this.#vacuum(table)
  }

  async #vacuum(table: string): Promise<void> {
    const before = this.#elapsed()
    await this.#database.vacuum(table)
    this.#tookMs += this.#elapsed() - before
  }

  #finish(): void {
    this.#due = Math.max(this.#next, Math.round(this.#tookMs * WORK_PER_MS))
    this.#next = Math.min(this.#next * 4, USUAL)
    this.#work = 0
    this.#tookMs = 0
    this.#running = false
  }
}
