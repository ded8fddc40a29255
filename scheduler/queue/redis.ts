import type { Json } from '../../json.js'
import { type Clock, systemClock } from '../clock.js'
import type { QueuedTask } from '../store/store.js'
import type { Queue } from './queue.js'
import type { Hint, RedisLink } from './redis-link.js'

/** Channel of the attempts that are to stop. */
export const STOP_CHANNEL = 'stop'

/**
 * What the sweep repeats after this long is another hint: the first may be in the hand of a worker that has died, and Redis takes no
 * second one of its name. So many are kept beside each other at most, while no worker reads them.
 */
const ANOTHER_AFTER_MS = 5_000
const BESIDE_EACH_OTHER = 4

/** The queue of hints that the workers of one queue share: each hint reaches one of them. */
export function workQueue(queue: string): string {
  return `work.${queue}`
}

/** The scheduler's end: tells workers on any machine that there is work, and which attempts are to stop. */
export class RedisQueue implements Queue {
  readonly #link: RedisLink
  readonly #clock: Pick<Clock, 'now'>

  constructor(link: RedisLink, clock: Pick<Clock, 'now'> = systemClock) {
    this.#link = link
    this.#clock = clock
  }

  async dispatch(tasks: QueuedTask[]): Promise<void> {
    const byQueue = new Map<string, Hint[]>()
    const turn = Math.floor(this.#clock.now() / ANOTHER_AFTER_MS) % BESIDE_EACH_OTHER
    for (const { queue, runId, taskId, attempt } of tasks) {
      const hint = { id: `${runId}~${taskId}~${attempt}~${turn}`, data: {} }
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
