import type { Actor, Wake } from '../commands.js'
import type { Events } from '../events.js'
import type { Ports } from '../loop/ports.js'
import type { Queue } from '../queue/queue.js'
import type { Store } from '../store/store.js'

/** What the commands act on. */
export interface CommandPorts extends Pick<Ports, 'timetable' | 'random' | 'projectAlerts' | 'debugPoint'> {
  store: Store
  /** the scheduler of this process, or whatever tells one */
  wake: Wake
  queue: Pick<Queue, 'stop'>
  events: Events
}

/**
 * Leaves the audit row of an action whose own step writes none. It is written when nothing speaks against the action, and
 * before it: a crash between the two leaves a row without its action, never an action that nobody is named for.
 */
export async function audit(
  ports: CommandPorts,
  actor: Actor,
  action: string,
  target: string,
  detail: Parameters<Store['audit']>[0]['detail'] = {},
): Promise<void> {
  await ports.store.audit({ user: actor.user, action, target, detail }, ports.wake.now())
}
