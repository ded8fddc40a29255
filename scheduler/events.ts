import type { RunState, TaskState } from './core/model.js'

/** What has just been made durable. Listeners redraw; they never decide anything from it. */
export type SluiceEvent =
  | { kind: 'task'; dagId: string; runId: string; taskId: string; state: TaskState }
  | { kind: 'run'; dagId: string; runId: string; state: RunState }
  | { kind: 'progress'; runId: string; taskId: string; attempt: number }
  | { kind: 'log'; runId: string; taskId: string; attempt: number; lines: number }
  | { kind: 'sla'; dagId: string; runId: string }
  | { kind: 'dags' }
  /** alerts were raised, or a message was sent or not */
  | { kind: 'alerts' }

/** In-process announcements from the scheduler and the worker to the web view. A slow listener loses nothing durable. */
export class Events {
  readonly #listeners = new Set<(event: SluiceEvent) => void>()

  emit(event: SluiceEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: (event: SluiceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
