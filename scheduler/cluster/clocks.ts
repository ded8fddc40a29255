import { SluiceError } from '../../errors.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import type { Database } from '../store/database.js'

/** More than this is told: deadlines and due instants are off by as much. */
const TOLD_MS = 2_000
/**
 * A part whose clock is further off does not start. Leases last 30 s by the clock of their worker and end by that of a scheduler, with 8 s
 * between heartbeats: two parts that are off to either side by so much still keep them.
 */
const REFUSED_MS = 10_000
const EVERY_MS = 5 * 60_000
/** An answer that takes long tells little: the quickest of so many counts. */
const ASKED = 3

/**
 * Compares the clock of this machine with that of the database's, at once and every five minutes. What is too far off later on is told
 * in the log.
 * @returns stops comparing
 * @throws SluiceError CLOCK_OFF when it is more than 10 s off at the start
 */
export async function watchClock(database: Pick<Database, 'query'>, clock: Clock, log: Log): Promise<() => void> {
  const offset = await offsetOf(database, clock)
  if (Math.abs(offset) > REFUSED_MS) throw new SluiceError('CLOCK_OFF', `${sentence(offset)}.`)
  tell(offset, log)
  let forget: () => void = () => undefined
  let stopped = false
  const again = () => {
    if (!stopped) forget = clock.at(clock.now() + EVERY_MS, () => void look())
  }
  const look = async () => {
    try {
      tell(await offsetOf(database, clock), log)
    } catch (error) {
      log.debug({ err: error }, 'the clock of the store could not be asked')
    }
    again()
  }
  again()
  return () => {
    stopped = true
    forget()
  }
}

/** By how much this machine's clock is ahead, in ms; less than what the way to the store hides counts as nothing. */
async function offsetOf(database: Pick<Database, 'query'>, clock: Clock): Promise<number> {
  let best = { took: Number.POSITIVE_INFINITY, offset: 0 }
  for (let asked = 0; asked < ASKED; asked++) {
    const before = clock.now()
    const [row] = await database.query<{ at: number }>('select clock_timestamp() as at')
    const after = clock.now()
    const took = after - before
    if (row !== undefined && took < best.took) best = { took, offset: (before + after) / 2 - row.at }
  }
  const sure = Math.abs(best.offset) - best.took / 2
  return sure <= 0 ? 0 : Math.sign(best.offset) * sure
}

function tell(offset: number, log: Log): void {
  if (Math.abs(offset) <= TOLD_MS) return
  const message = `${sentence(offset)}; attempts may be taken for lost, and due instants missed`
  if (Math.abs(offset) > REFUSED_MS) log.error({ offset_ms: Math.round(offset) }, message)
  else log.warn({ offset_ms: Math.round(offset) }, message)
}

function sentence(offset: number): string {
  const way = offset > 0 ? 'ahead of' : 'behind'
  return `The clock of this machine is ${(Math.abs(offset) / 1_000).toFixed(1)} s ${way} that of the store`
}
