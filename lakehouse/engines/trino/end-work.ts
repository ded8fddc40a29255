import type { LeftOutside } from '../../lakehouse.js'
import { endQueries } from './end-queries.js'
import type { WorkHandle } from './handle.js'
import type { TrinoTable } from './names.js'
import type { OwnView } from './own-view.js'
import type { TrinoSession } from './session.js'
import { publishedBy, settle } from './settle.js'
import { cleanStaging } from './staging.js'
import { forgetTakenBack } from './taken-back.js'

/**
 * Ends what a handle tells of, when no attempt goes on with it: queries that run are ended, those that nobody has started never
 * are, and what was staged is dropped. What has been published by then stays, and is told.
 * @param table the one that was written; null for work that wrote none by itself
 * @throws SluiceError UNREACHABLE when Trino does not say what became of a query, or does not end one
 */
export async function endWork(
  session: TrinoSession,
  work: WorkHandle,
  table: TrinoTable | null,
  view: OwnView,
  { token, now, signal, log }: LeftOutside,
): Promise<void> {
  const { staging, published, quarantined, statements } = work
  const made = table === null ? null : await publishedBy(session, table, published, signal)
  const publishing = made === null ? published : []
  await endQueries(session, [...staging, ...publishing, ...quarantined, ...statements], {
    signal,
    ending: (queryId) => log('warn', `Ending Trino query ${queryId}, which nobody goes on with.`),
  })
  if (table === null) return
  // one that was ended while it committed may be some seconds late: whoever waits for this writes the table next
  const settling = { signal, waiting: () => undefined, remember: () => Promise.resolve() }
  const version = made ?? (await settle(session, table, published, settling))
  if (version !== null) {
    const { queryId, version: number } = version
    log('warn', `Trino query ${queryId} had published version ${number} of ${table.label} before it could be ended.`)
  } else {
    const look = () => view.state(table.label)
    await forgetTakenBack(session, table, { look, queries: published, signal, log })
  }
  if (staging.length > 0) await cleanStaging(session, table, token, now)
}
