import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Json } from '../../json.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import { OwnTrino } from './cluster/own-trino.js'
import { Attempt, Killed, killed, newest, until } from './trino-attempts.js'
import { HeldRow } from './trino-held.js'
import { published, TrinoPlace } from './trino-place.js'

/** So soon this Trino ends a query whose answers nobody fetches. */
const CLIENT_TIMEOUT_MS = 8_000

let server: OwnTrino
beforeAll(async () => {
  server = await OwnTrino.startBeside({ 'query.client.timeout': `${CLIENT_TIMEOUT_MS}ms` })
})
afterAll(async () => {
  await server?.remove()
})

const rowOf = ({ table }: HeldRow) => `SELECT 1 AS id, concat('once', held) AS note FROM ${table}`

describe.each(['iceberg', 'delta'] as const)('a publishing query that outlives its attempt, %s', (format) => {
  let place: TrinoPlace
  beforeAll(() => {
    place = new TrinoPlace(format, server.url)
  })
  afterAll(() => place.remove())

  /** An attempt that dies as soon as its query runs and others can follow it. */
  const dying = async (table: string, sql: string): Promise<Json> => {
    const attempt = new Attempt(null, async (handle) => {
      const query = parseHandle(handle)?.published.at(-1)
      if (query?.next === undefined || query.next === query.start) return
      if ((await place.trino.control.state(query.queryId))?.state === 'RUNNING') await killed()
    })
    const writing = place.write(table, sql, { token: table, mode: 'append', outside: attempt })
    await expect(writing).rejects.toThrow(Killed)
    return attempt.saved
  }

  const queries = ({ mark }: HeldRow) =>
    place.trino.rows(
      `SELECT state FROM system.runtime.queries WHERE query LIKE '%${mark}%' AND regexp_like(query, '^(INSERT|CREATE)')`,
    )

  it.each([
    ['a table that is there', true],
    ['a new table', false],
  ])(
    'is kept alive and awaited by the attempts after it, one after the other, and not run again: %s',
    async (_, there) => {
      const table = `followed_${there}`
      published(await place.write(there ? table : 'other', `SELECT 0 AS id, 'there' AS note`))
      const row = await HeldRow.hold()
      onTestFinished(() => row.release())
      const sql = rowOf(row)
      const set = { token: table, mode: 'append' as const }
      const left = await dying(table, sql)
      const begun = performance.now()
      const second = new Attempt(left, () =>
        performance.now() - begun > 1.5 * CLIENT_TIMEOUT_MS ? killed() : Promise.resolve(),
      )
      await expect(place.write(table, sql, { ...set, outside: second })).rejects.toThrow(Killed)
      expect(newest(second.saved)?.next).not.toBe(newest(left)?.next)
      const third = new Attempt(second.saved)
      const writing = place.write(table, sql, { ...set, outside: third })
      const again = performance.now()
      await until('it has gone on for long', 60_000, async () => performance.now() - again > 1.5 * CLIENT_TIMEOUT_MS)
      await row.release()
      expect(await writing).toMatchObject({ outcome: 'already_published', commit: { rowsAdded: 1 } })
      expect(await queries(row)).toEqual([{ state: 'FINISHED' }])
      expect((await place.rows(table, 'id')).flat()).toEqual(there ? [0, 1] : [1])
    },
  )

  it('is watched where the first attempt was only asleep and fetches its answers', async () => {
    published(await place.write('shared', `SELECT 0 AS id, 'there' AS note`))
    const row = await HeldRow.hold()
    onTestFinished(() => row.release())
    const sql = rowOf(row)
    const left = await dying('shared', sql)
    const query = newest(left)
    if (query === undefined) throw new Error('nothing was saved')
    let fetched = 0
    const awake = place.trino.resume(query).finish(() => {
      fetched += 1
      return 'more'
    })
    await until('the saved address is old', 20_000, async () => fetched > 3)
    const second = new Attempt(left)
    const writing = place.write('shared', sql, { token: 'shared', mode: 'append', outside: second })
    await until('it is waited for', 20_000, async () =>
      second.seen.some(({ step }) => String(step).startsWith('waiting')),
    )
    await row.release()
    await awake
    expect(await writing).toMatchObject({ outcome: 'already_published', commit: { rowsAdded: 1 } })
    expect(await queries(row)).toEqual([{ state: 'FINISHED' }])
    expect((await place.rows('shared', 'id')).flat()).toEqual([0, 1])
  })
})
