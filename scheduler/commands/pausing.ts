import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Actor } from '../commands.js'
import { keptEvents } from '../core/triggers.js'
import type { Dag } from '../dag/model.js'
import { type Missed, missedSlots, resumedDue } from '../loop/catchup.js'
import type { RegisteredDag } from '../store/store.js'
import { audit, type CommandPorts } from './ports.js'

const MOVED_LIMIT = 25
/** Missed runs are counted up to this. */
const MISSED_LIMIT = 100_000

/** No scheduled run is made or started from now on; what runs goes on. Pausing what is paused changes nothing. */
export async function pause(ports: CommandPorts, dagId: string, reason: string, actor: Actor): Promise<void> {
  await registeredDag(ports, dagId)
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
  presentDag(await registeredDag(ports, dagId))
  await audit(ports, actor, 'resume', dagId, { skip_missed: skipMissed })
  for (let tries = 0; tries < MOVED_LIMIT; tries += 1) {
    const registered = presentDag(await registeredDag(ports, dagId))
    const missed = await missedByRegistered(ports, registered)
    if (!registered.paused) return missed
    const dag = await ports.store.dagVersion(registered.version)
    const { timetable, wake } = ports
    const dueSince = skipMissed ? null : registered.nextDueAt
    const nextDue = dag === null ? null : resumedDue(timetable, dag, dueSince, wake.now())
    if (dag !== null && dag.triggers.length > 0) await dropMissed(ports, dag, skipMissed)
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

function presentDag(registered: RegisteredDag): RegisteredDag {
  const { id, file, present } = registered
  if (present) return registered
  throw new SluiceError('STATE_CONFLICT', `The file of the DAG ${id}, ${file}, has disappeared.`, {
    hint: 'Bring the file back; the DAG resumes by itself.',
  })
}

async function missedByRegistered(ports: CommandPorts, registered: RegisteredDag): Promise<Missed> {
  const dag = registered.paused && registered.present ? await ports.store.dagVersion(registered.version) : null
  if (dag === null) return { count: 0, first: null, last: null, makes: 0 }
  const now = ports.wake.now()
  const slots = missedSlots(ports.timetable, dag, registered.nextDueAt, now, MISSED_LIMIT)
  if (dag.triggers.length === 0) return slots
  const events = await ports.store.pendingEvents(dag.id)
  return together(slots, events, keptEvents(dag.catchup, events, now).length)
}

/** Slots and events are counted as one: each is a run that was not made. */
function together(slots: Missed, events: readonly { seenAt: Instant }[], kept: number): Missed {
  const [first, last] = [events[0]?.seenAt ?? null, events.at(-1)?.seenAt ?? null]
  const instants = [slots.first, slots.last, first, last].filter((instant) => instant !== null)
  return {
    count: slots.count + events.length,
    makes: slots.makes + kept,
    first: instants.length === 0 ? null : Math.min(...instants),
    last: instants.length === 0 ? null : Math.max(...instants),
  }
}

async function dropMissed({ store, wake }: CommandPorts, dag: Dag, all: boolean): Promise<void> {
  const events = await store.pendingEvents(dag.id)
  const kept = new Set(all ? [] : keptEvents(dag.catchup, events, wake.now()).map(({ id }) => id))
  const dropped = events.flatMap(({ id }) => (kept.has(id) ? [] : id))
  if (dropped.length > 0) await store.dropEvents(dag.id, dropped, wake.now())
}
