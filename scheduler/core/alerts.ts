import { isoInstant, type JsonObject } from '../../json.js'
import type { AlertRules, Dag, Task } from '../dag/model.js'
import { type AlertEvent, type AlertKind, destinationsOf, type Recipients } from './alert.js'
import { declaredOf } from './declared.js'
import { isItem } from './items.js'
import type { AttemptOutcome, Decision, Run, RunSnapshot, TaskChange } from './model.js'

/**
 * What people are to be told of a decision: a task or run that failed, a retry, a success after a failure, failed checks.
 * A change by hand is known to whoever made it and raises nothing.
 * @param before what the decision was made from
 * @param project who is told of the failures of DAGs that do not say themselves
 */
export function alertsOf(before: RunSnapshot, decision: Decision, project: Recipients | null): AlertEvent[] {
  const { dag, run } = before
  const declared = declaredOf(dag).tasks
  const events = decision.tasks.flatMap((change) => {
    const task = declared.get(change.taskId)
    return task === undefined || isItem(change.taskId) ? [] : ofTask(run, dag, task, change, before.outcomes)
  })
  return [...events, ...ofRun(before, decision, project, events)]
}

/** The decision together with the alerts it raises. */
export function withAlerts(before: RunSnapshot, decision: Decision, project: Recipients | null): Decision {
  const alerts = alertsOf(before, decision, project)
  return alerts.length === 0 ? decision : { ...decision, alerts }
}

/** What a run is known by to those who are told: its DAG, unless it makes up for the past. */
function subjectOf(run: Run): string {
  return run.kind === 'backfill' ? run.id : run.dagId
}

function ofTask(
  run: Run,
  dag: Dag,
  task: Task,
  { expect, set }: TaskChange,
  outcomes: readonly AttemptOutcome[],
): AlertEvent[] {
  const attempt = expect.attempt
  const event = (kind: AlertKind, to: Recipients | null, payload: JsonObject): AlertEvent => ({
    key: `${kind} ${run.id} ${task.id} ${expect.generation}.${attempt}`,
    kind,
    subject: `${subjectOf(run)}.${task.id}`,
    dagId: run.dagId,
    runId: run.id,
    taskId: task.id,
    payload: { attempt, ...payload },
    destinations: to === null ? [] : destinationsOf(to),
    after: null,
  })
  const events: AlertEvent[] = []
  const { alerts } = task
  if (set.state !== expect.state) {
    if (set.state === 'failed') events.push(event('task_failed', alerts.onFailure, { reason: set.reason }))
    if (set.state === 'up_for_retry') {
      const at = set.notBefore ?? null
      const retry = { reason: set.reason, retry_at: at === null ? null : isoInstant(at) }
      events.push(event('task_retry', alerts.onRetry ?? dag.alerts.onRetry, retry))
    }
    if (set.state === 'success') {
      const recovered = event('task_recovered', alerts.onRecovery ?? alerts.onFailure, {})
      events.push({ ...recovered, key: `task_recovered ${recovered.subject}`, after: 'task_failed' })
    }
  }
  const told = events.filter(({ kind }) => kind === 'task_failed').flatMap(({ destinations }) => destinations)
  const failed = outcomes.find((one) => one.taskId === task.id && one.attempt === attempt)?.failedChecks ?? []
  if (failed.length > 0 && expect.state === 'running' && set.state !== 'running') {
    const checks = event('checks_failed', alerts.onFailedChecks ?? dag.alerts.onFailedChecks, { checks: failed })
    events.push({ ...checks, destinations: checks.destinations.filter((one) => !told.includes(one)) })
  }
  // nobody is interested in what nobody asked for, and most tasks end well
  return events.filter(({ destinations }) => destinations.length > 0)
}

/**
 * A run that fails together with its only failed task is told of once: the task's alert says more. When others have failed
 * too, the run's alert names them all and goes to everybody, since the alert of one task may be muted.
 */
function ofRun(
  { dag, run, tasks }: RunSnapshot,
  decision: Decision,
  project: Recipients | null,
  ofTasks: readonly AlertEvent[],
): AlertEvent[] {
  const state = decision.run?.state
  if (state === run.state || (state !== 'failed' && state !== 'success')) return []
  const onFailure = dag.alerts.onFailure ?? project
  const to = state === 'failed' ? onFailure : (dag.alerts.onRecovery ?? onFailure)
  const destinations = to === null ? [] : destinationsOf(to)
  if (destinations.length === 0) return []
  const about = { subject: subjectOf(run), dagId: run.dagId, runId: run.id, taskId: null }
  if (state === 'success') {
    const key = `run_recovered ${about.subject}`
    return [{ ...about, key, kind: 'run_recovered', payload: {}, destinations, after: 'run_failed' }]
  }
  const states = new Map(tasks.map((task) => [task.taskId, task.state]))
  for (const { taskId, set } of decision.tasks) states.set(taskId, set.state)
  const failed = dag.tasks.map(({ id }) => id).filter((id) => states.get(id) === 'failed')
  const saysAll = ({ kind, taskId }: AlertEvent) => kind === 'task_failed' && failed.every((id) => id === taskId)
  const told = new Set(ofTasks.filter(saysAll).flatMap((event) => event.destinations))
  return [
    {
      ...about,
      key: `run_failed ${run.id} ${run.revision}`,
      kind: 'run_failed',
      payload: { reason: decision.run?.reason ?? '', failed: failed.slice(0, NAMED_FAILURES) },
      destinations: destinations.filter((one) => !told.has(one)),
      after: null,
    },
  ]
}

const NAMED_FAILURES = 20

/** Alert rules that say nothing. */
export const NO_ALERTS: AlertRules = { onFailure: null, onRetry: null, onRecovery: null, onFailedChecks: null }
