import type { Instant } from '../../json.js'
import { addDownstream } from '../core/clear.js'
import type { Run, TaskRun } from '../core/model.js'
import { isFinal } from '../core/states.js'
import type { Dag } from '../dag/model.js'
import type { Alert } from '../store/alert-store.js'
import type { CheckRecord, Store } from '../store/store.js'
import type { AttemptLogs } from '../worker/log-reader.js'

/** What the store knows of an alert at the moment its message is written. */
export interface AlertFacts {
  /** null: it has been removed since, or the alert is about none */
  run: Run | null
  dag: Dag | null
  tasks: TaskRun[]
  /** the attempt whose log is shown; null for none */
  attempt: { taskId: string; attempt: number } | null
  log: string[]
  /** checks of that attempt which did not pass */
  failedChecks: CheckRecord[]
  now: Instant
}

/** Lines of the log that a message shows. */
const LOG_LINES = 20

/**
 * Gathers what a message says of an alert. What cannot be had is left out: an alert without its log is better than none.
 * @param unreadable is told why a log could not be read
 */
export async function gatherFacts(
  store: Pick<Store, 'run' | 'taskRuns' | 'dagVersion' | 'dag' | 'runLineage'>,
  logs: Pick<AttemptLogs, 'tail'>,
  alert: Alert,
  now: Instant,
  unreadable: (error: unknown) => void,
): Promise<AlertFacts> {
  const run = alert.runId === null ? null : await store.run(alert.runId)
  const dag = run === null ? await currentDag(store, alert.dagId) : await store.dagVersion(run.version)
  const nothing: AlertFacts = { run, dag, tasks: [], attempt: null, log: [], failedChecks: [], now }
  if (run === null) return nothing
  const [tasks, lineage] = await Promise.all([store.taskRuns(run.id), store.runLineage(run.id)])
  const attempt = attemptOf(alert, tasks)
  if (attempt === null) return { ...nothing, tasks }
  const own = lineage.find((one) => one.taskId === attempt.taskId && one.attempt === attempt.attempt)
  const failedChecks = (own?.checks ?? []).filter(({ passed }) => !passed)
  const log = await lastLines(logs, run.id, attempt, unreadable)
  return { ...nothing, tasks, attempt, log, failedChecks }
}

async function currentDag(store: Pick<Store, 'dag' | 'dagVersion'>, dagId: string | null): Promise<Dag | null> {
  const registered = dagId === null ? null : await store.dag(dagId)
  return registered === null ? null : store.dagVersion(registered.version)
}

/** The attempt that the alert names, else the newest of its task, or of the first task that failed. */
function attemptOf(alert: Alert, tasks: readonly TaskRun[]): AlertFacts['attempt'] {
  const isFailure = alert.kind === 'run_failed'
  const task = tasks.find(({ taskId, state }) => (isFailure ? state === 'failed' : taskId === alert.taskId))
  if (task === undefined) return null
  const named = isFailure ? undefined : alert.payload.attempt
  const attempt = typeof named === 'number' ? named : task.attempt
  return attempt === 0 ? null : { taskId: task.taskId, attempt }
}

async function lastLines(
  logs: Pick<AttemptLogs, 'tail'>,
  runId: string,
  { taskId, attempt }: { taskId: string; attempt: number },
  unreadable: (error: unknown) => void,
): Promise<string[]> {
  try {
    return (await logs.tail({ runId, taskId, attempt }, LOG_LINES)).map(({ message }) => message)
  } catch (error) {
    unreadable(error)
    return []
  }
}

/** Tasks that need `taskId`, directly or not, and have not ended well. */
export function blockedBy({ dag, tasks }: AlertFacts, taskId: string): string[] {
  if (dag === null) return []
  const downstream = new Set([taskId])
  addDownstream(dag, downstream)
  const states = new Map(tasks.map((task) => [task.taskId, task.state]))
  return dag.tasks
    .map(({ id }) => id)
    .filter((id) => {
      const state = states.get(id)
      return (
        id !== taskId && downstream.has(id) && (state === 'upstream_failed' || (state !== undefined && !isFinal(state)))
      )
    })
}
