import type { Decision, RunSnapshot } from '../core/model.js'
import { dagOfRun } from '../core/run-id.js'
import type { Events } from '../events.js'
import type { QueuedTask } from '../store/store.js'

/** Tells what an applied decision has changed. */
export function announceDecision(events: Events, before: RunSnapshot, decision: Decision): void {
  const { id: runId, dagId } = before.run
  for (const { taskId, expect, set } of decision.tasks) {
    if (set.state !== expect.state) events.emit({ kind: 'task', dagId, runId, taskId, state: set.state })
  }
  const state = decision.run?.state
  if (state !== undefined) events.emit({ kind: 'run', dagId, runId, state })
  // each success may be a recovery, and hardly one is: those that are the outbox finds by itself within seconds
  if (decision.alerts?.some(({ after }) => after === null) === true) events.emit({ kind: 'alerts' })
}

/** Tells that tasks wait for a worker now; to be called once that is durable, as for all announcements. */
export function announceQueued(events: Events, tasks: readonly QueuedTask[]): void {
  for (const { runId, taskId } of tasks) {
    events.emit({ kind: 'task', dagId: dagOfRun(runId), runId, taskId, state: 'queued' })
  }
}

/** Tells that a run was made or has started. */
export function announceRun(events: Events, runId: string, state: 'queued' | 'running'): void {
  events.emit({ kind: 'run', dagId: dagOfRun(runId), runId, state })
}
