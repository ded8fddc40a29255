import { Worker as HintReader } from 'bullmq'
import type { Json } from '../../json.js'
import type { QueueListener } from './queue.js'
import { STOP_CHANNEL, workQueue } from './redis.js'
import type { RedisLink } from './redis-link.js'

const HELD_MS = 30_000

interface StopRequest {
  runId: string
  taskId: string
  attempt: number
}

/**
 * The worker's end. A hint is held until the worker has room again, so that one with no free place takes at most one hint
 * of each queue and leaves the others to its neighbours.
 */
export class RedisWork implements QueueListener {
  readonly #link: RedisLink
  readonly #queues: readonly string[]
  readonly #heldMs: number
  readonly #readers: HintReader[] = []

  /** @param heldMs after which a hint counts as lost whose reader has said nothing more */
  constructor(link: RedisLink, queues: readonly string[], heldMs = HELD_MS) {
    this.#link = link
    this.#queues = queues
    this.#heldMs = heldMs
  }

  onWork(wake: (queues: ReadonlySet<string>) => Promise<void>): void {
    for (const queue of this.#queues) {
      const reader = new HintReader(workQueue(queue), () => wake(new Set([queue])), {
        connection: this.#link.patient,
        prefix: this.#link.prefix,
        concurrency: 1,
        skipVersionCheck: true,
        // one that its reader took to its grave goes to another; the scheduler's sweep has repeated it long before
        lockDuration: this.#heldMs,
        stalledInterval: this.#heldMs,
      })
      // a Redis that was wiped, restarted or cut off shows here; the link tells people
      reader.on('error', () => undefined)
      this.#readers.push(reader)
    }
  }

  onStop(stop: (attempt: StopRequest) => void): void {
    this.#link.subscribe(STOP_CHANNEL, (message) => {
      for (const request of stopRequests(message)) stop(request)
    })
  }

  /** Takes no more hints. */
  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close(true)))
  }
}

function stopRequests(message: Json): StopRequest[] {
  return Array.isArray(message) ? (message as unknown as StopRequest[]) : []
}
