import { setTimeout as pause } from 'node:timers/promises'
import { codeOf, SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import { isoInstant } from '../../json.js'
import type { Database } from './database.js'

/** How a migration waits for tables that others use. */
export interface LockPatience {
  /** for one try; what others want of the table meanwhile waits behind it for so long */
  waitMs: number
  /** between two tries, in which the others go on */
  pauseMs: number
  tries: number
  /** told once, by the first try that has not got the lock */
  waiting: (message: string) => void
}

/** Five minutes of which a claim never waits for more than one second. */
const PATIENCE: LockPatience = { waitMs: 1_000, pauseMs: 4_000, tries: 60, waiting: () => undefined }

/**
 * `lock_not_available` and `deadlock_detected`: the transaction has done nothing and may be tried again.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const LOCKED_OUT = new Set(['55P03', '40P01'])

/**
 * Applies a migration in short tries. An `alter table` waits for every reader of its table, and all who come after wait behind it, so
 * one that waited for a backup to end would stop the cluster for that long.
 * @param apply one try, in a transaction that waits for a lock no longer than it is told
 * @throws SluiceError STORE_BUSY when no try has got its locks; what `apply` throws
 */
export async function inShortTries(
  database: Database,
  name: string,
  apply: (waitMs: number) => Promise<void>,
  patience: Partial<LockPatience> = {},
): Promise<void> {
  const { waitMs, pauseMs, tries, waiting } = { ...PATIENCE, ...patience }
  const seconds = Math.ceil((tries * waitMs + (tries - 1) * pauseMs) / 1_000)
  for (let left = tries; ; left -= 1) {
    try {
      return await apply(waitMs)
    } catch (error) {
      if (!LOCKED_OUT.has(codeOf(error))) throw error
      if (left <= 1) throw await busy(database, name, seconds, error)
      if (left === tries) waiting(`The migration ${name} waits for a table that is in use, for up to ${seconds} s.`)
    }
    await pause(pauseMs)
  }
}

async function busy(database: Database, name: string, seconds: number, cause: unknown): Promise<SluiceError> {
  const oldest = await oldestTransaction(database)
  const message = `The migration ${name} has not got the tables that it changes for itself within ${seconds} s${oldest}.`
  return new SluiceError('STORE_BUSY', message, { cause })
}

/** Most likely the one in the way. The server tells of other roles' transactions only to those who may see them. */
async function oldestTransaction(database: Database): Promise<string> {
  const [oldest] = await database.query<{ pid: number; name: string; since: Instant }>(
    `select pid, application_name as name, xact_start as since from pg_stat_activity
      where datname = current_database() and xact_start is not null and pid <> pg_backend_pid() order by xact_start limit 1`,
  )
  if (oldest === undefined) return ''
  return `; the oldest transaction is of pid ${oldest.pid} (${oldest.name}), since ${isoInstant(oldest.since)}`
}
