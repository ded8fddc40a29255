import type { Instant, JsonObject } from '../../json.js'
import type { Dag } from '../dag/model.js'
import { newTaskRun } from './draft.js'
import type { RunKind, RunSnapshot, RunTrigger } from './model.js'
import { dependsOnPast } from './past.js'
import type { ZoneClock } from './sla.js'
import { newSlas } from './sla-new.js'

/** What a new run is made of, besides its DAG. */
export interface RunOrigin {
  id: string
  kind: RunKind
  dueAt: Instant
  interval: { start: Instant; end: Instant }
  params: JsonObject
  triggeredBy: string
  trigger?: RunTrigger
  onlyTasks: string[] | null
  noChecks: boolean
}

/**
 * The rows of a new run, pinned to this version of the DAG. Its type is the store's `NewRun`.
 * @param zone the clock of the DAG's time zone
 */
export function newRun(dag: Dag, origin: RunOrigin, zone: ZoneClock, now: Instant) {
  const only = origin.onlyTasks === null ? null : new Set(origin.onlyTasks)
  return {
    id: origin.id,
    dagId: dag.id,
    version: dag.version,
    kind: origin.kind,
    dueAt: origin.dueAt,
    intervalStart: origin.interval.start,
    intervalEnd: origin.interval.end,
    params: origin.params,
    triggeredBy: origin.triggeredBy,
    trigger: origin.trigger ?? null,
    onlyTasks: origin.onlyTasks,
    noChecks: origin.noChecks,
    tasks: dag.tasks
      .filter((task) => only === null || only.has(task.id))
      .map(({ id, pool, poolSlots, queue, priority }) => ({ taskId: id, pool, poolSlots, queue, priority })),
    slas: newSlas(dag, origin, zone, now),
    maxActiveRuns: dag.maxActiveRuns,
    maxActiveTasks: dag.maxActiveTasks,
    overlap: dag.overlap,
    dependsOnPast: dependsOnPast(dag),
    runTimeoutMs: dag.runTimeoutMs,
  }
}

/** The run as the store shows it once it has been made: decisions about it begin here, without asking the store. */
export function snapshotOfNew(dag: Dag, of: NewRun, now: Instant): RunSnapshot {
  const begins = { state: 'queued', revision: 0, createdAt: now, startedAt: null, endedAt: null, reason: '' } as const
  return {
    run: {
      id: of.id,
      dagId: of.dagId,
      version: of.version,
      kind: of.kind,
      dueAt: of.dueAt,
      intervalStart: of.intervalStart,
      intervalEnd: of.intervalEnd,
      params: of.params,
      triggeredBy: of.triggeredBy,
      trigger: of.trigger ?? null,
      onlyTasks: of.onlyTasks,
      noChecks: of.noChecks,
      cancelRequested: false,
      timedOut: false,
      unsettled: false,
      ...begins,
    },
    dag,
    tasks: of.tasks.map(({ taskId }) => newTaskRun(taskId, now, 'waits for the run to start')),
    outcomes: [],
    aside: {},
    past: null,
  }
}

type NewRun = Omit<ReturnType<typeof newRun>, 'trigger' | 'tasks' | 'slas'> & {
  trigger?: RunTrigger | null
  tasks: readonly { taskId: string }[]
}

/** The values that a run takes when nobody gives any: the declared defaults. */
export function defaultParams(dag: Dag): JsonObject {
  return Object.fromEntries(
    Object.entries(dag.params).flatMap(([name, spec]) => (spec.default === undefined ? [] : [[name, spec.default]])),
  )
}
