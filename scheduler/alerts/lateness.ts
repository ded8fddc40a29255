import type { Alert } from '../store/alert-store.js'
import type { AlertFacts } from './facts.js'
import { instantOf, spelledDuration, type TimeStyle, timeOfDay } from './times.js'

/** Misses are told at the deadline; what is told so much after it needs a word on why. */
const TOLD_LATE_MS = 60_000
/** A storm is gathered for a minute and a half at most; what is sent so much after it was raised could not be sent before. */
const SENT_LATE_MS = 120_000

/** How long after its deadline a miss is told; 0 for what is told in time. */
export function toldLateMs({ kind, payload, raisedAt }: Pick<Alert, 'kind' | 'payload' | 'raisedAt'>): number {
  const deadline = kind === 'sla_missed' ? instantOf(payload.deadline) : null
  return deadline === null || raisedAt - deadline < TOLD_LATE_MS ? 0 : raisedAt - deadline
}

/** By how much a miss is told late, and why; '' for one that is told in time. */
export function toldLate(alert: Alert, { run }: AlertFacts, style: TimeStyle): string {
  const lateMs = toldLateMs(alert)
  if (lateMs === 0) return ''
  const isMadeLate = run !== null && run.createdAt > alert.raisedAt - lateMs
  const why = isMadeLate
    ? `the run was made only at ${timeOfDay(run.createdAt, style, alert.raisedAt)}`
    : 'Sluice was down at the deadline, or the DAG was paused'
  return `${spelledDuration(lateMs)} after the deadline; ${why}`
}

/** By how much a message is sent late; '' for one that is sent in time. */
export const sentLate = ({ raisedAt }: Alert, { now }: AlertFacts): string =>
  now - raisedAt < SENT_LATE_MS
    ? ''
    : `${spelledDuration(now - raisedAt)} after it was raised; it could not be sent before`
