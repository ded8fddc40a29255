import { Worker as HintReader } from 'bullmq'
import type { Json } from '../../json.js'
import type { AttemptOutcome } from '../core/model.js'
import type { RedisLink } from './redis-link.js'

const QUEUE = 'scheduler'
/** A hint only asks, which takes no time; asked for more at once, BullMQ looks for a second one before it hands over the first. */
const AT_ONCE = 1
/** Outcomes with more than this are loaded from the store instead of being carried along. */
const CARRIED_BYTES = 16_384

export type Recorded = { runId: string; outcome: AttemptOutcome }

type WakeMessage = { kind: 'run'; runId: string } | { kind: 'all' } | { kind: 'recorded'; outcomes: Recorded[] }

/** What wakes a scheduler from another process: each message reaches one of the schedulers. */
export class SchedulerBell {
  readonly #link: RedisLink

  constructor(link: RedisLink) {
    this.#link = link
  }

  /** the run has changed: settle it now */
  run(runId: string): void {
    this.#ring([{ kind: 'run', runId }])
  }

  /** something may be due or startable */
  all(): void {
    this.#ring([{ kind: 'all' }])
  }

  /** outcomes that the store has recorded */
  recorded(outcomes: readonly Recorded[]): void {
    const byRun = new Map<string, Recorded[]>()
    for (const one of outcomes) byRun.set(one.runId, [...(byRun.get(one.runId) ?? []), one])
    this.#ring(
      [...byRun].map(([runId, ofRun]): WakeMessage => {
        const carried = JSON.stringify(ofRun).length <= CARRIED_BYTES
        return carried ? { kind: 'recorded', outcomes: ofRun } : { kind: 'run', runId }
      }),
    )
  }

  #ring(messages: WakeMessage[]): void {
    void this.#link.add(
      QUEUE,
      messages.map((message) => ({ data: message as unknown as Json })),
    )
  }
}

export interface Wakeable {
  run(runId: string): void
  all(): void
  recorded(outcomes: readonly Recorded[]): void
}

/** Hands what other processes ring for to the scheduler in this one. @returns a function that ends it */
export function listenForBell(link: RedisLink, scheduler: Wakeable): () => Promise<void> {
  const reader = new HintReader(
    QUEUE,
    async ({ data }: { data: WakeMessage }) => {
      if (data.kind === 'run') scheduler.run(data.runId)
      else if (data.kind === 'all') scheduler.all()
      else scheduler.recorded(data.outcomes)
    },
    {
      connection: link.patient,
      prefix: link.prefix,
      concurrency: AT_ONCE,
      skipVersionCheck: true,
      skipStalledCheck: true,
    },
  )
  reader.on('error', () => undefined)
  return () => reader.close(true)
}
