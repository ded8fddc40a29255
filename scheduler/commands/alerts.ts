import { randomUUID } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import { isoInstant } from '../../json.js'
import type { Actor, MuteRequest } from '../commands.js'
import { destinationsOf, type Recipients } from '../core/alert.js'
import type { AlertChoice } from '../store/alert-store.js'
import { currentDag } from './current-dag.js'
import { audit, type CommandPorts } from './ports.js'

/** The audit calls by this what belongs to no DAG. */
const ALERTS = 'alerts'
/** A mute for ever would be forgotten. */
const LONGEST_MUTE_MS = 90 * 86_400_000

/** What was not sent yet is not sent any more. @returns how many nobody had acknowledged before */
export async function acknowledgeAlerts(
  ports: CommandPorts,
  choice: AlertChoice,
  actor: Actor,
): Promise<{ acknowledged: number }> {
  const target = 'dagId' in choice ? choice.dagId : ALERTS
  const detail =
    'alertIds' in choice ? { alerts: [...choice.alertIds] } : 'messageId' in choice ? { message: choice.messageId } : {}
  await audit(ports, actor, 'acknowledge', target, detail)
  const acknowledged = await ports.store.acknowledgeAlerts(choice, actor.user, ports.wake.now())
  ports.events.emit({ kind: 'alerts' })
  return { acknowledged }
}

/**
 * Puts nothing of a DAG or a task into a message until an instant at most 90 days away; alerts are raised and shown all
 * the same.
 * @throws SluiceError DAG_UNKNOWN, TASK_UNKNOWN, ALERT_INVALID
 */
export async function muteAlerts(
  ports: CommandPorts,
  { dagId, taskId, until, reason }: MuteRequest,
  actor: Actor,
): Promise<{ mute: number }> {
  const dag = await currentDag(ports, dagId)
  if (taskId !== null && !dag.tasks.some(({ id }) => id === taskId)) {
    throw new SluiceError('TASK_UNKNOWN', `The DAG ${dagId} has no task ${taskId}.`)
  }
  const now = ports.wake.now()
  if (until <= now || until > now + LONGEST_MUTE_MS) {
    throw new SluiceError('ALERT_INVALID', `A mute ends within 90 days from now, not at ${isoInstant(until)}.`)
  }
  await audit(ports, actor, 'mute', dagId, { task: taskId, until: isoInstant(until), reason })
  const mute = await ports.store.muteAlerts({ dagId, taskId, until, reason, createdBy: actor.user }, now)
  ports.events.emit({ kind: 'alerts' })
  return { mute }
}

/** Ending a mute that has ended changes nothing. @throws SluiceError ALERT_UNKNOWN */
export async function endMute(ports: CommandPorts, muteId: number, actor: Actor): Promise<void> {
  const now = ports.wake.now()
  const mute = (await ports.store.mutes(now)).find(({ id }) => id === muteId)
  await audit(ports, actor, 'unmute', mute?.dagId ?? ALERTS, { mute: muteId })
  if ((await ports.store.endMute(muteId, now)) === 'unknown') {
    throw new SluiceError('ALERT_UNKNOWN', `There is no mute ${muteId}.`)
  }
  ports.events.emit({ kind: 'alerts' })
}

/**
 * Sends a message again that was given up.
 * @throws SluiceError ALERT_UNKNOWN, STATE_CONFLICT when it was not given up
 */
export async function retryMessage(ports: CommandPorts, messageId: number, actor: Actor): Promise<void> {
  await audit(ports, actor, 'retry message', ALERTS, { message: messageId })
  const outcome = await ports.store.retryMessage(messageId, ports.wake.now())
  if (outcome === 'unknown') throw new SluiceError('ALERT_UNKNOWN', `There is no message ${messageId}.`)
  if (outcome === 'unchanged') {
    throw new SluiceError('STATE_CONFLICT', `The message ${messageId} was sent, or is still to be sent.`)
  }
  ports.events.emit({ kind: 'alerts' })
}

/**
 * Raises an alert that says only that alerts arrive; it goes the way of all others.
 * @param recipients null for those whom sluice.yaml names
 * @throws SluiceError ALERT_INVALID when there is nobody
 */
export async function testAlert(
  ports: CommandPorts,
  recipients: Recipients | null,
  actor: Actor,
): Promise<{ key: string }> {
  const to = recipients ?? ports.projectAlerts
  const destinations = to === null ? [] : destinationsOf(to)
  if (destinations.length === 0) {
    throw new SluiceError('ALERT_INVALID', 'Nobody is named to whom the test could go.', {
      hint: 'Name somebody, or set alerts.email.to or alerts.webhook in sluice.yaml.',
    })
  }
  await audit(ports, actor, 'test alert', ALERTS, { destinations })
  const key = `test ${randomUUID()}`
  const about = { kind: 'test', subject: 'Sluice', dagId: null, runId: null, taskId: null, after: null } as const
  const reason = `${actor.user} asked for a test of alerts.`
  await ports.store.raiseAlerts([{ ...about, key, payload: { reason }, destinations }], ports.wake.now())
  ports.events.emit({ kind: 'alerts' })
  return { key }
}
