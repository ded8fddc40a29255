import { randomUUID } from 'node:crypto'
import type { Json } from '../../json.js'
import type { Events, SluiceEvent } from '../events.js'
import type { RedisLink } from './redis-link.js'

const CHANNEL = 'events'
/** Events of this long go together; pages redraw no quicker. */
const GATHER_MS = 20
/** What more there is between two messages is left out: pages read the store again with the next one. */
const GATHERED_AT_MOST = 2_000

/**
 * Joins the announcements of all processes: what one emits is heard in all, so that pages are live wherever work happens.
 * @returns a function that ends it
 */
export function shareEvents(link: RedisLink, events: Events): () => void {
  const origin = randomUUID()
  let hearing = false
  let gathered: SluiceEvent[] = []
  let timer: NodeJS.Timeout | null = null
  const send = () => {
    timer = null
    const message = { from: origin, events: gathered as unknown as Json }
    gathered = []
    void link.publish(CHANNEL, message)
  }
  const unsubscribe = events.subscribe((event) => {
    if (hearing || gathered.length >= GATHERED_AT_MOST) return
    gathered.push(event)
    timer ??= setTimeout(send, GATHER_MS)
  })
  link.subscribe(CHANNEL, (message) => {
    const { from, events: heard } = message as unknown as { from: string; events: SluiceEvent[] }
    if (from === origin) return
    hearing = true
    for (const event of heard) events.emit(event)
    hearing = false
  })
  return () => {
    unsubscribe()
    if (timer !== null) clearTimeout(timer)
  }
}
