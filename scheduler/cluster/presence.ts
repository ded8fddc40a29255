import { SluiceError } from '../../errors.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import { AdvisoryLock, type LockMode } from '../store/advisory-lock.js'

const AGAIN_MS = 1_000

export interface Presence {
  /** resolves when another kind of Sluice has taken the store while the way to it was broken: this process should end */
  displaced: Promise<Error>
  release(): Promise<void>
}

/**
 * Says on PostgreSQL that this Sluice works on the store. Parts of a cluster do so side by side (`shared`); an embedded
 * Sluice wants it for itself (`exclusive`), because its start ends all claims of others.
 * @throws SluiceError STORE_LOCKED when the two do not go together
 */
export async function announcePresence(url: string, mode: LockMode, clock: Clock, log: Log): Promise<Presence> {
  let displace: (error: Error) => void = () => undefined
  const displaced = new Promise<Error>((resolve) => {
    displace = resolve
  })
  let released = false
  const lock = new AdvisoryLock(url, 'presence', mode, () => {
    log.warn({}, 'the connection that holds this place on the store has ended; asking for it again')
    again()
  })
  const again = () => {
    if (!released) clock.at(clock.now() + AGAIN_MS, () => void ask())
  }
  const ask = async () => {
    try {
      if (released || (await lock.tryAcquire())) return
      displace(taken(mode))
    } catch (error) {
      log.debug({ err: error }, 'the store does not answer yet')
      again()
    }
  }
  if (!(await lock.tryAcquire())) {
    await lock.release()
    throw taken(mode)
  }
  const release = async () => {
    released = true
    await lock.release()
  }
  return { displaced, release }
}

function taken(mode: LockMode): SluiceError {
  return mode === 'shared'
    ? new SluiceError('STORE_LOCKED', 'A `sluice up` works on this store.', {
        hint: 'Stop it; scheduler, worker and webserver are the same in parts.',
      })
    : new SluiceError('STORE_LOCKED', 'Another Sluice works on this store: a `sluice up`, or parts of a cluster.', {
        hint: 'Stop it, or start `sluice scheduler`, `sluice worker` and `sluice webserver` beside its parts.',
      })
}
