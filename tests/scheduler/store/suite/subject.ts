import { NO_ALERTS } from '../../../../scheduler/core/alerts.js'
import type { AttemptOutcome, Decision, TaskState } from '../../../../scheduler/core/model.js'
import type { Dag } from '../../../../scheduler/dag/model.js'
import type { AttemptFacts, ClaimedTask, NewRun, Store } from '../../../../scheduler/store/store.js'

/** Gives an empty store for one test. */
export type FreshStore = () => Promise<Store>

export const NOW = Date.UTC(2026, 10, 20, 5, 0, 0)
export const LEASE_MS = 30_000
export const NO_FACTS: AttemptFacts = {
  rendered: {},
  logLines: 0,
  logBytes: 0,
  reads: [],
  writes: [],
  checks: [],
  metrics: {},
}

export function dagNamed(id: string, changes: Partial<Dag> = {}): Dag {
  return {
    id,
    version: `version-of-${id}`,
    file: `${id}.yaml`,
    description: '',
    owner: 'sales',
    tags: ['daily'],
    schedule: null,
    start: null,
    triggers: [],
    catchup: 'none',
    maxActiveRuns: 1,
    maxActiveTasks: 64,
    alerts: NO_ALERTS,
    slas: [],
    overlap: 'queue',
    dependsOnPast: false,
    runTimeoutMs: null,
    params: {},
    tasks: [],
    source: `dag: ${id}`,
    files: {},
    ...changes,
  }
}

export async function register(store: Store, ...dags: Dag[]): Promise<void> {
  await store.registerDags({ dags, broken: [], problems: [], nextDue: {} }, NOW)
}

export function newRun(dagId: string, changes: Partial<NewRun> & { taskIds?: string[]; pool?: string } = {}): NewRun {
  const { taskIds = ['a', 'b'], pool = 'default', ...rest } = changes
  const dueAt = rest.dueAt ?? NOW
  return {
    id: `${dagId}-${new Date(dueAt).toISOString()}`,
    dagId,
    version: `version-of-${dagId}`,
    kind: 'manual',
    dueAt,
    intervalStart: dueAt,
    intervalEnd: dueAt,
    params: { country: 'all' },
    triggeredBy: 'mira',
    onlyTasks: null,
    noChecks: false,
    tasks: taskIds.map((taskId) => ({ taskId, pool, queue: 'default', priority: 0 })),
    slas: [],
    maxActiveRuns: 1,
    maxActiveTasks: 64,
    overlap: 'queue',
    dependsOnPast: 'no',
    runTimeoutMs: null,
    ...rest,
  }
}

/** A running run, its tasks still `none`. */
export async function runningRun(
  store: Store,
  dagId: string,
  changes: Parameters<typeof newRun>[1] = {},
): Promise<string> {
  if ((await store.dag(dagId)) === null) await register(store, dagNamed(dagId))
  const run = newRun(dagId, changes)
  await store.createRun(run, { now: NOW })
  await store.startRuns(NOW, 100)
  return run.id
}

export const NO_CHANGE: Decision = { tasks: [], expand: [], run: null, settled: [], stop: [], wakeAt: null }

/** Moves tasks from where they are to `state`, in one decision. */
export async function moveTasks(
  store: Store,
  runId: string,
  state: TaskState,
  taskIds?: string[],
  reason = '',
): Promise<void> {
  const run = await store.run(runId)
  const tasks = (await store.taskRuns(runId)).filter((task) => taskIds?.includes(task.taskId) ?? true)
  const decision: Decision = {
    ...NO_CHANGE,
    tasks: tasks.map((task) => ({
      taskId: task.taskId,
      expect: { state: task.state, attempt: task.attempt, generation: task.generation },
      set: { state, reason },
    })),
  }
  const outcome = await store.applyDecision(runId, run?.revision ?? -1, decision, NOW)
  if (outcome !== 'applied') throw new Error(`the tasks of ${runId} could not be moved to ${state}`)
}

/** A run whose tasks are all queued. */
export async function queuedRun(
  store: Store,
  dagId: string,
  changes: Parameters<typeof newRun>[1] = {},
): Promise<string> {
  await store.setPools({ default: 1000 })
  const runId = await runningRun(store, dagId, changes)
  await moveTasks(store, runId, 'scheduled')
  await store.queueReady(NOW, 1000)
  return runId
}

export const WORKER = { id: 'worker-1', epoch: 0, queues: ['default'] }

export async function claimOne(store: Store, now = NOW): Promise<ClaimedTask> {
  const [claim] = await store.claim(WORKER, { now, leaseMs: LEASE_MS, limit: 1 })
  if (claim === undefined) throw new Error('nothing to claim')
  return claim
}

export function outcomeOf(claim: ClaimedTask, changes: Partial<AttemptOutcome> = {}) {
  const outcome: AttemptOutcome = {
    taskId: claim.taskId,
    attempt: claim.attempt,
    result: 'success',
    reason: '',
    retryable: true,
    outputs: {},
    endedAt: NOW + 1000,
    ...changes,
  }
  const { runId, taskId, attempt, claimToken } = claim
  return { runId, taskId, attempt, claimToken, outcome, facts: NO_FACTS }
}

/** A store that found several at once does not try for one alone for some time: asks it until it does again. */
export async function whileNoneIsThere(ask: () => Promise<unknown>): Promise<void> {
  for (let passes = 0; passes < 16; passes += 1) await ask()
}
