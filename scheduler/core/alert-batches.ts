import type { Instant } from '../../json.js'

/** An alert that waits in the outbox. */
export interface WaitingAlert {
  /** its unique key in the store */
  key: string
  recipients: readonly string[]
  createdAt: Instant
}

/** Alerts that go out as one mail; one alert as itself, several as a digest. */
export interface AlertBatch<Alert extends WaitingAlert = WaitingAlert> {
  /** sorted, each once, in small letters */
  recipients: string[]
  /** oldest first, never empty */
  alerts: Alert[]
}

/**
 * Retries come soon at first, and never further apart than this: an outage that ends is noticed within 20 seconds, with
 * some left for the sending.
 */
const LONGEST_RETRY_MS = 15_000

/**
 * Puts the alerts of one moment together into mails: a storm is one mail for each set of recipients. Alerts with different
 * recipients never share a mail, so nobody learns who else is told of what. An alert for nobody makes no mail.
 */
export function batchAlerts<Alert extends WaitingAlert>(waiting: readonly Alert[]): AlertBatch<Alert>[] {
  const batches = new Map<string, AlertBatch<Alert>>()
  const oldestFirst = waiting.toSorted((a, b) => a.createdAt - b.createdAt || (a.key < b.key ? -1 : 1))
  for (const alert of oldestFirst) {
    const recipients = [...new Set(alert.recipients.map((address) => address.trim().toLowerCase()))].sort()
    if (recipients.length === 0) continue
    const key = JSON.stringify(recipients)
    const batch = batches.get(key)
    if (batch === undefined) batches.set(key, { recipients, alerts: [alert] })
    else batch.alerts.push(alert)
  }
  return [...batches.values()]
}

/**
 * How long to wait before sending again: 1, 2, 4, 8 seconds, then every 15.
 * @param failures sendings that failed so far, at least 1
 */
export function retryDelayMs(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, 1_000 * 2 ** (failures - 1))
}
