import type { Instant } from '../../json.js'
import { KIND_WORDS } from '../../scheduler/alerts/content.js'
import { toldLateMs } from '../../scheduler/alerts/lateness.js'
import { instantOf } from '../../scheduler/alerts/times.js'
import { parseDestination } from '../../scheduler/core/alert.js'
import type { DeliveryState, ListedAlert, ListedMessage, Mute } from '../../scheduler/store/alert-store.js'
import { roughDuration } from './duration.js'
import { links } from './links.js'
import { countOf } from './numbers.js'
import { timeLine } from './time.js'

const SEVERITY_GLYPHS = { bad: 'failed', risk: 'warn', good: 'success' } as const
/** The colours of task states stand for those of messages too. */
const DELIVERY_STATES: Record<DeliveryState, string> = {
  waiting: 'queued',
  sent: 'success',
  dead: 'failed',
  muted: 'skipped',
  acknowledged: 'skipped',
  off: 'skipped',
}

/** An alert as its table shows it. Times are UTC, because the alerts of all DAGs stand side by side. */
export function alertView(alert: ListedAlert, now: Instant) {
  const { severity, title } = KIND_WORDS[alert.kind]
  return {
    id: alert.id,
    title,
    glyph: SEVERITY_GLYPHS[severity],
    state: severity === 'risk' ? 'up_for_retry' : SEVERITY_GLYPHS[severity],
    name: nameOf(alert),
    href: hrefOf(alert),
    why: whyOf(alert, now),
    raised: timeLine(alert.raisedAt, 'UTC', now, { seconds: true }),
    acknowledgedBy: alert.acknowledgedBy ?? '',
    deliveries: alert.deliveries.map(({ destination, state }) => {
      return { to: destinationText(destination), text: state, state: DELIVERY_STATES[state] }
    }),
  }
}

/** A reason, the first problem of a file, the deadline that was missed: what tells one alert from the next of its kind. */
function whyOf(alert: ListedAlert, now: Instant): string {
  const { reason, problems, deadline } = alert.payload
  if (typeof reason === 'string' && reason !== '') return reason
  if (Array.isArray(problems) && problems.length > 0) {
    return problems.length === 1 ? String(problems[0]) : `${problems[0]}, and ${problems.length - 1} more`
  }
  const due = instantOf(deadline)
  if (due === null) return ''
  const lateMs = toldLateMs(alert)
  const late = lateMs === 0 ? '' : `, told ${roughDuration(lateMs)} late`
  return `due by ${timeLine(due, 'UTC', now, { seconds: true })}${late}`
}

function nameOf({ dagId, taskId, subject }: ListedAlert): string {
  if (dagId === null) return subject
  return taskId === null ? dagId : `${dagId}.${taskId}`
}

function hrefOf({ kind, dagId, runId, taskId }: ListedAlert): string {
  if (runId !== null) return taskId === null ? links.run(runId) : links.task(runId, taskId)
  if (kind === 'worker_gone') return '/workers'
  return dagId === null ? '' : links.dag(dagId)
}

/** A message that is still to be sent, or was given up. */
export function messageView(message: ListedMessage, now: Instant) {
  const dead = message.state === 'dead'
  const wait = message.nextAttemptAt - now
  return {
    id: message.id,
    to: destinationText(message.destination),
    alerts: countOf(message.alerts, 'alert'),
    state: DELIVERY_STATES[message.state],
    text: dead ? 'given up' : message.state,
    tries: countOf(message.attempts, 'try', 'tries'),
    next: message.state !== 'waiting' ? '' : wait <= 0 ? 'now' : `again in ${roughDuration(wait)}`,
    made: timeLine(message.createdAt, 'UTC', now),
    problem: message.problem,
    // one alert has its own button
    acknowledge: message.alerts > 1 ? `/alerts/messages/${message.id}/acknowledge` : '',
    retry: dead ? `/alerts/messages/${message.id}/retry` : '',
  }
}

/** A mute, of a whole DAG or one of its tasks, with the time it still holds. */
export function muteView(mute: Mute, now: Instant) {
  return {
    name: mute.taskId === null ? mute.dagId : `${mute.dagId}.${mute.taskId}`,
    href: links.dag(mute.dagId),
    left: roughDuration(mute.until - now),
    until: timeLine(mute.until, 'UTC', now),
    by: mute.createdBy,
    reason: mute.reason,
    end: `/alerts/mutes/${mute.id}/end`,
  }
}

/** `ops@example.com, data@example.com`, `webhook chat` */
function destinationText(destination: string): string {
  const parsed = parseDestination(destination)
  return parsed.kind === 'email' ? parsed.to.join(', ') : `webhook ${parsed.name}`
}
