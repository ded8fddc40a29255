import type { Instant } from '../../../json.js'
import { STORM_ALERTS } from '../../../scheduler/core/alert-batches.js'
import type {
  Alert,
  AlertMessageStore,
  ClaimedMessage,
  MessageContent,
  MessageEnd,
} from '../../../scheduler/store/alert-store.js'
import type { AlertDelivery, AlertMessage, Tables } from './tables.js'

export function alertMessageStore(tables: Tables): AlertMessageStore {
  return {
    async outbox() {
      return outbox(tables)
    },
    async makeMessages(destinations, now) {
      return [...new Set(destinations)].filter((destination) => makeMessage(tables, destination, now)).length
    },
    async dropDestination(destination) {
      for (const delivery of waitingFor(tables, destination)) delivery.state = 'off'
    },
    async claimMessages(options) {
      return claimMessages(tables, options)
    },
    async messageContent(messageId, limit) {
      return messageContent(tables, messageId, limit)
    },
    async settleMessage(claim, end, now) {
      return settleMessage(tables, claim, end, now)
    },
    async releaseMessages() {
      for (const message of open(tables)) message.claim = null
    },
    async retryMessage(messageId, now) {
      const message = tables.messages.get(messageId)
      if (message === undefined) return 'unknown'
      if (message.state !== 'dead') return 'unchanged'
      Object.assign(message, { state: 'waiting', byHand: true, nextAttemptAt: now, endedAt: null, problem: '' })
      return 'changed'
    },
    async listMessages({ state, before, limit }) {
      const listed = [...tables.messages.values()].filter(
        (message) => (state === null || message.state === state) && (before === null || message.id < before),
      )
      return listed
        .reverse()
        .slice(0, limit)
        .map(({ key: _, byHand: __, claim: ___, ...message }) => message)
    },
  }
}

function waitingFor(tables: Tables, destination: string): AlertDelivery[] {
  return tables.deliveries.filter((one) => one.destination === destination && one.state === 'waiting')
}

function open(tables: Tables): AlertMessage[] {
  return [...tables.messages.values()].filter(({ state }) => state === 'waiting')
}

function isOpen(tables: Tables, destination: string): boolean {
  return open(tables).some((message) => message.destination === destination && !message.byHand)
}

function outbox(tables: Tables): Awaited<ReturnType<AlertMessageStore['outbox']>> {
  const waits = new Map<string, { since: Instant; newest: Instant }>()
  for (const { state, destination, since: at } of tables.deliveries) {
    if (state !== 'waiting') continue
    const { since, newest } = waits.get(destination) ?? { since: at, newest: at }
    waits.set(destination, { since: Math.min(since, at), newest: Math.max(newest, at) })
  }
  const next = open(tables).map(({ nextAttemptAt, claim }) => Math.max(nextAttemptAt, claim?.until ?? nextAttemptAt))
  return {
    waiting: [...waits]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([destination, times]) => {
        const to = [...tables.messages.values()].filter((message) => message.destination === destination)
        return {
          destination,
          ...times,
          isOpen: isOpen(tables, destination),
          lately: to
            .slice(-STORM_ALERTS)
            .reverse()
            .map(({ alerts, createdAt }) => ({ alerts, at: createdAt })),
        }
      }),
    nextAttemptAt: next.length === 0 ? null : Math.min(...next),
  }
}

function makeMessage(tables: Tables, destination: string, now: Instant): boolean {
  const waiting = waitingFor(tables, destination)
  for (const delivery of waiting) delivery.state = verdict(tables, delivery, now)
  const carried = waiting.filter(({ state }) => state === 'waiting')
  if (carried.length === 0 || (isOpen(tables, destination) && tables.guards('one_open_message'))) return false
  const message = addMessage(tables, destination, carried.length, now)
  for (const delivery of carried) Object.assign(delivery, { state: 'in_message', messageId: message.id })
  return true
}

function addMessage(tables: Tables, destination: string, alerts: number, now: Instant): AlertMessage {
  tables.lastMessage += 1
  const id = tables.lastMessage
  const message: AlertMessage = {
    id,
    key: `message-${id}`,
    destination,
    state: 'waiting',
    byHand: false,
    alerts,
    attempts: 0,
    nextAttemptAt: now,
    claim: null,
    problem: '',
    createdAt: now,
    endedAt: null,
  }
  tables.messages.set(id, message)
  return message
}

function verdict(tables: Tables, { alertId }: AlertDelivery, now: Instant): AlertDelivery['state'] {
  // ids grow by one, and few are ever removed
  const guess = tables.alerts[alertId - 1]
  const alert = guess?.id === alertId ? guess : tables.alerts.find(({ id }) => id === alertId)
  if (alert === undefined || alert.acknowledgedBy !== null) return 'acknowledged'
  return isMuted(tables, alert, now) ? 'muted' : 'waiting'
}

/** Now, or when it was raised. */
function isMuted(tables: Tables, { dagId, taskId, raisedAt }: Alert, now: Instant): boolean {
  return tables.mutes.some((mute) => {
    if (mute.dagId !== dagId || (mute.taskId !== null && mute.taskId !== taskId)) return false
    const until = tables.guards('mute_end') ? mute.until : Number.POSITIVE_INFINITY
    const isNow = now < until && tables.guards('mute')
    const wasThen = mute.createdAt <= raisedAt && raisedAt < until && tables.guards('mute_raised')
    return isNow || wasThen
  })
}

function claimMessages(
  tables: Tables,
  { now, leaseMs, limit }: Parameters<AlertMessageStore['claimMessages']>[0],
): ClaimedMessage[] {
  // without the guard a lease is over after a second: one that never held would only multiply the sendings
  const early = tables.guards('message_lease') ? 0 : leaseMs - 1_000
  const free = ({ claim }: AlertMessage) => claim === null || claim.until - early <= now
  const due = open(tables).filter((message) => message.nextAttemptAt <= now && free(message))
  due.sort((a, b) => a.nextAttemptAt - b.nextAttemptAt || a.id - b.id)
  return due.slice(0, limit).map((message) => {
    const claim = { token: tables.newToken(), until: now + leaseMs }
    message.claim = claim
    message.attempts += 1
    const { id, key, destination, attempts, createdAt } = message
    return { id, key, destination, attempts, createdAt, claimToken: claim.token, leaseUntil: claim.until }
  })
}

function messageContent(tables: Tables, messageId: number, limit: number): MessageContent {
  const carried = new Set(tables.deliveries.filter((one) => one.messageId === messageId).map(({ alertId }) => alertId))
  const alerts = tables.alerts.filter(({ id }) => carried.has(id))
  const counts = new Map<string, MessageContent['counts'][number]>()
  for (const { kind, dagId } of alerts) {
    const known = counts.get(`${kind} ${dagId}`) ?? { kind, dagId, count: 0 }
    counts.set(`${kind} ${dagId}`, { ...known, count: known.count + 1 })
  }
  return { alerts: alerts.slice(0, limit), counts: [...counts.values()].sort((a, b) => b.count - a.count) }
}

function settleMessage(
  tables: Tables,
  { id, claimToken }: Pick<ClaimedMessage, 'id' | 'claimToken'>,
  end: MessageEnd,
  now: Instant,
): 'settled' | 'lost_claim' {
  const message = tables.messages.get(id)
  if (message === undefined || message.state !== 'waiting') return 'lost_claim'
  if (message.claim?.token !== claimToken && tables.guards('message_token')) return 'lost_claim'
  message.state = end.state
  message.problem = end.problem
  message.claim = null
  if (end.state === 'waiting') message.nextAttemptAt = end.retryAt
  else message.endedAt = now
  if (end.state === 'sent' && end.refused !== null) keepRefused(tables, message, end.refused, now)
  return 'settled'
}

function keepRefused(tables: Tables, sent: AlertMessage, destination: string, now: Instant): void {
  const refused = addMessage(tables, destination, sent.alerts, now)
  Object.assign(refused, { state: 'dead', attempts: 1, problem: sent.problem, endedAt: now })
  for (const { alertId, since } of tables.deliveries.filter(({ messageId }) => messageId === sent.id)) {
    if (tables.deliveries.some((one) => one.alertId === alertId && one.destination === destination)) continue
    tables.deliveries.push({ alertId, destination, state: 'in_message', since, messageId: refused.id })
  }
}
