import { SluiceError } from '../../errors.js'
import type { Instant, JsonObject } from '../../json.js'
import type { Actor } from '../commands.js'
import type { ManualRunOptions, ParentTask } from '../core/model.js'
import { newRun, type RunOrigin } from '../core/new-run.js'
import { manualRunId } from '../core/run-id.js'
import type { Dag } from '../dag/model.js'
import { paramFromText } from '../dag/params.js'
import { zoneClockOf } from '../dag/schedule.js'
import { announceRun } from '../loop/announce.js'
import type { Timetable } from '../loop/ports.js'
import { currentDag } from './current-dag.js'
import { validateParams } from './params.js'
import type { CommandPorts } from './ports.js'
import { hashOf } from './request-hash.js'

/** Triggers of one DAG within the same millisecond take the next one; more than this at once are refused. */
export const SAME_INSTANT_LIMIT = 100

/**
 * Makes a run by hand, or for a task of another run, of the DAG's newest version. The same key and request find the
 * first one's run. Resolves once the run is durable; when it starts is the scheduler's to decide.
 * @param idempotencyKey null makes a run with every call
 * @param parent the task that starts the run; absent for a person
 * @throws SluiceError DAG_UNKNOWN, DAG_INVALID, PARAMS_INVALID, TASK_UNKNOWN, INTERVAL_INVALID, IDEMPOTENCY_CONFLICT,
 * STATE_CONFLICT
 */
export async function trigger(
  ports: CommandPorts,
  dagId: string,
  options: ManualRunOptions,
  actor: Actor,
  idempotencyKey: string | null,
  parent?: ParentTask,
): Promise<{ run: string; repeated: boolean }> {
  const idempotency =
    idempotencyKey === null ? undefined : { key: idempotencyKey, requestHash: requestHash(dagId, options) }
  const first = await repeated(ports, idempotency)
  if (first !== null) return first
  const dag = await currentDag(ports, dagId)
  const params = checkedParams(dag, parent === undefined ? options.params : typedParams(dag, options.params))
  const onlyTasks = checkedTasks(dag, options.onlyTasks)
  const triggeredAt = ports.wake.now()
  const interval =
    (parent === undefined ? checkedInterval(options.interval) : options.interval) ??
    latestInterval(ports.timetable, dag, triggeredAt)
  const once = idempotency === undefined ? {} : { idempotency }
  for (let dueAt = triggeredAt; dueAt < triggeredAt + SAME_INSTANT_LIMIT; dueAt += 1) {
    const origin: RunOrigin = {
      id: manualRunId(dagId, dueAt),
      kind: 'manual',
      dueAt,
      interval,
      params,
      triggeredBy: actor.user,
      onlyTasks,
      noChecks: options.noChecks,
    }
    const made = newRun(dag, origin, zoneClockOf(dag), triggeredAt)
    const run = parent === undefined ? made : { ...made, parent }
    const entry = { user: actor.user, action: 'trigger', target: dagId, detail: { run: run.id, params } }
    await ports.debugPoint('command:decided')
    const result = await ports.store.createRun(run, { now: triggeredAt, ...once, audit: entry })
    if (result.outcome === 'created') return created(ports, run.id)
    if (result.outcome === 'repeated') return { run: result.runId, repeated: true }
    if (result.outcome === 'key_conflict') throw keyConflict(idempotencyKey ?? '')
  }
  throw new SluiceError('STATE_CONFLICT', `More than ${SAME_INSTANT_LIMIT} runs of ${dagId} were triggered at once.`)
}

/**
 * The run that the same request has made before, whatever has become of its DAG since; null for none.
 * @throws SluiceError IDEMPOTENCY_CONFLICT
 */
async function repeated(
  { store }: CommandPorts,
  idempotency: { key: string; requestHash: string } | undefined,
): Promise<{ run: string; repeated: true } | null> {
  const first = idempotency === undefined ? null : await store.runOfKey(idempotency.key)
  if (first === null) return null
  if (first.requestHash !== idempotency?.requestHash) throw keyConflict(idempotency?.key ?? '')
  return { run: first.runId, repeated: true }
}

function keyConflict(key: string): SluiceError {
  return new SluiceError('IDEMPOTENCY_CONFLICT', `The Idempotency-Key ${key} was used before for another request.`)
}

/**
 * Tells everyone of a run that is durable by now, and gives the answer of the command that made it. A scheduler that
 * misses the call finds the run in its next sweep.
 */
export async function created(ports: CommandPorts, runId: string): Promise<{ run: string; repeated: boolean }> {
  await ports.debugPoint('command:applied')
  announceRun(ports.events, runId, 'queued')
  ports.wake.all()
  return { run: runId, repeated: false }
}

/** Templates give texts, whatever the parameter is. */
function typedParams(dag: Dag, params: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      const spec = Object.hasOwn(dag.params, name) ? dag.params[name] : undefined
      return [name, typeof value === 'string' && spec !== undefined ? paramFromText(spec, value) : value]
    }),
  )
}

function checkedParams(dag: Dag, params: JsonObject) {
  const checked = validateParams(dag.params, params)
  if ('params' in checked) return checked.params
  const sentences = checked.problems.map(({ message }) => message)
  throw new SluiceError('PARAMS_INVALID', sentences.join(' '))
}

function checkedTasks(dag: Dag, onlyTasks: string[] | null): string[] | null {
  if (onlyTasks === null) return null
  const known = new Set(dag.tasks.map(({ id }) => id))
  const unknown = onlyTasks.find((task) => !known.has(task))
  if (unknown !== undefined) throw new SluiceError('TASK_UNKNOWN', `The DAG ${dag.id} has no task ${unknown}.`)
  if (onlyTasks.length === 0) {
    throw new SluiceError('TASK_UNKNOWN', 'A run needs at least one task, and the list of its tasks is empty.')
  }
  return [...new Set(onlyTasks)]
}

function checkedInterval(interval: ManualRunOptions['interval']): ManualRunOptions['interval'] {
  if (interval !== null && !(interval.start < interval.end)) {
    throw new SluiceError('INTERVAL_INVALID', 'The interval is empty: its START is not before its END.')
  }
  return interval
}

/** The latest interval that is complete; a DAG without a schedule works on the instant of its trigger. */
export function latestInterval(timetable: Timetable, dag: Dag, now: Instant): { start: Instant; end: Instant } {
  const end = dag.schedule === null ? null : timetable.previousDue(dag.schedule, now)
  return dag.schedule === null || end === null ? { start: now, end: now } : timetable.intervalOf(dag.schedule, end)
}

function requestHash(dagId: string, { params, interval, onlyTasks, noChecks }: ManualRunOptions): string {
  return hashOf({ dagId, params, interval, onlyTasks, noChecks })
}
