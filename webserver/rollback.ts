import { SluiceError } from '../errors.js'
import type { Commit } from '../lakehouse/lakehouse.js'
import type { Web } from './web.js'

const REASON_LIMIT = 500

/**
 * Rolls a table back by one new commit and writes down who did it: in the commit, in the table's history and in the audit.
 * @throws SluiceError TABLE_UNKNOWN, VERSION_UNKNOWN, COMMIT_CONFLICT
 */
export async function rollBack(
  web: Web,
  request: { table: string; version: number; reason: string; user: string },
): Promise<Commit> {
  const { tables, store } = web.deps
  const { table, version, user } = request
  const reason = request.reason.slice(0, REASON_LIMIT)
  const now = web.deps.now()
  const summary = await tables.summary(table)
  if (version >= summary.version)
    throw new SluiceError(
      'VERSION_UNKNOWN',
      `${table} is at ${summary.version}; only an earlier version can be gone back to.`,
    )
  const commit = await tables.rollback(table, version, { user, reason, now })
  // The commit is made: both notes are owed. The audit comes first, because it must not be lost with the other.
  await store.audit(
    { user, action: 'rollback', target: table, detail: { to: version, version: commit.version, reason } },
    now,
  )
  await store.recordTableWrite({ ...commit, user, reason }, now)
  return commit
}
