import { type Instant, isoInstant } from '../../../json.js'
import type { History } from '../history.js'
import type { Tables } from '../memory-store/index.js'
import type { StoreCall } from '../remote-store.js'

/** docs/guides/alerts.md: a worker that was not heard of for a minute */
const SILENT_MS = 60_000
/** longer than from the end of that minute to the next sweep and its writing */
const TOLD_MS = 15_000
/** whom the project names: `projectAlerts` of the simulation */
const PROJECT = 'email ops@example.com'

/**
 * Workers without a heartbeat. Whoever looks tells of just those that were silent for a minute when the store answered, each
 * silence is told once, and one that lasts is told. Who has signed off is missed by nobody.
 */
export class SilencesCheck {
  readonly #history: History
  /** by worker: its last heartbeat that came to the store, whatever came behind it having been held up on its way */
  readonly #heard = new Map<string, Instant>()
  /** by host and instant of a look: the silences that it shows */
  readonly #looks = new Map<string, string[]>()
  readonly #told = new Set<string>()

  constructor(history: History) {
    this.#history = history
  }

  observe(call: StoreCall): void {
    if (call.method === 'heartbeat') this.#beat(call.args[0].id, call.args[2].now)
    else if (call.method === 'removeWorker') this.#heard.delete(call.args[0])
    else if (call.method === 'workers') this.#looks.set(`${call.host} ${call.args[0]}`, this.#silences(call.args[0]))
    else if (call.method === 'raiseAlerts') this.#raised(call)
  }

  #beat(worker: string, at: Instant): void {
    this.#heard.set(worker, Math.max(at, this.#heard.get(worker) ?? at))
  }

  #silences(now: Instant): string[] {
    const silent = [...this.#heard].filter(([, heardAt]) => now - heardAt >= SILENT_MS)
    return silent.map(([worker, heardAt]) => silence(worker, heardAt))
  }

  #raised({ args: [events, now], host }: Extract<StoreCall, { method: 'raiseAlerts' }>): void {
    const told = events.flatMap((event) => {
      if (event.kind !== 'worker_gone') return []
      if (event.destinations.join() !== PROJECT) this.#violated('silences are told to the project', event.key)
      return `${event.subject} since ${event.payload.since}`
    })
    if (told.length === 0) return
    const shown = this.#looks.get(`${host} ${now}`) ?? []
    for (const one of told) if (!shown.includes(one)) this.#violated('only the silent are told of', one)
    for (const one of shown) if (!told.includes(one)) this.#violated('every silence is told', `${one} was seen`)
    for (const one of told) this.#told.add(one)
  }

  /** Nothing is left to be told: a worker beats, or its silence has been told. */
  isOver(now: Instant): boolean {
    return [...this.#heard].every(([worker, at]) => now - at < TOLD_MS || this.#told.has(silence(worker, at)))
  }

  end({ alerts }: Tables, now: Instant): void {
    const raised = new Set<string>()
    for (const { kind, subject, payload } of alerts) {
      if (kind !== 'worker_gone') continue
      const one = `${subject} since ${payload.since}`
      if (raised.has(one)) this.#violated('a silence is told once', one)
      raised.add(one)
    }
    for (const one of this.#told) if (!raised.has(one)) this.#violated('every silence is told', `${one}: no alert`)
    for (const [worker, heardAt] of this.#heard) {
      if (now - heardAt < SILENT_MS + TOLD_MS || raised.has(silence(worker, heardAt))) continue
      this.#violated('every silence is told', silence(worker, heardAt))
    }
  }

  #violated(invariant: string, message: string): void {
    this.#history.violated(invariant, message)
  }
}

const silence = (worker: string, heardAt: Instant): string => `worker ${worker} since ${isoInstant(heardAt)}`
