import { SluiceError } from '../../errors.js'
import type { ApprovalWait } from '../../operators/wait.js'
import type { Decider } from '../commands.js'
import { decideApproval, lacksForApproval, type Verdict } from '../core/approval.js'
import { changeRun, knownTasks } from './change-run.js'
import { audit, type CommandPorts } from './ports.js'

const COMMENT_CHARACTERS = 1_000

/**
 * Confirms or rejects what a task waits for.
 * @throws SluiceError RUN_UNKNOWN, TASK_UNKNOWN, FORBIDDEN, STATE_CONFLICT when it waits for nobody (any more), BAD_REQUEST
 */
export function approve(
  ports: CommandPorts,
  runId: string,
  taskId: string,
  verdict: Verdict,
  actor: Decider,
): Promise<void> {
  if (verdict.comment.length > COMMENT_CHARACTERS) {
    throw new SluiceError('BAD_REQUEST', `A comment has at most ${COMMENT_CHARACTERS} characters.`)
  }
  return changeRun(
    ports,
    runId,
    (snapshot, now) => {
      knownTasks(snapshot, [taskId])
      const task = snapshot.tasks.find((one) => one.taskId === taskId)
      const decision = decideApproval(snapshot, taskId, verdict, now, actor.user)
      if (decision === null || task?.waitsFor?.kind !== 'approval') {
        throw new SluiceError(
          'STATE_CONFLICT',
          `The task ${taskId} of the run ${runId} waits for nobody: ${task?.state}.`,
        )
      }
      mayDecide(task.waitsFor, taskId, actor)
      return { decision, answer: undefined }
    },
    () => audit(ports, actor, verdict.approved ? 'approve' : 'reject', `${runId}/${taskId}`, { ...verdict }),
  )
}

/** @throws SluiceError FORBIDDEN */
function mayDecide(wait: ApprovalWait, taskId: string, actor: Decider): void {
  const lacks = lacksForApproval(wait, actor)
  if (lacks === 'role') {
    throw new SluiceError('FORBIDDEN', `Only an admin decides about ${taskId}; ${actor.user} is ${actor.role}.`)
  }
  if (lacks === 'user') {
    throw new SluiceError('FORBIDDEN', `Only ${wait.users.join(', ')} may decide about ${taskId}, not ${actor.user}.`, {
      hint: 'Ask one of them.',
    })
  }
}
