import type { Instant } from '../../json.js'

interface Scheduled {
  at: Instant
  /** breaks ties, so that the order is total */
  order: number
  run: () => void
}

/** The simulation's one queue of events: nothing asynchronous happens but through it. A binary heap by (instant, order). */
export class VirtualTime {
  #now: Instant
  #order = 0
  readonly #heap: Scheduled[] = []

  constructor(start: Instant) {
    this.#now = start
  }

  get now(): Instant {
    return this.#now
  }

  schedule(at: Instant, run: () => void): void {
    this.#order += 1
    this.#heap.push({ at: Math.max(at, this.#now), order: this.#order, run })
    this.#rise(this.#heap.length - 1)
  }

  /**
   * Runs events until `until` (exclusive) or none is left. After each, everything it made possible happens before the
   * next: Node looks at `nextTick` once all microtasks have run.
   */
  async runUntil(until: Instant, enough: () => boolean): Promise<void> {
    while (!enough()) {
      const first = this.#heap[0]
      if (first === undefined || first.at >= until) break
      this.#pop()
      this.#now = first.at
      first.run()
      await new Promise<void>((resolve) => process.nextTick(resolve))
    }
    if (!enough()) this.#now = until
  }

  #rise(from: number): void {
    let child = from
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!this.#before(child, parent)) return
      this.#swap(child, parent)
      child = parent
    }
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    let parent = 0
    for (;;) {
      const left = 2 * parent + 1
      const smaller = left + 1 < this.#heap.length && this.#before(left + 1, left) ? left + 1 : left
      if (smaller >= this.#heap.length || !this.#before(smaller, parent)) return
      this.#swap(smaller, parent)
      parent = smaller
    }
  }

  #before(a: number, b: number): boolean {
    const first = this.#heap[a]
    const second = this.#heap[b]
    if (first === undefined || second === undefined) return false
    return first.at < second.at || (first.at === second.at && first.order < second.order)
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a]
    const second = this.#heap[b]
    if (first === undefined || second === undefined) return
    this.#heap[a] = second
    this.#heap[b] = first
  }
}
