import { createHash } from 'node:crypto'
import { isSluiceError, messageOf } from '../../errors.js'
import type { Tables } from '../../lakehouse/lakehouse.js'
import type { RenderedTask } from '../dag/templates.js'
import type { ClaimedTask, EarlierAttempt } from '../store/store.js'
import type { Assignment, SlotConfig } from './protocol.js'

/** `skip_if_done`: when an attempt takes over the result of an earlier one (docs/guides/flow.md). */

/**
 * Hash of all that an attempt works from but the content of tables: the version of its DAG, what its templates have become,
 * and the connections. Secrets are in it by their names.
 */
export function inputKey({ claim, dag, task }: Assignment, rendered: RenderedTask, config: SlotConfig): string {
  const { config: own, files, env, checks } = rendered
  const inputs = [dag.id, dag.version, task.id, own, files, env, checks, claim.noChecks, config.connections]
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

/**
 * What has changed since: a table that the earlier attempt read has another version now, or one that it wrote has been
 * written, rolled back or removed by others. Null for nothing. A table that cannot be looked at counts as changed.
 */
export async function changeSince(earlier: EarlierAttempt, tables: () => Promise<Tables>): Promise<string | null> {
  const { reads, writes } = earlier
  if (reads.length + writes.length === 0) return null
  try {
    const opened = await tables()
    for (const { table, version } of [...reads, ...writes]) {
      const [newest] = await opened.versions(table, { limit: 1 })
      if (newest?.version !== version) return `${table} is at version ${newest?.version ?? 'none'}, not ${version}`
    }
    return null
  } catch (error) {
    return isSluiceError(error, 'TABLE_UNKNOWN') ? 'a table of it is gone' : messageOf(error)
  }
}

/** The sentence for people: whose result it is, and which versions of tables stand for it. */
export function takenOver(earlier: EarlierAttempt, claim: ClaimedTask): string {
  const task = earlier.taskId === claim.taskId ? '' : `, ${earlier.taskId}`
  const written = earlier.writes.map(({ table, version }) => `${table} v${version}`)
  const wrote = written.length === 0 ? '' : `; it wrote ${written.join(', ')}`
  return `taken from ${earlier.runId}${task}: same inputs and version${wrote}`
}
