import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 100

/** Looks until there is an answer. @throws when there is none in time */
export async function eventually<T>(withinMs: number, look: () => Promise<T | null>): Promise<T> {
  const until = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms`)
    await delay(LOOK_EVERY_MS)
  }
}
