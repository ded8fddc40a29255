import { NO_ALERTS } from '../../../scheduler/core/alerts.js'
import type { RunSnapshot, TaskRun } from '../../../scheduler/core/model.js'
import type { Dag, Schedule, Task } from '../../../scheduler/dag/model.js'

/** A task as the DAG compiler would give it, with what the test is about set. */
export function task(id: string, needs: string[] = [], set: Partial<Task> = {}): Task {
  return {
    id,
    needs,
    operator: 'bash',
    config: { command: ['true'] },
    when: null,
    forEach: null,
    triggerRule: 'all_success',
    retries: 0,
    retryDelayMs: 1_000,
    backoff: 1,
    maxDelayMs: 60_000,
    timeoutMs: null,
    pool: 'default',
    poolSlots: 1,
    dependsOnPast: false,
    skipIfDone: false,
    priority: 0,
    queue: 'default',
    alerts: NO_ALERTS,
    slas: [],
    checks: [],
    outputs: {},
    env: {},
    outputsOf: [],
    files: [],
    line: 1,
    group: '',
    ...set,
  }
}

/** @param tasks upstream before downstream */
export function dag(id: string, tasks: Task[], set: Partial<Dag> = {}): Dag {
  return {
    id,
    version: `version-of-${id}`,
    file: `${id}.yaml`,
    description: '',
    owner: '',
    tags: [],
    schedule: null,
    start: null,
    triggers: [],
    catchup: 'none',
    maxActiveRuns: 16,
    maxActiveTasks: 1_000,
    alerts: NO_ALERTS,
    slas: [],
    overlap: 'queue',
    dependsOnPast: false,
    runTimeoutMs: null,
    params: {},
    tasks,
    source: '',
    files: {},
    ...set,
  }
}

/** What `schedule: { cron, timezone }` compiles to. */
export function cronSchedule(cron: string | string[], timezone = 'UTC', set: Partial<Schedule> = {}): Schedule {
  return {
    crons: typeof cron === 'string' ? [cron] : cron,
    everyMs: null,
    anchor: 0,
    timezone,
    skip: [],
    businessDays: false,
    end: null,
    ...set,
  }
}

/** What `schedule: { every }` compiles to. */
export function everySchedule(everyMs: number, set: Partial<Schedule> = {}): Schedule {
  return { ...cronSchedule([]), everyMs, ...set }
}

export const NOW = Date.UTC(2026, 10, 20, 5)

export function taskRun(taskId: string, set: Partial<TaskRun> = {}): TaskRun {
  return {
    taskId,
    state: 'none',
    attempt: 0,
    tries: 0,
    generation: 1,
    notBefore: null,
    since: NOW,
    startedAt: null,
    endedAt: null,
    reason: '',
    cancelRequested: false,
    outputs: {},
    ...set,
  }
}

/** A running run of the DAG; tasks that `states` does not name are `none`. */
export function snapshot(of: Dag, states: Record<string, Partial<TaskRun>> = {}): RunSnapshot {
  return {
    dag: of,
    run: {
      id: `${of.id}-20261120T050000Z`,
      dagId: of.id,
      version: of.version,
      kind: 'scheduled',
      state: 'running',
      revision: 1,
      dueAt: NOW,
      intervalStart: NOW - 86_400_000,
      intervalEnd: NOW,
      params: {},
      triggeredBy: 'schedule',
      trigger: null,
      createdAt: NOW,
      startedAt: NOW,
      endedAt: null,
      reason: '',
      cancelRequested: false,
      timedOut: false,
      unsettled: false,
      onlyTasks: null,
      noChecks: false,
    },
    tasks: of.tasks.map(({ id }) => taskRun(id, states[id])),
    outcomes: [],
    aside: {},
    past: null,
  }
}
