import type { Instant, JsonObject } from '../../json.js'
import type { AlertKind } from '../core/alert.js'
import { addDownstream } from '../core/clear.js'
import { declaredId } from '../core/items.js'
import type { Run, TaskRun, TaskState } from '../core/model.js'
import { type Forecast, forecast } from '../core/sla-forecast.js'
import { remainingTasks } from '../core/sla-times.js'
import { isFinal, isFinalRun } from '../core/states.js'
import type { Dag } from '../dag/model.js'
import { PastRuns } from '../loop/past-runs.js'
import type { Alert } from '../store/alert-store.js'
import type { CheckRecord, Dependent, Store } from '../store/store.js'
import type { AttemptLogs } from '../worker/log-reader.js'
import { LOG_LINES } from './message.js'

/** What the store knows of an alert at the moment its message is written. */
export interface AlertFacts {
  /** null: it has been removed since, or the alert is about none */
  run: Run | null
  dag: Dag | null
  tasks: TaskRun[]
  /** the task it is about: the one that it names, the first that failed, the one that keeps a late run; null for none */
  task: TaskRun | null
  /** when what is late will have ended, as its history says by now; null when it has ended or that is not known */
  expected: Forecast | null
  /** tasks of the run that wait for `task` */
  blocked: string[]
  /** other DAGs that go on from it, and how many there are */
  behind: { dependents: Dependent[]; total: number }
  /** last lines of the attempt that the alert names, else of the task's newest */
  log: string[]
  /** checks of that attempt which did not pass */
  failedChecks: CheckRecord[]
  now: Instant
}

/** Other DAGs that a message names. */
const NAMED_DAGS = 10

type FactsStore = Pick<Store, 'run' | 'taskRuns' | 'dagVersion' | 'dag' | 'runLineage' | 'pastRuns' | 'dependents'>

/**
 * Gathers what a message says of an alert. What cannot be had is left out: an alert without its log is better than none.
 * @param unreadable is told why a log could not be read
 */
export async function gatherFacts(
  store: FactsStore,
  logs: Pick<AttemptLogs, 'tail'>,
  alert: Alert,
  now: Instant,
  unreadable: (error: unknown) => void,
): Promise<AlertFacts> {
  const run = alert.runId === null ? null : await store.run(alert.runId)
  const dag = run === null ? await currentDag(store, alert.dagId) : await store.dagVersion(run.version)
  const nobody = { blocked: [], behind: { dependents: [], total: 0 } }
  const nothing = { run, dag, tasks: [], task: null, expected: null, log: [], failedChecks: [], now, ...nobody }
  if (run === null) return nothing
  const [tasks, lineage] = await Promise.all([store.taskRuns(run.id), store.runLineage(run.id)])
  const task = taskOf(alert, tasks)
  const about = {
    ...{ ...nothing, tasks, task, expected: await expectedEnd(store, alert, run, dag, tasks, now) },
    ...(dag === null || run.state === 'success' ? nobody : await whoWaits(store, dag, tasks, task)),
  }
  const attempt = attemptOf(alert, task)
  if (task === null || attempt === 0) return about
  const own = lineage.find((one) => one.taskId === task.taskId && one.attempt === attempt)
  const failedChecks = (own?.checks ?? []).filter(({ passed }) => !passed)
  const log = await lastLines(logs, { runId: run.id, taskId: task.taskId, attempt }, unreadable)
  return { ...about, log, failedChecks }
}

async function currentDag(store: Pick<Store, 'dag' | 'dagVersion'>, dagId: string | null): Promise<Dag | null> {
  const registered = dagId === null ? null : await store.dag(dagId)
  return registered === null ? null : store.dagVersion(registered.version)
}

/** What keeps a run, the likeliest first. */
const KEEPING: readonly TaskState[] = ['up_for_retry', 'running', 'queued', 'scheduled', 'deferred']

function taskOf({ kind, taskId }: Alert, tasks: readonly TaskRun[]): TaskRun | null {
  if (taskId !== null) return tasks.find((task) => task.taskId === taskId) ?? null
  const inState = (wanted: TaskState) => tasks.find(({ state }) => state === wanted)
  if (kind === 'run_failed') return inState('failed') ?? null
  if (!isLate(kind)) return null
  for (const state of [...KEEPING, 'failed'] as const) {
    const found = inState(state)
    if (found !== undefined) return found
  }
  return null
}

const isLate = (kind: AlertKind): boolean => kind === 'sla_missed' || kind === 'sla_at_risk'

function attemptOf({ kind, payload }: Alert, task: TaskRun | null): number {
  const named = kind === 'run_failed' ? undefined : payload.attempt
  return typeof named === 'number' ? named : (task?.attempt ?? 0)
}

/** At the deadline itself nobody waits for a forecast; whoever reads of a miss wants one. */
async function expectedEnd(
  store: Pick<Store, 'pastRuns'>,
  { kind, taskId }: Alert,
  run: Run,
  dag: Dag | null,
  tasks: readonly TaskRun[],
  now: Instant,
): Promise<Forecast | null> {
  const own = taskId === null ? null : tasks.find((task) => task.taskId === taskId)
  const ended = isFinalRun(run.state) || (own != null && isFinal(own.state))
  if (!isLate(kind) || dag === null || ended) return null
  const history = await new PastRuns(store).of(dag, now)
  return forecast(remainingTasks(dag, run, tasks, taskId), history, now)
}

async function lastLines(
  logs: Pick<AttemptLogs, 'tail'>,
  of: { runId: string; taskId: string; attempt: number },
  unreadable: (error: unknown) => void,
): Promise<string[]> {
  try {
    return (await logs.tail(of, LOG_LINES)).map(({ message }) => message)
  } catch (error) {
    unreadable(error)
    return []
  }
}

/**
 * Who waits for the task: those behind it in its run, and other DAGs. Where no task keeps the run (it has not begun, or was
 * stopped), the DAGs that wait for anything that it has not done.
 */
async function whoWaits(
  store: Pick<Store, 'dependents'>,
  dag: Dag,
  taskRuns: readonly TaskRun[],
  task: TaskRun | null,
): Promise<Pick<AlertFacts, 'blocked' | 'behind'>> {
  if (task !== null && isWell(task.state)) {
    return { blocked: [], behind: { dependents: [], total: 0 } }
  }
  const stuck = task === null ? null : declaredId(task.taskId)
  const blocked = stuck === null ? [] : blockedBy(dag, taskRuns, stuck)
  const undone = new Set(taskRuns.filter(({ state }) => !isWell(state)).map(({ taskId }) => declaredId(taskId)))
  const waiting = stuck === null ? undone : new Set([stuck, ...blocked])
  const tables = dag.tasks.flatMap(({ id, config }) => (waiting.has(id) ? tableOf(config) : []))
  const behind = await store.dependents({ dagId: dag.id, tasks: [...waiting], tables }, NAMED_DAGS)
  return { blocked, behind }
}

const isWell = (state: TaskState): boolean => state === 'success' || state === 'skipped'

/** The table that a task declares as its target; what a program writes by itself is known from earlier runs. */
function tableOf({ to }: JsonObject): string[] {
  return typeof to === 'string' && !to.includes('{{') ? [to] : []
}

/** Tasks that need `taskId`, directly or not, and have not ended well. */
function blockedBy(dag: Dag, tasks: readonly TaskRun[], taskId: string): string[] {
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
