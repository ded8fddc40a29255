import { messageOf } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Clock } from '../clock.js'
import { dueDestinations, GIVE_UP_MS, retryDelayMs } from '../core/alert-batches.js'
import type { Events } from '../events.js'
import { Alarms } from '../loop/alarms.js'
import type { Log } from '../loop/ports.js'
import { SingleFlight } from '../loop/single-flight.js'
import type { ClaimedMessage, MessageEnd } from '../store/alert-store.js'
import type { Store } from '../store/store.js'
import type { AttemptLogs } from '../worker/log-reader.js'
import type { Channels, Sent } from './channels.js'
import { DETAILED_ALERTS, NAMED_ALERTS } from './digest.js'
import { gatherFacts } from './facts.js'

/** The outbox is looked at so often even when nobody says that something waits: another process may have raised it. */
const LOOK_MS = 5_000
/** A message is ours to send for so long; nothing is sent for longer than SEND_MS, so two never send the same. */
const LEASE_MS = 120_000
const SEND_MS = 90_000
/** Between two tries to write down how a sending ended. */
const SETTLE_AGAIN_MS = 1_000
/** What is being sent when everything stops has this long. */
const STOP_MS = 5_000
/** Messages on their way at the same time: each has a connection of its own. */
const AT_ONCE = 8

export interface OutboxPorts {
  store: Store
  channels: Channels
  /** logs of attempts, for their last lines */
  logs: Pick<AttemptLogs, 'tail'>
  clock: Clock
  events: Events
  log: Log
  /** alerts raised within this of the first go out with it, in ms */
  windowMs: number
  debugPoint?: (point: 'message:claimed' | 'message:sent') => Promise<void> | undefined
}

/**
 * Sends alerts. The store is the outbox: what waits there is put into messages, a message is claimed, sent, and its end
 * written down. Any number of these may run at once, and any may be killed at any moment: a message that was claimed is
 * sent by another once the lease is over, under the same Message-ID.
 */
export class AlertOutbox {
  readonly #ports: OutboxPorts
  readonly #alarms: Alarms
  readonly #passes = new SingleFlight(() => this.#pass())
  readonly #sending = new Map<number, Promise<void>>()
  #unsubscribe: () => void = () => undefined
  #stopped = false

  constructor(ports: OutboxPorts) {
    this.#ports = ports
    this.#alarms = new Alarms(ports.clock, () => this.wake())
  }

  start(): void {
    this.#unsubscribe = this.#ports.events.subscribe(({ kind }) => {
      if (kind === 'alerts') this.wake()
    })
    this.wake()
  }

  /** Something may wait to be sent. */
  wake(): void {
    if (!this.#stopped) this.#passes.request()
  }

  /** Takes up nothing new, waits a while for what is being sent, and leaves the rest to whoever finds its lease over. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    this.#alarms.stop()
    const { clock } = this.#ports
    let forget = () => {}
    const late = new Promise<void>((resolve) => {
      forget = clock.at(clock.now() + STOP_MS, resolve)
    })
    await Promise.race([this.idle(), late])
    forget()
  }

  /** Resolves once nothing is under way; timers may still be set. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#passes.idle()
      await Promise.all(this.#sending.values())
      if (this.#passes.isIdle && this.#sending.size === 0) return
    }
  }

  async #pass(): Promise<void> {
    if (this.#stopped) return
    const { store, clock, log } = this.#ports
    let next: Instant | null = null
    try {
      next = await this.#makeMessages()
      const limit = AT_ONCE - this.#sending.size
      const claimed = limit <= 0 ? [] : await store.claimMessages({ now: clock.now(), leaseMs: LEASE_MS, limit })
      for (const message of claimed) this.#begin(message)
      const { nextAttemptAt } = await store.outbox()
      if (nextAttemptAt !== null) next = Math.min(next ?? nextAttemptAt, nextAttemptAt)
    } catch (error) {
      log.error({ err: error }, 'looking at the outbox of alerts failed; trying again')
    }
    const now = clock.now()
    // what is due but beyond our limit is looked at when a sending has ended
    this.#alarms.set('outbox', next === null || next <= now ? now + LOOK_MS : Math.min(next, now + LOOK_MS))
  }

  /** @returns when the next message is to be made; null for not by the clock */
  async #makeMessages(): Promise<Instant | null> {
    const { store, channels, clock, windowMs } = this.#ports
    const { waiting } = await store.outbox()
    const reachable: typeof waiting = []
    for (const one of waiting) {
      if (channels.canSend(one.destination)) reachable.push(one)
      else await store.dropDestination(one.destination)
    }
    const { due, next } = dueDestinations(reachable, clock.now(), { windowMs })
    await store.makeMessages(due, clock.now())
    return next
  }

  #begin(message: ClaimedMessage): void {
    const sending = this.#send(message)
      .catch((error: unknown) => {
        this.#ports.log.error({ err: error, message: message.id }, 'an alert could not be settled; it is sent again')
      })
      .finally(() => {
        this.#sending.delete(message.id)
        this.wake()
      })
    this.#sending.set(message.id, sending)
  }

  async #send(message: ClaimedMessage): Promise<void> {
    const { clock, events, log, debugPoint = () => undefined } = this.#ports
    await debugPoint('message:claimed')
    const sent = await this.#sent(message)
    await debugPoint('message:sent')
    const end = endOf(message, sent, clock.now())
    const outcome = await this.#settled(message, end)
    const fields = { message: message.id, to: message.destination, attempt: message.attempts }
    if (outcome === 'lost_claim') log.warn(fields, 'another sender took over a message while it was being sent')
    else if (end.state === 'sent') log.info(fields, 'sent')
    else log.warn({ ...fields, problem: end.problem }, end.state === 'dead' ? 'given up' : 'not sent; trying again')
    events.emit({ kind: 'alerts' })
  }

  /** A store that does not answer is asked again while the message is ours: one that was sent would be sent twice. */
  async #settled(message: ClaimedMessage, end: MessageEnd): Promise<'settled' | 'lost_claim'> {
    const { store, clock } = this.#ports
    for (;;) {
      try {
        return await store.settleMessage(message, end, clock.now())
      } catch (error) {
        const again = clock.now() + SETTLE_AGAIN_MS
        if (this.#stopped || again >= message.leaseUntil) throw error
        await new Promise<void>((resolve) => clock.at(again, resolve))
      }
    }
  }

  async #sent(message: ClaimedMessage): Promise<Sent> {
    const { store, channels, logs, clock, log } = this.#ports
    let forget = () => {}
    const late = new Promise<Sent>((resolve) => {
      const problem = `not sent within ${SEND_MS / 1_000} s`
      forget = clock.at(clock.now() + SEND_MS, () => resolve({ sent: false, permanent: false, problem }))
    })
    const send = async (): Promise<Sent> => {
      const content = await store.messageContent(message.id, NAMED_ALERTS)
      // all its alerts have been removed since
      if (content.alerts.length === 0) return { sent: false, permanent: true, problem: 'it carries no alert any more' }
      const total = content.counts.reduce((sum, { count }) => sum + count, 0)
      const facts = await Promise.all(
        (total <= DETAILED_ALERTS ? content.alerts : []).map((alert) => {
          const unreadable = (err: unknown) =>
            log.warn({ err, alert: alert.id }, 'the log for an alert could not be read')
          return gatherFacts(store, logs, alert, clock.now(), unreadable)
        }),
      )
      return channels.send(message, content, facts, clock.now())
    }
    const failed = (error: unknown): Sent => ({ sent: false, permanent: false, problem: messageOf(error) })
    try {
      return await Promise.race([send().catch(failed), late])
    } finally {
      forget()
    }
  }
}

function endOf({ attempts, createdAt }: ClaimedMessage, sent: Sent, now: Instant): MessageEnd {
  if (sent.sent) return { state: 'sent', refused: sent.refused, problem: sent.problem }
  const { permanent, problem } = sent
  if (permanent || now - createdAt >= GIVE_UP_MS) return { state: 'dead', problem }
  return { state: 'waiting', retryAt: now + retryDelayMs(attempts), problem }
}
