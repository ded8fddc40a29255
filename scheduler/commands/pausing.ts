import { SluiceError } from '../../errors.js'
import type { Actor } from '../commands.js'
import { type Missed, missedSlots, resumedDue } from '../loop/catchup.js'
import type { RegisteredDag } from '../store/store.js'
import { audit, type CommandPorts } from './ports.js'

const MOVED_LIMIT = 25
/** Missed runs are counted up to this. */
const MISSED_LIMIT = 100_000

/** No scheduled run is made or started from now on; what runs goes on. Pausing what is paused changes nothing. */
export async function pause(ports: CommandPorts, dagId: string, reason: string, actor: Actor): Promise<void> {
  await audit(ports, actor, 'pause', dagId, { reason })
  const why = reason === '' ? `paused by ${actor.user}` : `paused by ${actor.user}: ${reason}`
  const outcome = await ports.store.setPaused(dagId, true, why, ports.wake.now())
  if (outcome === 'unknown') throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  ports.events.emit({ kind: 'dags' })
}

/** What a paused DAG has missed, and how many runs a resume would make of it; nothing for one that is not paused. */
export async function missedBy(ports: CommandPorts, dagId: string): Promise<Missed> {
  return missedByRegistered(ports, await registeredDag(ports, dagId))
}

/**
 * The next tick is set before the pause ends: to the first missed one that catchup makes up for, otherwise from now on.
 * Resuming what is not paused changes nothing.
 * @param options `skipMissed`: nothing is made up for, whatever the DAG says
 * @returns what had been missed, with what is made of it
 */
export async function resume(
  ports: CommandPorts,
  dagId: string,
  actor: Actor,
  { skipMissed }: { skipMissed: boolean } = { skipMissed: false },
): Promise<Missed> {
  await audit(ports, actor, 'resume', dagId, { skip_missed: skipMissed })
  for (let tries = 0; tries < MOVED_LIMIT; tries += 1) {
    const registered = await registeredDag(ports, dagId)
    if (!registered.present) {
      throw new SluiceError('STATE_CONFLICT', `The file of the DAG ${dagId}, ${registered.file}, has disappeared.`, {
        hint: 'Bring the file back; the DAG resumes by itself.',
      })
    }
    const missed = await missedByRegistered(ports, registered)
    if (!registered.paused) return missed
    const dag = await ports.store.dagVersion(registered.version)
    const { timetable, wake } = ports
    const dueSince = skipMissed ? null : registered.nextDueAt
    const nextDue = dag === null ? null : resumedDue(timetable, dag, dueSince, wake.now())
    if ((await ports.store.setNextDue(dagId, registered.nextDueAt, nextDue)) === 'moved') continue
    await ports.debugPoint('resume:moved')
    await ports.store.setPaused(dagId, false, '', wake.now())
    ports.events.emit({ kind: 'dags' })
    wake.all()
    return skipMissed ? { ...missed, makes: 0 } : missed
  }
  throw new SluiceError('STATE_CONFLICT', `The schedule of the DAG ${dagId} kept moving while it was to be resumed.`)
}

async function registeredDag(ports: CommandPorts, dagId: string): Promise<RegisteredDag> {
  const registered = await ports.store.dag(dagId)
  if (registered === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  return registered
}

async function missedByRegistered(ports: CommandPorts, registered: RegisteredDag): Promise<Missed> {
  const dag = registered.paused && registered.present ? await ports.store.dagVersion(registered.version) : null
  if (dag === null) return { count: 0, first: null, last: null, makes: 0 }
  return missedSlots(ports.timetable, dag, registered.nextDueAt, ports.wake.now(), MISSED_LIMIT)
}
