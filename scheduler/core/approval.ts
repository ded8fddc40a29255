import { type Instant, isoInstant } from '../../json.js'
import type { ApprovalWait } from '../../operators/wait.js'
import { RunDraft } from './draft.js'
import { declaredId, settleGroup } from './items.js'
import type { Decision, RunSnapshot } from './model.js'
import { withWhy } from './reasons.js'

export interface Verdict {
  approved: boolean
  comment: string
}

/**
 * Whether somebody may decide, as `role` and `users` of the approval say.
 * @param actor an operator or an admin; others have been refused before
 * @returns null when they may, otherwise what they lack
 */
export function lacksForApproval(
  { role, users }: Pick<ApprovalWait, 'role' | 'users'>,
  actor: { user: string; role: string },
): 'role' | 'user' | null {
  if (role === 'admin' && actor.role !== 'admin') return 'role'
  return users.length > 0 && !users.includes(actor.user) ? 'user' : null
}

/**
 * Ends a task that waits for a person. The decision is the end of the task, so no attempt has to carry it there and no
 * second person can decide otherwise. Null when the task does not wait for one (any more).
 */
export function decideApproval(
  snapshot: RunSnapshot,
  taskId: string,
  { approved, comment }: Verdict,
  now: Instant,
  by: string,
): Decision | null {
  const draft = new RunDraft(snapshot)
  const wait = draft.task(taskId)?.waitsFor
  if (draft.task(taskId)?.state !== 'deferred' || wait?.kind !== 'approval') return null
  const refused = wait.onReject === 'skip' ? 'skipped' : 'failed'
  draft.set(taskId, {
    state: approved ? 'success' : refused,
    notBefore: null,
    endedAt: now,
    outputs: { approved, by, at: isoInstant(now), comment },
    reason: withWhy(`${approved ? 'approved' : 'rejected'} by ${by}`, comment),
  })
  const group = draft.dag.tasks.find(({ id, forEach }) => id === declaredId(taskId) && forEach !== null)
  if (group !== undefined) settleGroup(draft, group, now)
  return draft.decision()
}
