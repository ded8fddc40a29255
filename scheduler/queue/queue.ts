import type { QueuedTask } from '../store/store.js'

/**
 * Tells workers that there is work. It carries hints only: the store is the truth, a lost hint is found by the sweep, a
 * doubled one finds nothing to claim (ADR 13).
 */
export interface Queue {
  /** resolves once the hints are handed over; never throws for a queue that is away (the sweep repeats them) */
  dispatch(tasks: QueuedTask[]): Promise<void>
  /**
   * Tasks are about to be queued by a store that works in order, which is asked for it before anything else gets its turn: a
   * worker in this process may ask for its work right behind it.
   * @returns the queues that it has asked for, which need no hint afterwards; absent: no worker is so near
   */
  expect?(): ReadonlySet<string>
  /** asks whoever runs these attempts to stop them at once; the heartbeat is the safety net */
  stop(attempts: { runId: string; taskId: string; attempt: number }[]): Promise<void>
  close(): Promise<void>
}

/** The worker's end of the queue. */
export interface QueueListener {
  /**
   * @param wake is told the names of the queues in which there may be work; it resolves once this worker has a free place,
   *   so that hints which come one by one can be left to others until then
   */
  onWork(wake: (queues: ReadonlySet<string>) => Promise<void>): void
  /** @param ask asks the store for work before anything else is asked of it, and returns the queues it asks for */
  onExpected?(ask: () => ReadonlySet<string>): void
  onStop(stop: (attempt: { runId: string; taskId: string; attempt: number }) => void): void
}
