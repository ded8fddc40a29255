import type { Json } from '../../json.js'
import type { QueuedTask } from '../store/store.js'
import type { Queue } from './queue.js'
import type { Hint, RedisLink } from './redis-link.js'

/** Channel of the attempts that are to stop. */
export const STOP_CHANNEL = 'stop'

/** The queue of hints that the workers of one queue share: each hint reaches one of them. */
export function workQueue(queue: string): string {
  return `work.${queue}`
}

/** The scheduler's end: tells workers on any machine that there is work, and which attempts are to stop. */
export class RedisQueue implements Queue {
  readonly #link: RedisLink

  constructor(link: RedisLink) {
    this.#link = link
  }

  async dispatch(tasks: QueuedTask[]): Promise<void> {
    const byQueue = new Map<string, Hint[]>()
    for (const { queue, runId, taskId, attempt } of tasks) {
      // repeated by the sweep while a first hint still waits, it is one hint
      const hint = { id: `${runId}~${taskId}~${attempt}`, data: {} }
      byQueue.set(queue, [...(byQueue.get(queue) ?? []), hint])
    }
    const hints = [...byQueue].map(([queue, ofQueue]) => this.#link.add(workQueue(queue), ofQueue))
    await Promise.all(hints)
  }

  async stop(attempts: { runId: string; taskId: string; attempt: number }[]): Promise<void> {
    if (attempts.length > 0) await this.#link.publish(STOP_CHANNEL, attempts satisfies Json)
  }

  /** The link is not ours to close. */
  async close(): Promise<void> {}
}
