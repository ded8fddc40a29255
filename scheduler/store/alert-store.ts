import type { Instant } from '../../json.js'
import type { AlertEvent, AlertKind } from '../core/alert.js'
import type { WaitingDestination } from '../core/alert-batches.js'

/** An alert as it was raised. */
export interface Alert extends Omit<AlertEvent, 'after' | 'destinations'> {
  id: number
  raisedAt: Instant
  acknowledgedBy: string | null
}

/** A message that this scheduler, and no other, sends until `leaseUntil`. */
export interface ClaimedMessage {
  id: number
  /** names the message for ever; its Message-ID is made from it */
  key: string
  destination: string
  /** sendings begun, this one included */
  attempts: number
  createdAt: Instant
  claimToken: string
  leaseUntil: Instant
}

/** What a message carries. */
export interface MessageContent {
  /** the oldest first, at most as many as asked for */
  alerts: Alert[]
  /** how many there are of each kind and DAG, all of them */
  counts: { kind: AlertKind; dagId: string | null; count: number }[]
}

export type MessageEnd =
  /** `refused`: the destination of those whom the server did not take, kept as a dead letter of its own; null for none */
  | { state: 'sent'; refused: string | null; problem: string }
  | { state: 'waiting'; retryAt: Instant; problem: string }
  | { state: 'dead'; problem: string }

export interface Mute {
  id: number
  dagId: string
  /** null for the whole DAG */
  taskId: string | null
  until: Instant
  reason: string
  createdBy: string
  createdAt: Instant
}

/** What has become of an alert for one destination; `off`: nothing can be sent there. */
export type DeliveryState = 'waiting' | 'sent' | 'dead' | 'muted' | 'acknowledged' | 'off'

export interface ListedAlert extends Alert {
  deliveries: { destination: string; state: DeliveryState; messageId: number | null }[]
}

export const MESSAGE_STATES = ['waiting', 'sent', 'dead'] as const
export type MessageState = (typeof MESSAGE_STATES)[number]

export interface ListedMessage extends Omit<ClaimedMessage, 'key' | 'claimToken' | 'leaseUntil'> {
  state: MessageState
  /** alerts that it carries */
  alerts: number
  /** when it is sent, or sent again */
  nextAttemptAt: Instant
  endedAt: Instant | null
  /** why it was not sent, or not to all; '' for nothing */
  problem: string
}

export type AlertChoice = { alertIds: readonly number[] } | { messageId: number } | { dagId: string }

/** Alerts as they are raised, taken note of and muted. */
export interface AlertStore {
  /**
   * Raises alerts: an event whose key is known does nothing, and one with `after` does nothing unless it holds. Where an
   * alert belongs to another change, it is raised in that change's own step (`raisingAlerts` in alerts.ts).
   * @returns keys of those that were raised now
   */
  raiseAlerts(events: readonly AlertEvent[], now: Instant): Promise<string[]>
  /** Somebody has taken note: what was not sent yet is not sent any more. @returns how many were not acknowledged before */
  acknowledgeAlerts(choice: AlertChoice, by: string, now: Instant): Promise<number>
  /**
   * Alerts of the DAG or task that are raised before `until`, or would go into a message before it, are not sent.
   * @returns the id
   */
  muteAlerts(mute: Omit<Mute, 'id' | 'createdAt'>, now: Instant): Promise<number>
  endMute(muteId: number, now: Instant): Promise<'changed' | 'unchanged' | 'unknown'>
  /** those in force, the first to end first */
  mutes(now: Instant): Promise<Mute[]>
  /** Newest first. @param filter `acknowledged`: null for all; `before`: only those older than this id */
  listAlerts(filter: {
    dagId: string | null
    acknowledged: boolean | null
    before: number | null
    limit: number
  }): Promise<ListedAlert[]>
  /** Removes alerts raised before `before` that wait for nothing, and messages that ended before. @returns alerts removed */
  removeAlerts(before: Instant, limit: number): Promise<number>
}

/** The outbox: messages that carry alerts to where they go. Any number of schedulers may send at once. */
export interface AlertMessageStore {
  /** what waits in the outbox; `nextAttemptAt` is the earliest instant at which `claimMessages` would give one */
  outbox(): Promise<{ waiting: WaitingDestination[]; nextAttemptAt: Instant | null }>
  /**
   * Makes one message for each of these destinations, with all its alerts that wait; what is muted or acknowledged is left
   * out for good. A destination with a message under way gets none.
   * @returns how many messages were made
   */
  makeMessages(destinations: readonly string[], now: Instant): Promise<number>
  /** Alerts waiting for a destination that nothing can be sent to (`sluice.yaml` does not name a mail server) stay unsent. */
  dropDestination(destination: string): Promise<void>
  /** Takes messages that are due and that nobody sends, the longest due first. */
  claimMessages(options: { now: Instant; leaseMs: number; limit: number }): Promise<ClaimedMessage[]>
  messageContent(messageId: number, limit: number): Promise<MessageContent>
  /** `lost_claim`: the lease has run out and another has it, or it has ended */
  settleMessage(
    claim: Pick<ClaimedMessage, 'id' | 'claimToken'>,
    end: MessageEnd,
    now: Instant,
  ): Promise<'settled' | 'lost_claim'>
  /** Ends the leases of all messages: this process is the only one, and an earlier one has died while sending. */
  releaseMessages(): Promise<void>
  /** a dead message is sent again */
  retryMessage(messageId: number, now: Instant): Promise<'changed' | 'unchanged' | 'unknown'>
  /** Newest first. @param filter `state`: null for all; `before`: only those older than this id */
  listMessages(filter: { state: MessageState | null; before: number | null; limit: number }): Promise<ListedMessage[]>
}
