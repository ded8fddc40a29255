import { codeOf, isSluiceError } from '../../errors.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import { isSqlState } from '../store/sql-state.js'

/** Between two tries to reach a store that is away; leases go on meanwhile. */
const RETRY_MS = 500

/**
 * SQLSTATE classes of what passes: connections, rollbacks, resources, locks, an operator's intervention, the system.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const PASSES = /^(08|40|53|55|57|58)/
/**
 * Something the server has not expected of itself. It may pass (a table that is being changed, a server that goes down), and it may be a
 * page or an index that is damaged, which stays.
 */
const UNEXPECTED = /^XX/
/** Half a minute, a restart of the server being over by then. */
const UNEXPECTED_AT_MOST = 60
/** Of what a statement was given: how many rows it makes of it, its data, the rules of a table, the bounds of a program. */
const BLAMES_VALUES = /^(21|22|23|54)/

export interface Patience {
  clock: Clock
  log: Log
  /** what failed, for the log */
  what: string
  /** whether anybody waits for the answer yet */
  wanted(): boolean
}

/**
 * Asks the store until it answers: an attempt must not fail because its store was started anew.
 * @param ask may be carried out more often than it is answered
 * @throws what `ask` throws, once nobody wants the answer any more, or when asking again cannot help: at once, or after half a
 *   minute of answers that the server has not expected itself
 */
export async function patiently<Answer>(ask: () => Promise<Answer>, patience: Patience): Promise<Answer> {
  const { clock, log, what, wanted } = patience
  for (let unexpected = 0; ; ) {
    try {
      return await ask()
    } catch (error) {
      if (isUnexpected(error)) unexpected += 1
      else if (!isAway(error)) throw error
      if (unexpected > UNEXPECTED_AT_MOST || !wanted()) throw error
      log.warn({ err: error }, `${what}; trying again`)
      await new Promise<void>((resolve) => clock.at(clock.now() + RETRY_MS, resolve))
    }
  }
}

/**
 * Whether it was the values that the store would not take. Anything else it says, of a server that starts, a standby that only
 * reads, a full disk, is no verdict on them, and neither is silence.
 * @param error from a statement of the store; one that is not of the store (`STORE_FAILED`) comes from making the statement
 */
export function refusesValues(error: unknown): boolean {
  return !isSluiceError(error, 'STORE_FAILED') || BLAMES_VALUES.test(sqlStateOf(error.cause))
}

function isUnexpected(error: unknown): boolean {
  return isSluiceError(error, 'STORE_FAILED') && UNEXPECTED.test(sqlStateOf(error.cause))
}

function isAway(error: unknown): boolean {
  if (!isSluiceError(error, 'STORE_FAILED')) return false
  const state = sqlStateOf(error.cause)
  // no state: no answer
  return state === '' || PASSES.test(state)
}

function sqlStateOf(cause: unknown): string {
  const code = codeOf(cause)
  return isSqlState(code) ? code : ''
}
