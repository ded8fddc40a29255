import type { Instant } from '../../json.js'
import type { ApprovalWait, Wait } from '../../operators/wait.js'
import { lacksForApproval } from '../../scheduler/core/approval.js'
import type { LookDetail, OpenApproval } from '../../scheduler/store/reads/waits.js'
import { hasRole, type Identity } from '../auth/session.js'
import { roughDuration } from './duration.js'
import { links } from './links.js'
import { timeLine } from './time.js'

export interface WaitFact {
  term: string
  value: string
  note: string
  href: string
  mono: boolean
}

/** What a deferred task waits for, since when, and when somebody looks again. */
export function waitFacts(
  task: { state: string; since: Instant; notBefore: Instant | null; waitsFor: Wait | null },
  look: LookDetail | null,
  timezone: string,
  now: Instant,
): WaitFact[] {
  if (task.state !== 'deferred') return []
  const at = (instant: Instant) => timeLine(instant, timezone, now, { seconds: true })
  const facts = [fact('Waits since', at(task.since), roughDuration(now - task.since))]
  const { waitsFor: wait } = task
  if (wait?.kind === 'run' || wait?.kind === 'child') facts.push(fact('Waits for', wait.dag, '', links.dag(wait.dag)))
  if (wait?.kind === 'look') {
    if (look !== null) facts.push(fact('Next look', at(look.nextLookAt), lookNote(look, at)))
    if (wait.table !== '') facts.push(fact('Waits for', wait.table, '', links.table(wait.table)))
  }
  if (task.notBefore !== null) facts.push(fact(wait === null ? 'Goes on' : 'At most until', at(task.notBefore), ''))
  return facts
}

function lookNote({ lookedAt, detail }: LookDetail, at: (instant: Instant) => string): string {
  if (lookedAt === null) return ''
  return `looked ${at(lookedAt)}${detail === '' ? '' : `: ${detail}`}`
}

function fact(term: string, value: string, note: string, href = ''): WaitFact {
  return { term, value, note, href, mono: false }
}

/** One task that waits for a person, for the list of the page Now. */
export function approvalView({ dagId, runId, taskId, since, wait }: OpenApproval, now: Instant) {
  return {
    href: `${links.task(runId, taskId)}#approval`,
    dagId,
    taskId,
    message: wait.message,
    who: wait.users.length > 0 ? wait.users.join(', ') : wait.role,
    age: roughDuration(now - since),
  }
}

/** What a task waits for on its own page; the form is for those who may decide. */
export function decisionView(wait: ApprovalWait, identity: Identity | null) {
  const mayDecide = identity !== null && hasRole(identity, 'operator') && lacksForApproval(wait, identity) === null
  const who = wait.users.length > 0 ? `of ${wait.users.join(', ')}` : `of an ${wait.role}`
  return { message: wait.message, who, mayDecide }
}
