import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../json.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import { Attempt, Killed, killed, ROW, startQuery, until } from './trino-attempts.js'
import { published, TrinoPlace } from './trino-place.js'

/**
 * Trino takes the first commit of a new Delta table back when nobody has fetched the answer of its query for five minutes
 * (ABANDONED_QUERY), or at once when the query is ended: seen by hand to leave the same behind.
 */
describe('a new Delta table that Trino has taken back', () => {
  const place = new TrinoPlace('delta')
  beforeAll(async () => {
    published(await place.write('before', ROW)) // makes the schema
  })
  afterAll(() => place.remove())

  /**
   * A worker dies when its query has made the table, and nobody fetches the answer.
   * @param read somebody reads the table before it goes, so that Trino remembers it
   * @returns the handle
   */
  async function takenBack(table: string, { read }: { read: boolean }): Promise<Json> {
    const attempt = new Attempt(null, async (handle) => {
      await startQuery(handle)
      const id = parseHandle(handle)?.published[0]?.queryId ?? ''
      await until('all has run', 60_000, async () => (await place.trino.control.state(id))?.answers === true)
      if (read) expect(await place.rows(table)).toEqual([[1, 'once']])
      await place.trino.control.cancel(id)
      await until('it is taken back', 10_000, async () => (await files(table)).length === 0)
      await killed()
    })
    const dying = place.write(table, ROW, { token: table, mode: 'append', outside: attempt })
    await expect(dying).rejects.toThrow(Killed)
    expect(await registered(table)).toBe(true)
    return attempt.saved
  }

  async function files(table: string): Promise<string[]> {
    const store = await place.s3.open({ location: `${place.s3.location}/delta` })
    const names = await store.list(`${place.schema}/${table}/_delta_log`)
    await store.close()
    return names
  }

  const registered = async (table: string) =>
    (await place.trino.rows(`SHOW TABLES FROM delta.${place.schema} LIKE '${table}'`)).length === 1

  const isWhole = async (table: string) => {
    expect(await place.rows(table)).toEqual([[1, 'once']])
    const versions = await (await place.house()).versions(place.table(table), { limit: 10 })
    expect(versions.map(({ version }) => version)).toEqual([0])
    published(await place.write(table, `SELECT 2 AS id, 'more' AS note`, { mode: 'append' }))
    expect((await place.rows(table, 'id')).flat()).toEqual([1, 2])
  }

  it.each([
    ['and nobody has read', false],
    ['and Trino remembers', true],
  ])('is made anew by the attempt that follows: one %s', async (_, read) => {
    const table = `retried_${read}`
    const handle = await takenBack(table, { read })
    // the grace of a query that has just failed is measured by the writer's clock
    const set = { token: table, mode: 'append' as const, outside: new Attempt(handle), now: Date.now }
    expect(published(await place.write(table, ROW, set))).toMatchObject({ version: 0, rowsAdded: 1 })
    await isWhole(table)
    expect(place.log.filter((line) => line.includes(`taken back`) && line.includes(table))).toHaveLength(1)
  })

  it('is made anew by any write while Trino remembers it, and is not written to as if it were there', async () => {
    await takenBack('remembered', { read: true })
    expect(published(await place.write('remembered', ROW, { mode: 'append' }))).toMatchObject({ version: 0 })
    await isWhole('remembered')
  })

  it('is forgotten by whoever ends the work of the lost attempt', async () => {
    const handle = await takenBack('ended', { read: false })
    const left = { to: place.table('ended'), token: place.token('ended'), now: Date.now(), log: () => undefined }
    await (await place.house()).endWork(handle, { ...left, signal: new AbortController().signal })
    expect(await registered('ended')).toBe(false)
    published(await place.write('ended', ROW, { mode: 'append' }))
    await isWhole('ended')
  })

  it('is left alone by a write that knows nothing of it, which says how to forget it', async () => {
    await takenBack('strange', { read: false })
    const writing = place.write('strange', ROW, { mode: 'append' })
    const call = `CALL "delta".system.unregister_table('${place.schema}', 'strange')`
    await expect(writing).rejects.toMatchObject({ code: 'TABLE_CORRUPT', hint: expect.stringContaining(call) })
    expect(await registered('strange')).toBe(true)
    await place.trino.run(call)
    published(await place.write('strange', ROW, { mode: 'append' }))
    await isWhole('strange')
  })

  it('is not a table that lies elsewhere: that is written, and without its log it stays registered with its files', async () => {
    const elsewhere = `${place.s3.location}/elsewhere`
    const create = (table: string) =>
      place.trino.run(
        `CREATE TABLE delta.${place.table(table)} WITH (location = '${elsewhere}/${table}') AS SELECT 0 AS id, 'far' AS note`,
      )
    await create('far')
    published(await place.write('far', ROW, { mode: 'append' }))
    expect((await place.rows('far', 'id')).flat()).toEqual([0, 1])
    await create('far_broken')
    const store = await place.s3.open({ location: elsewhere })
    await store.deleteAll('far_broken/_delta_log')
    const there = await store.list('far_broken')
    expect(there).toHaveLength(1)
    await expect(place.write('far_broken', ROW, { mode: 'overwrite' })).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
    expect([await registered('far_broken'), await store.list('far_broken')]).toEqual([true, there])
    await store.close()
  })
})
