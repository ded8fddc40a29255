import type { QueuedTask } from '../store/store.js'
import type { Queue, QueueListener } from './queue.js'

/** Hints inside one process: the embedded form, where scheduler and worker are neighbours. */
export class LocalQueue implements Queue, QueueListener {
  readonly #wakes = new Set<(queues: ReadonlySet<string>) => Promise<void>>()
  readonly #asks = new Set<() => ReadonlySet<string>>()
  readonly #stops = new Set<(attempt: { runId: string; taskId: string; attempt: number }) => void>()

  onWork(wake: (queues: ReadonlySet<string>) => Promise<void>): void {
    this.#wakes.add(wake)
  }

  onExpected(ask: () => ReadonlySet<string>): void {
    this.#asks.add(ask)
  }

  onStop(stop: (attempt: { runId: string; taskId: string; attempt: number }) => void): void {
    this.#stops.add(stop)
  }

  async dispatch(tasks: QueuedTask[]): Promise<void> {
    if (tasks.length === 0) return
    const queues = new Set(tasks.map((task) => task.queue))
    for (const wake of this.#wakes) void wake(queues)
  }

  expect(): ReadonlySet<string> {
    return new Set([...this.#asks].flatMap((ask) => [...ask()]))
  }

  async stop(attempts: { runId: string; taskId: string; attempt: number }[]): Promise<void> {
    for (const attempt of attempts) for (const stop of this.#stops) stop(attempt)
  }

  async close(): Promise<void> {
    this.#wakes.clear()
    this.#asks.clear()
    this.#stops.clear()
  }
}
