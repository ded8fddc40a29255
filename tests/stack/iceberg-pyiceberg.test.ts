import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { StackIcebergLake } from './iceberg-lake.js'
import { pythonWithIceberg, runScript } from './python-env.js'

let lake: StackIcebergLake
beforeAll(() => {
  pythonWithIceberg()
}, 300_000)
beforeEach(() => {
  lake = new StackIcebergLake()
})
afterEach(() => lake.remove())

const python = (command: string, table: string, argument: unknown) =>
  runScript(
    'iceberg_table.py',
    [command, table, typeof argument === 'string' ? argument : JSON.stringify(argument)],
    pythonWithIceberg(),
  )

const read = (table: string, order: string) =>
  JSON.parse(python('read', table, order)) as { version: number; rows: Record<string, unknown>[] }

describe('pyiceberg', () => {
  it('reads what we wrote in partitions, and adds rows that we read', async () => {
    const table = lake.table('days')
    await lake.write(
      table,
      `select range::bigint as id, date '2026-01-01' + (range % 3)::integer as day, 'n' || range as name,
       (range / 4)::decimal(10, 2) as price, timestamptz '2026-01-01 00:00:00Z' as seen from range(9)`,
      { partitionBy: ['day'] },
    )
    const { version, rows } = read(table, 'id')
    expect(version).toBe(1)
    expect(rows).toHaveLength(9)
    expect(rows[5]).toEqual({
      id: 5,
      day: '2026-01-03',
      name: 'n5',
      price: '1.25',
      seen: '2026-01-01 00:00:00+00:00',
    })
    python('delete', table, 'id < 3')
    expect(await lake.rows(`select count(*), min(id) from ${table}`)).toEqual([[6, 3]])
    await lake.write(table, `select * from ${table} where id = 8`, { mode: 'replace_partitions' })
    expect(read(table, 'id').rows.map(({ id }) => id)).toEqual([3, 4, 6, 7, 8])
  })

  it('makes a table that we read, append to and merge into', async () => {
    await lake.write(lake.table('first'), 'select 1 as makes_the_namespace')
    const table = lake.table('theirs')
    python('create', table, [
      { n: 1, name: 'a', tags: ['x'] },
      { n: 2, name: 'b', tags: [] },
    ])
    python('append', table, [{ n: 3, name: 'c', tags: null }])
    await lake.write(table, `select 4::bigint as n, 'd' as name, ['y'] as tags`, { mode: 'append' })
    await lake.write(table, `select 2::bigint as n, 'B' as name, ['z'] as tags`, { mode: 'merge', keys: ['n'] })
    const expected = [
      [1, 'a', ['x']],
      [2, 'B', ['z']],
      [3, 'c', null],
      [4, 'd', ['y']],
    ]
    expect(await lake.rows(`select n, name, tags from ${table} order by n`)).toEqual(expected)
    expect(read(table, 'n').rows.map(({ n, name, tags }) => [n, name, tags])).toEqual(expected)
  })

  it('imports a file without ids, whose columns we find by their names', async () => {
    const table = lake.table('imported')
    await lake.write(table, `select 1::bigint as n, 'a' as name, 1.5::double as rest`)
    python('import', table, [{ rest: 2.5, n: 2, name: 'b' }])
    const rows = [
      [1, 'a', 1.5],
      [2, 'b', 2.5],
    ]
    expect(await lake.rows(`select n, name, rest from ${table} order by n`)).toEqual(rows)
    await lake.write(table, `select 2::bigint as n, 'B' as name, 0::double as rest`, { mode: 'merge', keys: ['n'] })
    expect(read(table, 'n').rows.map(({ n, name }) => [n, name])).toEqual([
      [1, 'a'],
      [2, 'B'],
    ])
  })

  it('imports a file without ids beside nested columns, which we refuse by its name', async () => {
    const table = lake.table('nested')
    await lake.write(table, `select 1::bigint as n, [1::bigint] as list`)
    python('import', table, [{ n: 2, list: [2] }])
    await expect(lake.rows(`select n from ${table}`)).rejects.toMatchObject({
      code: 'TABLE_UNSUPPORTED',
      message: expect.stringContaining('imported.parquet'),
    })
  })
})
