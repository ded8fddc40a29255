import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../json.js'
import { Attempt, newest, until } from './trino-attempts.js'
import { published, TrinoPlace } from './trino-place.js'

/** One row after eight seconds, however busy the machine is: PostgreSQL sleeps. */
const SLOW = `TABLE(postgresql.system.query(query => 'select pg_sleep(8)::text as note'))`

describe.each(['iceberg', 'delta'] as const)('a write that reads its own table, without checks, %s', (format) => {
  const place = new TrinoPlace(format)
  beforeAll(() => place.house())
  afterAll(() => place.remove())

  /** Another writer, which commits once while the first query of an attempt runs. */
  const beside = (commit: () => Promise<unknown>) => {
    let committed: Promise<unknown> | null = null
    const attempt = new Attempt(null, async (handle: Json) => {
      const { queryId = '' } = newest(handle) ?? {}
      committed ??= until('the query runs', 20_000, async () => {
        return (await place.trino.control.state(queryId))?.state === 'RUNNING'
      }).then(commit)
    })
    return { attempt, done: () => committed }
  }

  it.each(['overwrite', 'append'] as const)('loses nothing that others commit while it runs: %s', async (mode) => {
    const table = `own_${mode}`
    published(await place.write(table, `SELECT 1 AS id, 'there' AS note`))
    const other = beside(() => place.trino.run(`INSERT INTO ${format}.${place.table(table)} VALUES (2, 'other')`))
    const kept = mode === 'overwrite' ? `SELECT id, note FROM ${place.table(table)} UNION ALL ` : ''
    // the number of rows that it found
    const sql = `${kept}SELECT 10 + CAST((SELECT count(*) FROM ${place.table(table)}) AS integer) AS id, note FROM ${SLOW}`
    published(await place.write(table, sql, { mode, outside: other.attempt }))
    await other.done()
    expect((await place.rows(table, 'id')).flat()).toEqual([1, 2, 12])
    expect(place.log).toContain(
      `Table ${place.table(table)} changed while the rows were computed; computing them again.`,
    )
  })
})
