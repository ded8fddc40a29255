import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Json } from '../../json.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import { Attempt, NOT_NULL, newest, until } from './trino-attempts.js'
import { HeldRow } from './trino-held.js'
import { published, TrinoPlace } from './trino-place.js'

describe.each(['iceberg', 'delta'] as const)('a write that reads its own table, without checks, %s', (format) => {
  const place = new TrinoPlace(format)
  beforeAll(() => place.house())
  afterAll(() => place.remove())

  /** Another writer, which commits once while the first query of an attempt runs. */
  const beside = (commit: () => Promise<unknown>) => {
    let committed: Promise<unknown> | null = null
    const attempt = new Attempt(null, async (handle: Json) => {
      const { queryId = '' } = newest(handle) ?? {}
      committed ??= until('the query runs', 60_000, async () => {
        return (await place.trino.control.state(queryId))?.state === 'RUNNING'
      }).then(commit)
    })
    return { attempt, done: () => committed }
  }

  it.each(['overwrite', 'append'] as const)('loses nothing that others commit while it runs: %s', async (mode) => {
    const table = `own_${mode}`
    published(await place.write(table, `SELECT 1 AS id, 'there' AS note`))
    const row = await HeldRow.hold()
    onTestFinished(() => row.release())
    const other = beside(async () => {
      await place.trino.run(`INSERT INTO ${format}.${place.table(table)} VALUES (2, 'other')`)
      await row.release()
    })
    const kept = mode === 'overwrite' ? `SELECT id, note FROM ${place.table(table)} UNION ALL ` : ''
    // the number of rows that it found
    const sql = `${kept}SELECT 10 + CAST((SELECT count(*) FROM ${place.table(table)}) AS integer) AS id, held AS note FROM ${row.table}`
    published(await place.write(table, sql, { mode, outside: other.attempt }))
    await other.done()
    // a conflict is certain: nobody waits for a commit that is on its way
    expect(other.attempt.seen.map(({ step }) => step)).not.toContain('waiting for an earlier attempt')
    expect((await place.rows(table, 'id')).flat()).toEqual([1, 2, 12])
    expect(place.log).toContain(
      `Table ${place.table(table)} changed while the rows were computed; computing them again.`,
    )
  })

  it.each([
    ['overwrite', [NOT_NULL], `is replaced by it. It is in the table's history.`, [11]],
    ['append', [], 'was not seen by it.', [1, 2, 11]],
    ['merge', [], 'was not seen by it.', [1, 2, 11]],
  ] as const)(
    'tells of a commit that comes between its last look and its own, staged: %s',
    async (mode, checks, told, ids) => {
      const table = `told_${mode}`
      published(await place.write(table, `SELECT 1 AS id, 'there' AS note`))
      let other: Promise<unknown> | null = null
      const attempt = new Attempt(null, async (handle: Json) => {
        if (parseHandle(handle)?.published.length !== 1) return
        other ??= place.trino.run(`INSERT INTO ${format}.${place.table(table)} VALUES (2, 'other')`)
        await other
      })
      const sql = `SELECT 10 + CAST(count(*) AS integer) AS id, 'own' AS note FROM ${place.table(table)}`
      const set = { mode, checks: [...checks], keys: mode === 'merge' ? ['id'] : [], outside: attempt }
      const { version } = published(await place.write(table, sql, set))
      expect((await place.rows(table, 'id')).flat()).toEqual(ids)
      const [before, read] = [version - 1, version - 2]
      expect(place.log).toContain(
        `Version ${before} of ${place.table(table)} was committed right before this one, computed from version ${read}, and ${told}`,
      )
    },
  )
})

describe('an Iceberg table whose current snapshot another engine has set back', () => {
  const place = new TrinoPlace('iceberg')
  beforeAll(() => place.house())
  afterAll(() => place.remove())

  it('is read, checked and written as the version that it was set back to', async () => {
    const house = await place.house()
    published(await place.write('back', `SELECT 1 AS id, 'there' AS note`))
    for (const id of [2, 3])
      published(await place.write('back', `SELECT ${id} AS id, 'more' AS note`, { mode: 'append' }))
    const table = place.table('back')
    const snapshots = await place.trino.rows(
      `SELECT CAST(snapshot_id AS varchar) AS id FROM "${place.schema}"."back$snapshots" ORDER BY committed_at`,
    )
    await place.trino.run(`ALTER TABLE ${table} EXECUTE rollback_to_snapshot(${snapshots[1]?.id})`)
    expect((await place.rows('back', 'id')).flat()).toEqual([1, 2])

    const { reads } = await house.query(`SELECT count(*) AS n FROM ${table}`, { maxRows: 1 })
    expect(reads).toEqual([{ table, version: 2, rows: null }])
    expect((await house.summary(table)).version).toBe(2)
    const signal = new AbortController().signal
    expect((await house.check(table, [NOT_NULL], { signal, now: Date.now() })).version).toBe(2)

    const sql = `SELECT 10 + CAST(count(*) AS integer) AS id, 'own' AS note FROM ${table}`
    expect(published(await place.write('back', sql, { mode: 'append' }))).toMatchObject({ version: 4, rowsAdded: 1 })
    expect((await place.rows('back', 'id')).flat()).toEqual([1, 2, 12])
    expect(place.log.filter((line) => line.includes('right before'))).toEqual([])
  })
})
