import { SluiceError } from '../../errors.js'
import { type Clock, systemClock } from '../clock.js'
import type { Config } from '../config.js'
import { Events } from '../events.js'
import type { Log } from '../loop/ports.js'
import { shareEvents } from '../queue/redis-events.js'
import { RedisLink } from '../queue/redis-link.js'
import { type OpenStore, openStore } from '../store/open-store.js'
import { watchClock } from './clocks.js'
import { sharedNamespace, storeNamespace } from './namespace.js'
import { announcePresence } from './presence.js'

export interface PartOptions {
  config: Config
  log: Log
  clock?: Clock
}

/** What every process of a cluster has: the store, the way to Redis, and the announcements of all. */
export interface Part extends OpenStore {
  config: Config
  clock: Clock
  log: Log
  link: RedisLink
  events: Events
  /** of the store, in names on this machine */
  namespace: string
  /** lets go of everything; the last thing a part does */
  release(): Promise<void>
}

/**
 * Joins a cluster.
 * @throws SluiceError CONFIG_INVALID without PostgreSQL and Redis, STORE_NOT_MIGRATED, STORE_TOO_NEW, STORE_LOCKED, UNREACHABLE,
 *   CLOCK_OFF
 */
export async function joinCluster({ config, log, clock = systemClock }: PartOptions): Promise<Part> {
  assertCluster(config)
  const opened = await openStore(config.store, clock.now(), { migrate: false })
  let forgetClock: () => void = () => undefined
  try {
    forgetClock = await watchClock(opened.database, clock, log)
    const shared = await sharedNamespace(opened.database, config.store, log)
    const presence = await announcePresence(config.store, 'shared', clock, log)
    const link = new RedisLink(config.queue, shared, log)
    const events = new Events()
    const unshare = shareEvents(link, events)
    const release = async () => {
      forgetClock()
      unshare()
      await link.close()
      await presence.release()
      await opened.store.close()
    }
    const namespace = storeNamespace(config.store)
    return { ...opened, broken: presence.displaced, config, clock, log, link, events, namespace, release }
  } catch (error) {
    forgetClock()
    await opened.store.close()
    throw error
  }
}

function assertCluster({ store, queue }: Config): void {
  const missing = [
    ...(/^postgres(ql)?:/.test(store) ? [] : ['`store: postgres://user@host/database`']),
    ...(/^rediss?:/.test(queue) ? [] : ['`queue: redis://host:6379/0`']),
  ]
  if (missing.length === 0) return
  throw new SluiceError('CONFIG_INVALID', `A cluster needs ${missing.join(' and ')} in sluice.yaml.`, {
    hint: 'On one machine `sluice up` starts everything in one process.',
  })
}
