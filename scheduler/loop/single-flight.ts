/**
 * A job that never runs beside itself: a request while it runs makes it run once more afterwards, however many requests
 * there were. So a burst costs one extra pass and no request is forgotten.
 */
export class SingleFlight {
  readonly #job: () => Promise<void>
  #again = false
  #flight: Promise<void> | null = null

  /** @param job must not reject: it deals with its own failures */
  constructor(job: () => Promise<void>) {
    this.#job = job
  }

  request(): void {
    this.#again = true
    this.#flight ??= this.#fly()
  }

  get isIdle(): boolean {
    return this.#flight === null
  }

  /** resolves once nothing is running or asked for */
  async idle(): Promise<void> {
    while (this.#flight !== null) await this.#flight
  }

  async #fly(): Promise<void> {
    // lets requests of the same turn join this pass
    await null
    while (this.#again) {
      this.#again = false
      await this.#job()
    }
    this.#flight = null
  }
}
