import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import { withAlerts } from '../core/alerts.js'
import { applied } from '../core/apply.js'
import { decide } from '../core/decide.js'
import { isEmpty } from '../core/draft.js'
import type { Decision, RunSnapshot } from '../core/model.js'
import { dependsOnPast } from '../core/past.js'
import { announceDecision } from '../loop/announce.js'
import type { CommandPorts } from './ports.js'

/** How often a command begins anew when the run moves under it. */
const CONFLICT_LIMIT = 25

/**
 * Changes a run by hand. `act` sees a settled run, so that what has happened already counts; it is asked again when the
 * run moves before its decision is written. Resolves once the change is durable and the scheduler knows.
 * @param act gives the decision and what the command answers; throws a `SluiceError` to refuse
 * @param before called once, when the command is not refused and before anything is written
 */
export async function changeRun<Answer>(
  ports: CommandPorts,
  runId: string,
  act: (snapshot: RunSnapshot, now: Instant) => { decision: Decision; answer: Answer },
  before: () => Promise<void>,
): Promise<Answer> {
  let announced = false
  for (let tries = 0; tries < CONFLICT_LIMIT; tries += 1) {
    const snapshot = await ports.store.snapshot(runId)
    if (snapshot === null) throw new SluiceError('RUN_UNKNOWN', `There is no run ${runId}.`)
    const now = ports.wake.now()
    const unsettled = withAlerts(snapshot, decide(snapshot, now, ports.random), ports.projectAlerts)
    if (!isEmpty(unsettled)) {
      await write(ports, snapshot, unsettled, now)
      continue
    }
    const { decision: asked, answer } = act(snapshot, now)
    const decision = marked(ports, snapshot, asked, now)
    if (!announced) await before()
    announced = true
    if (isEmpty(decision) || (await write(ports, snapshot, decision, now))) return answer
  }
  throw new SluiceError('STATE_CONFLICT', `The run ${runId} kept changing while it was to be changed by hand.`)
}

/** What the change has left to decide must be found although nobody may hear of it: the run says so itself, in the same step. */
function marked({ random }: CommandPorts, snapshot: RunSnapshot, decision: Decision, now: Instant): Decision {
  if (isEmpty(decision) || isEmpty(decide(applied(snapshot, decision, now), now, random))) return decision
  return { ...decision, run: { ...decision.run, unsettled: true } }
}

async function write(ports: CommandPorts, snapshot: RunSnapshot, decision: Decision, now: Instant): Promise<boolean> {
  const { store, queue, wake, events, debugPoint } = ports
  const runId = snapshot.run.id
  await debugPoint('command:decided')
  const outcome = await store.applyDecision(runId, snapshot.run.revision, decision, now)
  if (outcome === 'conflict') return false
  await debugPoint('command:applied')
  announceDecision(events, snapshot, decision)
  if (decision.stop.length > 0) await queue.stop(decision.stop.map((attempt) => ({ runId, ...attempt })))
  if (!startsLater(snapshot, decision)) wake.run(runId)
  wake.all()
  return true
}

/** Nothing is left to settle: it is settled when it starts. A thousand cleared runs would be looked at for nothing. */
function startsLater({ run, dag }: RunSnapshot, decision: Decision): boolean {
  const { state, cancelRequested } = { ...run, ...decision.run }
  // tasks of the run after this one may go on, because it waits in the queue
  return state === 'queued' && !cancelRequested && dependsOnPast(dag) === 'no'
}

/** Refuses names that are not tasks of the run. */
export function knownTasks(snapshot: RunSnapshot, tasks: readonly string[]): void {
  const known = new Set(snapshot.tasks.map(({ taskId }) => taskId))
  const unknown = tasks.find((task) => !known.has(task))
  if (unknown !== undefined) {
    throw new SluiceError('TASK_UNKNOWN', `The run ${snapshot.run.id} has no task ${unknown}.`)
  }
}
