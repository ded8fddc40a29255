import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../json.js'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'
import { Attempt, Remains, ROW, slow, until } from './trino-attempts.js'
import { published, TrinoPlace } from './trino-place.js'

describe.each(['iceberg', 'delta'] as const)('a write whose query an administrator ends, %s', (format) => {
  const place = new TrinoPlace(format)
  const { startedByHand, publishedByHand } = new Remains(place)
  const { lakehouse, ...others } = place.config.connections
  const connections = { ...others, lakehouse: { ...lakehouse, user: 'administrator' } }
  const administrator = new TrinoSession(trinoServer({ ...place.config, connections } as never, 'lakehouse'), format)
  beforeAll(() => place.house())
  afterAll(async () => {
    administrator.close()
    await place.remove()
  })

  const APPEND = { mode: 'append' as const }
  /** An attempt whose publishing query is ended by somebody else, once this has come true of it. */
  const ended = (when: (handle: Json) => Promise<void>) =>
    new Attempt(null, async (handle) => {
      const [query] = parseHandle(handle)?.published ?? []
      // saved again as it gets on: the first time nobody has started it
      if (query === undefined || (query.next ?? query.start) !== query.start) return
      await when(handle)
      const { queryId } = query
      await administrator.run(`CALL system.runtime.kill_query(query_id => '${queryId}', message => 'too long')`)
      await until('the query is over', 10_000, async () => {
        return (await place.trino.control.state(queryId))?.state === 'FAILED'
      })
    })

  it('succeeds when the rows are in', async () => {
    published(await place.write('late', `SELECT 0 AS id, 'there' AS note`))
    const commit = published(await place.write('late', ROW, { ...APPEND, outside: ended(publishedByHand) }))
    expect(commit.rowsAdded).toBe(1)
    expect((await place.rows('late', 'id')).flat()).toEqual([0, 1])
  })

  it('may be tried again when they are not, and then writes once', async () => {
    published(await place.write('early', `SELECT 0 AS id, 'there' AS note`))
    const set = { ...APPEND, token: 'early' }
    const attempt = ended(startedByHand)
    await expect(place.write('early', slow(9_999), { ...set, outside: attempt })).rejects.toMatchObject({
      code: 'SQL_FAILED',
      retryable: true,
      message: 'The write failed: Query killed. Message: too long.',
    })
    // a commit of the first may be late by ten seconds, however far Trino's clock is behind ours
    const begun = performance.now()
    let handedInAfterMs = 0
    const second = new Attempt(attempt.saved, async () => {
      handedInAfterMs ||= performance.now() - begun
    })
    published(await place.write('early', ROW, { ...set, outside: second, now: () => Date.now() + 30_000 }))
    expect(handedInAfterMs).toBeGreaterThan(9_000)
    expect((await place.rows('early', 'id')).flat()).toEqual([0, 1])
  })

  it('is believed about a new table only when that lasts', async () => {
    const set = { ...APPEND, token: 'new' }
    const attempt = ended(publishedByHand)
    const first = await place.write('new', ROW, { ...set, outside: attempt }).then(
      () => 'published',
      (error: { retryable: boolean }) => (error.retryable ? 'to be tried again' : 'failed'),
    )
    expect(first).toBe(format === 'iceberg' ? 'published' : 'to be tried again')
    const again = await place.write('new', ROW, { ...set, outside: new Attempt(attempt.saved) })
    expect(again.outcome).toBe(format === 'iceberg' ? 'already_published' : 'published')
    expect((await place.rows('new', 'id')).flat()).toEqual([1])
  })
})
