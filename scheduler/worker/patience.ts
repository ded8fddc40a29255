import { codeOf, isSluiceError } from '../../errors.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'

/** Between two tries to reach a store that is away; leases go on meanwhile. */
const RETRY_MS = 500

/**
 * SQLSTATE classes of what passes: connections, rollbacks, resources, locks, an operator's intervention, the system. No code: no
 * answer. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const PASSES = /^(08|40|53|55|57|58|XX)...$|^(?![0-9A-Z]{5}$)/

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
 * @throws what `ask` throws, once nobody wants the answer any more, or at once when asking again cannot help
 */
export async function patiently<Answer>(ask: () => Promise<Answer>, patience: Patience): Promise<Answer> {
  const { clock, log, what, wanted } = patience
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isAway(error) || !wanted()) throw error
      log.warn({ err: error }, `${what}; trying again`)
      await new Promise<void>((resolve) => clock.at(clock.now() + RETRY_MS, resolve))
    }
  }
}

function isAway(error: unknown): boolean {
  if (!isSluiceError(error, 'STORE_FAILED')) return false
  const { cause } = error
  const code = cause instanceof Error ? codeOf(cause) : (cause as { code?: string } | undefined)?.code
  return PASSES.test(code ?? '')
}
