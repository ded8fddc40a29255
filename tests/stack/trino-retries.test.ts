import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json } from '../../json.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import type { WriteMode, WriteRequest } from '../../lakehouse/lakehouse.js'
import { Attempt, Killed, killed, NOT_NULL, Remains, ROW, slow, startQuery, until } from './trino-attempts.js'
import { HeldRow } from './trino-held.js'
import { published, TrinoPlace } from './trino-place.js'

describe.each(['iceberg', 'delta'] as const)('an attempt that follows a lost one, %s', (format) => {
  const place = new TrinoPlace(format)
  beforeAll(() => place.house())
  afterAll(() => place.remove())

  const { startedByHand, publishedByHand, lost } = new Remains(place)

  it.each([
    ['staged', [NOT_NULL]],
    ['not staged', []],
  ])(
    'publishes when the first died before its query started, and the first can start it no more: %s',
    async (name, checks) => {
      const table = `unstarted_${name.length}`
      published(await place.write(table, `SELECT 0 AS id, 'there' AS note`))
      const set = { token: table, mode: 'append' as const, checks }
      const handle = await lost(table, ROW, set)
      published(await place.write(table, ROW, { ...set, outside: new Attempt(handle) }))
      await startQuery(handle)
      const id = parseHandle(handle)?.published[0]?.queryId ?? ''
      await until('the old query is over', 10_000, async () => {
        return ['FAILED', undefined].includes((await place.trino.control.state(id))?.state)
      })
      expect(await place.rows(table)).toEqual([
        [0, 'there'],
        [1, 'once'],
      ])
    },
  )

  /** Each mode with rows that only one write can leave: a second one would show. */
  const MODES: { mode: WriteMode; set: Partial<WriteRequest>; there: number[]; total: number }[] = [
    { mode: 'append', set: {}, there: [0, 1], total: 2 },
    { mode: 'overwrite', set: {}, there: [1], total: 1 },
    { mode: 'merge', set: { keys: ['id'] }, there: [0, 1], total: 2 },
    { mode: 'replace_partitions', set: { partitionBy: ['note'] }, there: [0, 1], total: 2 },
  ]

  /** A table of its own for the mode, with one row. */
  const begun = async (name: string, { mode, set }: (typeof MODES)[number]) => {
    const table = `${name}_${mode}`
    const layout = { partitionBy: set.partitionBy ?? [] }
    published(await place.write(table, `SELECT 0 AS id, 'there' AS note`, layout))
    return { table, request: { token: table, mode, ...set } }
  }
  const versions = async (table: string) =>
    (await (await place.house()).versions(place.table(table), { limit: 10 })).length

  it.each(MODES)('finds what the first has published, and writes nothing: $mode', async (one) => {
    const { table, request } = await begun('found', one)
    const handle = await lost(table, ROW, { ...request, checks: [NOT_NULL] }, publishedByHand)
    const attempt = new Attempt(handle)
    const outcome = await place.write(table, ROW, { ...request, checks: [NOT_NULL], outside: attempt })
    expect(outcome).toMatchObject({ outcome: 'already_published', commit: { rowsAdded: 1, rowsTotal: one.total } })
    expect(outcome.checks).toMatchObject([{ name: NOT_NULL.name, passed: true, failingRows: 0 }])
    expect(attempt.saved).toBeNull()
    expect((await place.rows(table, 'id')).flat()).toEqual(one.there)
    expect(await versions(table)).toBe(2)
  })

  // the other modes publish what is staged, in a moment
  it.each(MODES.slice(0, 2))('waits for a query that still runs: $mode', async (one) => {
    const { table, request } = await begun('awaited', one)
    const row = await HeldRow.hold()
    onTestFinished(() => row.release())
    const sql = `SELECT 1 AS id, concat('once', held) AS note FROM ${row.table}`
    const handle = await lost(table, sql, request, startedByHand)
    const attempt = new Attempt(handle)
    const writing = place.write(table, sql, { ...request, outside: attempt })
    await until('it is waited for', 60_000, async () =>
      attempt.seen.some(({ step }) => step === 'waiting for an earlier attempt'),
    )
    await row.release()
    expect(await writing).toMatchObject({ outcome: 'already_published', commit: { rowsTotal: one.total } })
    expect((await place.rows(table, 'id')).flat()).toEqual(one.there)
    expect(await versions(table)).toBe(2)
  })

  it.each(MODES)('publishes when the first died before its query started: $mode', async (one) => {
    const { table, request } = await begun('unstarted', one)
    const handle = await lost(table, ROW, request)
    published(await place.write(table, ROW, { ...request, outside: new Attempt(handle) }))
    await startQuery(handle)
    expect((await place.rows(table, 'id')).flat()).toEqual(one.there)
    expect(await versions(table)).toBe(2)
  })

  it('finds a new table that lasts, whatever becomes of the query that made it', async () => {
    published(await place.write('before', ROW)) // makes the schema
    const handle = await lost('lasting', ROW, { token: 'lasting', mode: 'append' }, publishedByHand)
    const set = { token: 'lasting', mode: 'append' as const, outside: new Attempt(handle) }
    expect((await place.write('lasting', ROW, set)).outcome).toBe('already_published')
    // as Trino does itself when nobody has fetched the answer for five minutes
    const id = parseHandle(handle)?.published[0]?.queryId ?? ''
    await place.trino.control.cancel(id)
    await until('the query is over', 10_000, async () => {
      return ['FAILED', 'FINISHED'].includes((await place.trino.control.state(id))?.state ?? '')
    })
    expect(await place.rows('lasting')).toEqual([[1, 'once']])
    published(await place.write('lasting', `SELECT 2 AS id, 'more' AS note`, { mode: 'append' }))
    expect((await place.rows('lasting', 'id')).flat()).toEqual([1, 2])
  })

  it('ends the query by which the first still stages, and drops what it has staged', async () => {
    const before = await place.staged()
    const first = new Attempt(null, async (handle) => {
      const query = parseHandle(handle)?.staging[0]
      if (query !== undefined) await startedByHand(handle)
      await killed()
    })
    const set = { token: 'restaged', checks: [NOT_NULL] }
    await expect(place.write('restaged', slow(500), { ...set, outside: first })).rejects.toThrow(Killed)
    const id = parseHandle(first.saved)?.staging[0]?.queryId ?? ''
    expect((await place.trino.control.state(id))?.state).toBe('RUNNING')
    // as if it had been killed a little later: what it has staged is there
    const [staging] = await place.trino.rows(`SELECT query FROM system.runtime.queries WHERE query_id = '${id}'`)
    const [, name = ''] = /CREATE TABLE (\S+) AS/.exec(String(staging?.query)) ?? []
    await place.trino.run(`CREATE TABLE ${name.replace(/.$/, 'x"')} AS SELECT 1 AS id`)
    published(await place.write('restaged', ROW, { ...set, outside: new Attempt(first.saved) }))
    expect((await place.trino.control.state(id))?.state).toBe('FAILED')
    expect(await place.rows('restaged')).toEqual([[1, 'once']])
    expect(await place.staged()).toEqual(before)
  })

  it('ends the statement that the first has left running, and leaves alone one that only waits for its answer', async () => {
    const house = await place.house()
    const table = `${place.format}.${place.table('plain')}`
    const execute = (sql: string, outside: Attempt) =>
      house.execute(sql, { signal: new AbortController().signal, outside })
    const first = new Attempt(null, async (handle) => {
      await startedByHand(handle)
      await killed()
    })
    await expect(execute(`CREATE TABLE ${table} AS ${slow(500)}`, first)).rejects.toThrow(Killed)
    const id = parseHandle(first.saved)?.statements[0]?.queryId ?? ''
    const second = new Attempt(first.saved, async (handle) => {
      // ended before another is handed in
      expect((await place.trino.control.state(id))?.state).toBe('FAILED')
      await startQuery(handle)
      await until('the table is there', 60_000, async () => (await place.rows('plain').catch(() => [])).length === 1)
      const made = parseHandle(handle)?.statements[0]?.queryId ?? ''
      await until('all has run', 60_000, async () => (await place.trino.control.state(made))?.answers === true)
      await killed()
    })
    await expect(execute(`CREATE TABLE ${table} AS ${ROW}`, second)).rejects.toThrow(Killed)
    await execute(`CREATE TABLE IF NOT EXISTS ${table} AS ${ROW}`, new Attempt(second.saved))
    await place.trino.control.cancel(parseHandle(second.saved)?.statements[0]?.queryId ?? '')
    expect(await place.rows('plain')).toEqual([[1, 'once']])
  })

  it('starts nothing when its claim is lost', async () => {
    const refused = new SluiceError('STATE_CONFLICT', 'the claim of this attempt was lost')
    const attempt = new Attempt(null, () => Promise.reject(refused))
    await expect(place.write('unclaimed', ROW, { outside: attempt })).rejects.toBe(refused)
    await startQueryGone(attempt.saved)
    await expect(place.rows('unclaimed')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  })

  /** The query was handed in, but nobody has started it, and nobody does. */
  async function startQueryGone(handle: Json): Promise<void> {
    const id = parseHandle(handle)?.published[0]?.queryId ?? ''
    expect(await place.trino.control.state(id)).toBeNull()
  }

  it('leaves its query, and the rows that this reads, to the attempt that has taken over', async () => {
    published(await place.write('over', `SELECT 0 AS id, 'there' AS note`))
    const before = await place.staged()
    const stop = new AbortController()
    const taken = new SluiceError('STATE_CONFLICT', 'the claim of this attempt was lost')
    const first = new Attempt(null, async (handle) => {
      if (parseHandle(handle)?.published.length === 1) stop.abort(taken)
    })
    const set = { token: 'over', mode: 'append' as const, checks: [NOT_NULL] }
    await expect(place.write('over', ROW, { ...set, outside: first, signal: stop.signal })).rejects.toBe(taken)
    // as if it had been started a moment before
    await publishedByHand(first.saved)
    const outcome = await place.write('over', ROW, { ...set, outside: new Attempt(first.saved) })
    expect(outcome).toMatchObject({ outcome: 'already_published', commit: { rowsAdded: 1 } })
    expect((await place.rows('over', 'id')).flat()).toEqual([0, 1])
    expect(await place.staged()).toEqual(before)
  })

  it('ends its query when it is cancelled', async () => {
    const controller = new AbortController()
    const cancelled = new SluiceError('CANCELLED', 'cancelled by a test')
    const attempt = new Attempt(null)
    // the name of the schema tells it from the same query of another test
    const sql = `${slow(9_999)} AND '${place.schema}' <> ''`
    const writing = place.write('cancelled', sql, {
      checks: [NOT_NULL],
      outside: attempt,
      signal: controller.signal,
    })
    const outcome = expect(writing).rejects.toBe(cancelled)
    await until('the query runs', 60_000, async () => attempt.seen.some((value) => value.state === 'running'))
    controller.abort(cancelled)
    await outcome
    const id = String(attempt.seen.at(-1)?.query)
    await until('the query is over', 10_000, async () => (await place.trino.control.state(id))?.state === 'FAILED')
    const left = async () => {
      const [row] = await place.trino.rows(
        `SELECT count(*) AS n FROM system.runtime.queries WHERE source = 'sluice' AND state = 'RUNNING' AND query NOT LIKE '%system.runtime%' AND query LIKE '%sequence(1, 9999)) c%${place.schema}%'`,
      )
      return Number(row?.n)
    }
    await until('nothing of it runs', 10_000, async () => (await left()) === 0)
    expect(attempt.seen.at(-1)).toMatchObject({ step: 'staging', unit: 'splits' })
    await expect(place.rows('cancelled')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  })

  it('drops what a killed attempt has staged', async () => {
    const before = await place.staged()
    const attempt = new Attempt(null, async (handle) => {
      if (parseHandle(handle)?.published.length === 1) await killed()
    })
    const dying = place.write('leftover', ROW, { token: 'left', checks: [NOT_NULL], outside: attempt })
    await expect(dying).rejects.toThrow(Killed)
    published(
      await place.write('leftover', ROW, { token: 'left', checks: [NOT_NULL], outside: new Attempt(attempt.saved) }),
    )
    expect(await place.staged()).toEqual(before)
  })

  it('adds each row once when many write at the same time', async () => {
    published(await place.write('busy', `SELECT -1 AS id, 'there' AS note`))
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let round = 0; round < 2; round++) {
        const sql = `SELECT ${writer * 100 + round} AS id, 'row' AS note`
        const mode = round === 1 ? ('merge' as const) : ('append' as const)
        const set = { mode, keys: mode === 'merge' ? ['id'] : [], token: `busy-${writer}-${round}` }
        published(await place.write('busy', sql, set))
      }
    })
    await Promise.all(writers)
    const ids = (await place.rows('busy', 'id')).map(([id]) => id)
    expect(ids).toHaveLength(9)
    expect(new Set(ids).size).toBe(9)
  })
})
