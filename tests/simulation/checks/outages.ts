import { GRACE_MS } from '../../../scheduler/loop/reaper.js'
import type { History } from '../history.js'
import type { Outage } from '../outage.js'
import type { StoreCall } from '../remote-store.js'

/** An outage of the store is nobody's silence: when it is over whoever is alive can say so before its lease counts as lost. */
export class OutagesCheck {
  readonly #history: History
  readonly #outage: Outage | null

  constructor(history: History, outage: Outage | null) {
    this.#history = history
    this.#outage = outage
  }

  observe(call: StoreCall): void {
    if (call.method !== 'reapExpired' || call.result.length === 0 || this.#outage === null) return
    const since = this.#history.now - this.#outage.until
    if (since < 0 || since >= GRACE_MS) return
    const runs = call.result.join(', ')
    this.#history.violated('an outage is no silence', `${runs} lost a lease ${since} ms after the store was back`)
  }
}
