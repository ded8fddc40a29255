import { SluiceError } from '../../errors.js'
import type { Actor } from '../commands.js'
import { resumedDue } from '../loop/catchup.js'
import { audit, type CommandPorts } from './ports.js'

const MOVED_LIMIT = 25

/** No scheduled run is made or started from now on; what runs goes on. Pausing what is paused changes nothing. */
export async function pause(ports: CommandPorts, dagId: string, reason: string, actor: Actor): Promise<void> {
  await audit(ports, actor, 'pause', dagId, { reason })
  const why = reason === '' ? `paused by ${actor.user}` : `paused by ${actor.user}: ${reason}`
  const outcome = await ports.store.setPaused(dagId, true, why, ports.wake.now())
  if (outcome === 'unknown') throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  ports.events.emit({ kind: 'dags' })
}

/**
 * The next tick is set before the pause ends: from now, or with catchup to the first missed one that is made up for.
 * Resuming what is not paused changes nothing.
 */
export async function resume(ports: CommandPorts, dagId: string, actor: Actor): Promise<void> {
  await audit(ports, actor, 'resume', dagId)
  for (let tries = 0; tries < MOVED_LIMIT; tries += 1) {
    const registered = await ports.store.dag(dagId)
    if (registered === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
    if (!registered.present) {
      throw new SluiceError('STATE_CONFLICT', `The file of the DAG ${dagId}, ${registered.file}, has disappeared.`, {
        hint: 'Bring the file back; the DAG resumes by itself.',
      })
    }
    if (!registered.paused) return
    const dag = await ports.store.dagVersion(registered.version)
    const nextDue = dag === null ? null : resumedDue(ports.timetable, dag, registered.nextDueAt, ports.wake.now())
    if ((await ports.store.setNextDue(dagId, registered.nextDueAt, nextDue)) === 'moved') continue
    await ports.debugPoint('resume:moved')
    await ports.store.setPaused(dagId, false, '', ports.wake.now())
    ports.events.emit({ kind: 'dags' })
    ports.wake.all()
    return
  }
  throw new SluiceError('STATE_CONFLICT', `The schedule of the DAG ${dagId} kept moving while it was to be resumed.`)
}
