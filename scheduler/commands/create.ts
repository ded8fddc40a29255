import { SluiceError } from '../../errors.js'
import type { Actor, Commands } from '../commands.js'
import { cancelRun, cancelTask } from '../core/cancel.js'
import { mark } from '../core/mark.js'
import { acknowledgeAlerts, endMute, muteAlerts, retryMessage, testAlert } from './alerts.js'
import { approve } from './approve.js'
import { cancelBackfill, pauseBackfill, previewBackfill, resumeBackfill, startBackfill } from './backfills.js'
import { changeRun, knownTasks } from './change-run.js'
import { clearRuns, clearTasks } from './clear.js'
import { deliver } from './deliver.js'
import { missedBy, pause, resume } from './pausing.js'
import { audit, type CommandPorts } from './ports.js'
import { trigger } from './trigger.js'

export { validateParams } from './params.js'
export type { CommandPorts } from './ports.js'

/** The commands on a store and the scheduler beside it. */
export function createCommands(
  given: Omit<CommandPorts, 'debugPoint' | 'projectAlerts'> &
    Partial<Pick<CommandPorts, 'debugPoint' | 'projectAlerts'>>,
): Commands {
  const ports: CommandPorts = { debugPoint: () => undefined, projectAlerts: null, ...given }
  return {
    trigger: (dagId, options, actor, idempotencyKey) => trigger(ports, dagId, options, actor, idempotencyKey),
    deliver: (dagId, delivery) => deliver(ports, dagId, delivery),
    clear: (runId, tasks, options, actor) => clearTasks(ports, runId, tasks, options, actor),
    clearRuns: (dagId, range, tasks, options, actor) => clearRuns(ports, dagId, range, tasks, options, actor),
    mark: (runId, tasks, state, actor) => markTasks(ports, runId, tasks, state, actor),
    cancel: (runId, actor) => cancelWhole(ports, runId, actor),
    cancelTask: (runId, taskId, actor) => cancelOne(ports, runId, taskId, actor),
    approve: (runId, taskId, verdict, actor) => approve(ports, runId, taskId, verdict, actor),
    pause: (dagId, reason, actor) => pause(ports, dagId, reason, actor),
    resume: (dagId, actor, options) => resume(ports, dagId, actor, options),
    missed: (dagId) => missedBy(ports, dagId),
    previewBackfill: (dagId, request) => previewBackfill(ports, dagId, request),
    startBackfill: (dagId, request, actor, key = null) => startBackfill(ports, dagId, request, actor, key),
    pauseBackfill: (id, actor) => pauseBackfill(ports, id, actor),
    resumeBackfill: (id, actor) => resumeBackfill(ports, id, actor),
    acknowledgeAlerts: (choice, actor) => acknowledgeAlerts(ports, choice, actor),
    muteAlerts: (request, actor) => muteAlerts(ports, request, actor),
    endMute: (id, actor) => endMute(ports, id, actor),
    retryMessage: (id, actor) => retryMessage(ports, id, actor),
    testAlert: (recipients, actor) => testAlert(ports, recipients, actor),
    cancelBackfill: (id, actor) => cancelBackfill(ports, id, actor, (runId) => cancelWhole(ports, runId, actor)),
  }
}

function markTasks(
  ports: CommandPorts,
  runId: string,
  tasks: string[],
  state: Parameters<Commands['mark']>[2],
  actor: Actor,
): ReturnType<Commands['mark']> {
  return changeRun(
    ports,
    runId,
    (snapshot, now) => {
      knownTasks(snapshot, tasks)
      const { decision, marked } = mark(snapshot, tasks, state, now, actor.user)
      return { decision, answer: { marked } }
    },
    () => audit(ports, actor, 'mark', runId, { tasks, state }),
  )
}

function cancelWhole(ports: CommandPorts, runId: string, actor: Actor): Promise<void> {
  return changeRun(
    ports,
    runId,
    (snapshot, now) => {
      const decision = cancelRun(snapshot, now, actor.user)
      if (decision === null) {
        throw new SluiceError('STATE_CONFLICT', `The run ${runId} has ended already: ${snapshot.run.state}.`)
      }
      return { decision, answer: undefined }
    },
    () => audit(ports, actor, 'cancel', runId),
  )
}

function cancelOne(ports: CommandPorts, runId: string, taskId: string, actor: Actor): Promise<void> {
  return changeRun(
    ports,
    runId,
    (snapshot, now) => {
      knownTasks(snapshot, [taskId])
      const decision = cancelTask(snapshot, taskId, now, actor.user)
      if (decision === null) {
        throw new SluiceError('STATE_CONFLICT', `The task ${taskId} of the run ${runId} has ended already.`)
      }
      return { decision, answer: undefined }
    },
    () => audit(ports, actor, 'cancel', `${runId}/${taskId}`),
  )
}
