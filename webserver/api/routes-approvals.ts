import { isoInstant, isoInstantOrNull } from '../../json.js'
import type { ApprovalShape } from '../../scheduler/shapes.js'
import { type OpenApproval, openApprovals } from '../../scheduler/store/reads/waits.js'
import { type ApiRoute, ok } from './route.js'
import { body, schemaRef } from './schemas.js'

const LIMIT = 1_000

export const APPROVAL_ROUTES: ApiRoute[] = [
  {
    method: 'get',
    path: '/approvals',
    summary: 'Tasks that wait for a person, the longest wait first',
    role: 'viewer',
    answers: { 200: { description: 'The tasks', schema: { type: 'array', items: schemaRef('Approval') } } },
    async handle(web) {
      return ok((await openApprovals(web.deps.database, LIMIT)).map(approvalShape))
    },
  },
  {
    method: 'post',
    path: '/runs/{run}/tasks/{task}/approval',
    summary: 'Confirm or reject what a task waits for',
    role: 'operator',
    body: body({ approved: { type: 'boolean' }, comment: { type: 'string', maxLength: 1000 } }, ['approved']),
    answers: {
      200: {
        description: 'What was decided',
        schema: body({ run: { type: 'string' }, task: { type: 'string' }, approved: { type: 'boolean' } }, [
          'run',
          'task',
          'approved',
        ]),
      },
    },
    async handle(web, _live, call) {
      const [run, task, approved] = [call.param('run'), call.param('task'), call.body.approved === true]
      const { user, role } = call.identity
      const comment = String(call.body.comment ?? '')
      await web.deps.commands.approve(run, task, { approved, comment }, { user, role })
      return ok({ run, task, approved })
    },
  },
]

function approvalShape({ dagId, runId, taskId, since, until, wait }: OpenApproval): ApprovalShape {
  return {
    dag: dagId,
    run: runId,
    task: taskId,
    message: wait.message,
    role: wait.role,
    users: wait.users,
    since: isoInstant(since),
    until: isoInstantOrNull(until),
  }
}
