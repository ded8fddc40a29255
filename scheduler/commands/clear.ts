import { SluiceError } from '../../errors.js'
import type { Actor, ClearOptions, ClearRange, Commands } from '../commands.js'
import { clear } from '../core/clear.js'
import { RunDraft } from '../core/draft.js'
import { declaredId } from '../core/items.js'
import type { RunSnapshot } from '../core/model.js'
import { isFinalRun } from '../core/states.js'
import { changeRun, knownTasks } from './change-run.js'
import { audit, type CommandPorts } from './ports.js'

/** Runs that one call clears: it answers within seconds, and what runs beside it has its turn in between. */
const RUNS_AT_ONCE = 50

/**
 * Clears tasks of one run, all of them for null; what clearing means says clear(). The answer names each task that runs
 * again, items of a `for_each` included, and not those that needed no clearing.
 * @throws SluiceError RUN_UNKNOWN, TASK_UNKNOWN, STATE_CONFLICT
 */
export function clearTasks(
  ports: CommandPorts,
  runId: string,
  tasks: string[] | null,
  options: ClearOptions,
  actor: Actor,
): ReturnType<Commands['clear']> {
  return changeRun(
    ports,
    runId,
    (snapshot) => {
      knownTasks(snapshot, tasks ?? [])
      const { decision, cleared } = clear(snapshot, { tasks, ...options }, actor.user)
      return { decision, answer: { cleared } }
    },
    () => auditClear(ports, runId, tasks, options, actor),
  )
}

/**
 * Clears the next runs of a range, each a step of its own: whatever cuts it off, what has been cleared stays cleared, and the
 * same call again goes on with the rest.
 */
export async function clearRuns(
  ports: CommandPorts,
  dagId: string,
  range: ClearRange,
  tasks: string[] | null,
  options: ClearOptions,
  actor: Actor,
): ReturnType<Commands['clearRuns']> {
  await assertClearable(ports, dagId, range, tasks)
  const choice = { ...range, notWell: options.failedOnly }
  const runs = await ports.store.runsToClear(dagId, choice, RUNS_AT_ONCE)
  const cleared: { run: string; tasks: string[] }[] = []
  for (const run of runs) {
    const of = await clearEnded(ports, run, range, tasks, options, actor)
    if (of.length > 0) cleared.push({ run, tasks: of })
  }
  return { cleared, next: runs.length < RUNS_AT_ONCE ? null : (runs.at(-1) ?? null) }
}

/** @throws SluiceError DAG_UNKNOWN, INTERVAL_INVALID, TASK_UNKNOWN, RUN_UNKNOWN */
async function assertClearable(
  { store }: CommandPorts,
  dagId: string,
  { from, to, after }: ClearRange,
  tasks: string[] | null,
): Promise<void> {
  const registered = await store.dag(dagId)
  if (registered === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  if (from >= to) throw new SluiceError('INTERVAL_INVALID', 'The range of runs to clear ends before it begins.')
  if (after !== null && (await store.run(after)) === null) {
    throw new SluiceError('RUN_UNKNOWN', `There is no run ${after} to go on behind.`)
  }
  const known = new Set((await store.dagVersion(registered.version))?.tasks.map(({ id }) => id))
  const unknown = tasks?.find((task) => !known.has(declaredId(task)))
  if (unknown !== undefined) throw new SluiceError('TASK_UNKNOWN', `The DAG ${dagId} has no task ${unknown}.`)
}

/** A run that has moved since it was chosen is left alone, and one of an older version has its own tasks cleared only. */
function clearEnded(
  ports: CommandPorts,
  runId: string,
  { endedBefore }: ClearRange,
  tasks: string[] | null,
  options: ClearOptions,
  actor: Actor,
): Promise<string[]> {
  return changeRun(
    ports,
    runId,
    (snapshot) => {
      const { run } = snapshot
      if (!isFinalRun(run.state) || run.endedAt === null || run.endedAt >= endedBefore) return leftAlone(snapshot)
      const own = new Set(snapshot.tasks.map(({ taskId }) => taskId))
      const there = tasks?.filter((task) => own.has(task)) ?? null
      const { decision, cleared } = clear(snapshot, { tasks: there, ...options }, actor.user)
      return { decision, answer: cleared }
    },
    () => auditClear(ports, runId, tasks, options, actor),
  )
}

function leftAlone(snapshot: RunSnapshot) {
  return { decision: new RunDraft(snapshot).decision(), answer: [] }
}

function auditClear(
  ports: CommandPorts,
  runId: string,
  tasks: string[] | null,
  { downstream, failedOnly }: ClearOptions,
  actor: Actor,
): Promise<void> {
  return audit(ports, actor, 'clear', runId, { tasks, downstream, failed_only: failedOnly })
}
