import { messageOf } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Channels } from '../../scheduler/alerts/channels.js'
import type { History } from './history.js'
import type { Host } from './host.js'
import type { Prng } from './prng.js'

/** A mail that has arrived. */
export interface ArrivedMail {
  /** of the message, as its Message-ID is made from it */
  key: string
  destination: string
  /** keys of the alerts it tells of */
  alerts: string[]
}

/** The mail server of a simulation: away for a while, slow, and its answers get lost on the way. */
export class MailServer {
  readonly arrived: ArrivedMail[] = []
  readonly #history: History
  readonly #random: Prng
  readonly #away: { from: Instant; to: Instant }

  constructor(history: History, random: Prng, start: Instant) {
    this.#history = history
    this.#random = random
    const from = start + random.int(0, 120_000)
    this.#away = { from, to: from + random.pick([0, 0, 30_000, 200_000]) }
  }

  /** The channels of one process: what it has sent arrives even when the process dies before it hears so. */
  channels(host: Host): Channels {
    return {
      canSend: () => true,
      send: async ({ key, destination }, { alerts }) => {
        await host.sleep(this.#random.int(5, 3_000))
        const now = host.clock.now()
        if (now >= this.#away.from && now < this.#away.to) {
          return { sent: false, permanent: false, problem: 'nobody listens' }
        }
        try {
          await host.request('mail', async () => {
            this.#history.record(host.name, `mail ${key} to ${destination} about ${alerts.length} alerts arrives`)
            this.arrived.push({ key, destination, alerts: alerts.map((alert) => alert.key) })
          })
          return { sent: true, refused: null, problem: '' }
        } catch (error) {
          return { sent: false, permanent: false, problem: messageOf(error) }
        }
      },
    }
  }
}
