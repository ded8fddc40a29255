import type { Instant, Json } from '../../json.js'

/** Work outside that an attempt has started and no later one will go on with. */
export interface LeftWork {
  runId: string
  taskId: string
  /** the last one of the task; an earlier one may have started the work */
  attempt: number
  generation: number
  dagId: string
  version: string
  /** what was saved last with `saveHandle` */
  handle: Json
  /** tries to end it that have failed */
  failures: number
}

export type LeftWorkKey = Pick<LeftWork, 'runId' | 'taskId' | 'attempt'>

/** What has come of a try to end left work. */
export interface LeftWorkEnd extends LeftWorkKey {
  /** when it is tried again; null forgets it: it has ended, or nobody tries any more */
  retryAt: Instant | null
}

/**
 * Work outside whose task has failed for good, was cancelled, marked or cleared while a handle was saved: `applyDecision` keeps
 * it here in the same step, since no attempt will ever be given the handle.
 */
export interface LeftWorkStore {
  /** Takes work that is due in these queues, the longest due first; whoever takes it has `leaseMs` before it is due again. */
  dueLeftWork(queues: readonly string[], options: { now: Instant; leaseMs: number; limit: number }): Promise<LeftWork[]>
  /**
   * Takes what earlier generations of a claimed task have left, whoever has taken it before: two who end it at a time do no harm. For an
   * item it is what any item of its group has left, as the list may be another one by now.
   */
  leftBefore(
    claim: Pick<LeftWork, 'runId' | 'taskId' | 'generation'>,
    options: { now: Instant; leaseMs: number },
  ): Promise<LeftWork[]>
  /** Keeps what has come of it; what is not there any more is passed over. */
  settleLeftWork(ends: readonly LeftWorkEnd[]): Promise<void>
}
