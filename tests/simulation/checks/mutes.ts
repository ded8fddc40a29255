import type { Instant } from '../../../json.js'
import type { Alert } from '../../../scheduler/store/alert-store.js'
import type { History } from '../history.js'
import type { Tables } from '../memory-store/index.js'
import type { StoreCall } from '../remote-store.js'

interface Muted {
  dagId: string
  taskId: string | null
  from: Instant
  until: Instant
}

/** Nothing goes out while it is muted, what is raised meanwhile never does, and nothing else is left out. */
export class MutesCheck {
  readonly #history: History
  readonly #mutes = new Map<number, Muted>()
  /** deliveries whose fate was judged: `alert destination` */
  readonly #judged = new Set<string>()

  constructor(history: History) {
    this.#history = history
  }

  /** @param tables after the call */
  observe(call: StoreCall, tables: Tables): void {
    if (call.method === 'muteAlerts') {
      const [{ dagId, taskId, until }, from] = call.args
      this.#mutes.set(call.result, { dagId, taskId, from, until })
    } else if (call.method === 'endMute') {
      const muted = this.#mutes.get(call.args[0])
      if (muted !== undefined) muted.until = Math.min(muted.until, call.args[1])
    } else if (call.method === 'makeMessages') this.#made(tables, call.args[1])
  }

  #made({ alerts, deliveries }: Tables, now: Instant): void {
    const byId = new Map(alerts.map((alert) => [alert.id, alert]))
    for (const { alertId, destination, state } of deliveries) {
      const alert = byId.get(alertId)
      const name = `${alertId} ${destination}`
      if (alert === undefined || (state !== 'in_message' && state !== 'muted') || this.#judged.has(name)) continue
      this.#judged.add(name)
      // one that was written holds, also for who looked at the clock before and was held up
      const isNow = this.#isMuted(alert, ({ until }) => now < until)
      const wasThen = this.#isMuted(alert, ({ from, until }) => from <= alert.raisedAt && alert.raisedAt < until)
      const what = `${alert.key}, raised at ${alert.raisedAt}, to ${destination} at ${now}`
      if (state === 'in_message' && isNow) this.#history.violated('muted is not sent', what)
      if (state === 'in_message' && wasThen) this.#history.violated('raised while muted is never sent', what)
      if (state === 'muted' && !isNow && !wasThen) this.#history.violated('only what is muted is left out', what)
    }
  }

  #isMuted({ dagId, taskId }: Alert, holds: (mute: Muted) => boolean): boolean {
    return [...this.#mutes.values()].some((mute) => {
      const covers = mute.dagId === dagId && (mute.taskId === null || mute.taskId === taskId)
      return covers && holds(mute)
    })
  }
}
