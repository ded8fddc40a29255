import type { Instant } from '../../../json.js'
import type { AlertEvent } from '../../../scheduler/core/alert.js'
import type { Alert, AlertChoice, AlertStore, ListedAlert } from '../../../scheduler/store/alert-store.js'
import type { AlertDelivery, Tables } from './tables.js'

export function alertStore(tables: Tables): AlertStore {
  return {
    async raiseAlerts(events, now) {
      return raiseAlerts(tables, events, now)
    },
    async acknowledgeAlerts(choice, by) {
      const chosen = tables.alerts.filter((alert) => alert.acknowledgedBy === null && isChosen(tables, alert, choice))
      for (const alert of chosen) {
        alert.acknowledgedBy = by
        for (const delivery of waitingOf(tables, alert)) delivery.state = 'acknowledged'
      }
      return chosen.length
    },
    async muteAlerts(mute, now) {
      const id = tables.mutes.length + 1
      tables.mutes.push({ ...mute, id, createdAt: now })
      return id
    },
    async endMute(muteId, now) {
      const mute = tables.mutes.find(({ id }) => id === muteId)
      if (mute === undefined) return 'unknown'
      if (mute.until <= now) return 'unchanged'
      mute.until = now
      return 'changed'
    },
    async mutes(now) {
      return tables.mutes.filter(({ until }) => until > now).sort((a, b) => a.until - b.until || a.id - b.id)
    },
    async listAlerts({ dagId, acknowledged, before, limit }) {
      const listed = tables.alerts.filter(
        (alert) =>
          (dagId === null || alert.dagId === dagId) &&
          (acknowledged === null || (alert.acknowledgedBy !== null) === acknowledged) &&
          (before === null || alert.id < before),
      )
      return listed
        .reverse()
        .slice(0, limit)
        .map((alert) => ({ ...alert, deliveries: deliveriesOf(tables, alert) }))
    },
    async removeAlerts(before, limit) {
      const old = tables.alerts.filter((alert) => alert.raisedAt < before && !isUnderWay(tables, alert)).slice(0, limit)
      const ids = new Set(old.map(({ id }) => id))
      const kept = tables.deliveries.filter(({ alertId }) => !ids.has(alertId))
      const carrying = new Set(kept.map(({ messageId }) => messageId))
      for (const [id, message] of tables.messages) {
        if (message.endedAt !== null && message.endedAt < before && !carrying.has(id)) tables.messages.delete(id)
      }
      tables.deliveries = kept
      tables.alerts = tables.alerts.filter(({ id }) => !ids.has(id))
      for (const { key } of old) tables.alertKeys.delete(key)
      return old.length
    },
  }
}

/** @returns keys of those that were raised now */
export function raiseAlerts(tables: Tables, events: readonly AlertEvent[], now: Instant): string[] {
  const before = [...tables.alerts]
  return events.flatMap(({ after, destinations, ...event }) => {
    const answered =
      after === null ? null : before.findLast((alert) => isPair(alert, event.subject, [after, event.kind]))
    if (answered === undefined || (answered !== null && answered.kind !== after)) return []
    const key = answered === null ? event.key : `${event.key} ${answered.id}`
    if (tables.alertKeys.has(key) && tables.guards('alert_key')) return []
    tables.alertKeys.add(key)
    tables.lastAlert += 1
    const id = tables.lastAlert
    tables.alerts.push({ ...event, key, id, raisedAt: now, acknowledgedBy: null })
    for (const destination of new Set(destinations)) {
      tables.deliveries.push({ alertId: id, destination, state: 'waiting', since: now, messageId: null })
    }
    return [key]
  })
}

function isPair(alert: Alert, subject: string, kinds: readonly string[]): boolean {
  return alert.subject === subject && kinds.includes(alert.kind)
}

function deliveriesOf(tables: Tables, { id }: Alert): ListedAlert['deliveries'] {
  const own = tables.deliveries.filter(({ alertId }) => alertId === id)
  own.sort((a, b) => (a.destination < b.destination ? -1 : 1))
  return own.map(({ destination, state, messageId }) => ({
    destination,
    messageId,
    state: state === 'in_message' ? (tables.messages.get(messageId ?? 0)?.state ?? 'sent') : state,
  }))
}

function waitingOf(tables: Tables, { id }: Alert): AlertDelivery[] {
  return tables.deliveries.filter(({ alertId, state }) => alertId === id && state === 'waiting')
}

function isChosen(tables: Tables, alert: Alert, choice: AlertChoice): boolean {
  if ('alertIds' in choice) return choice.alertIds.includes(alert.id)
  if ('dagId' in choice) return alert.dagId === choice.dagId
  return tables.deliveries.some(({ alertId, messageId }) => alertId === alert.id && messageId === choice.messageId)
}

function isUnderWay(tables: Tables, { id }: Alert): boolean {
  return tables.deliveries.some(
    ({ alertId, state, messageId }) =>
      alertId === id && (state === 'waiting' || tables.messages.get(messageId ?? 0)?.state === 'waiting'),
  )
}
