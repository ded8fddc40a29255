import { createHash } from 'node:crypto'
import { codeOf, isSluiceError } from '../../errors.js'
import type { Log } from '../loop/ports.js'
import type { Database } from '../store/database.js'

const INSUFFICIENT_PRIVILEGE = '42501'

/** A copy that was restored from a dump is another database, one that took over from its primary is the same. */
const WHICH = `select concat_ws(' ', system_identifier, (select oid from pg_database where datname = current_database()), current_schema())
  as which from pg_control_system()`

/**
 * One name for one store as its address in `sluice.yaml` says it, whoever connects to it as whom: marks on the processes and
 * folders of one machine carry it.
 */
export function storeNamespace(url: string): string {
  const { host, pathname } = new URL(url)
  return hashed(`${host}${pathname}`)
}

/**
 * One name for one store, by whichever address it is reached (a name or a number, with or without a port, through a pooler): keys and
 * channels in Redis carry it, so that all parts of a cluster hear each other. It is that of the database itself
 * (https://www.postgresql.org/docs/current/functions-info.html, pg_control_system). Where the role may not ask for it, the
 * address stands for it, and the log says so.
 */
export async function sharedNamespace(database: Pick<Database, 'query'>, url: string, log: Log): Promise<string> {
  try {
    const [row] = await database.query<{ which: string }>(WHICH)
    if (row !== undefined) return hashed(row.which)
  } catch (error) {
    if (!isSluiceError(error, 'STORE_FAILED') || codeOf(error.cause) !== INSUFFICIENT_PRIVILEGE) throw error
  }
  log.warn({}, 'the role may not call pg_control_system(): all parts must have the same address of the store')
  return storeNamespace(url)
}

function hashed(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 32)
}
