import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Lake } from '../lakehouse/subject.js'
import { pythonWithDelta, runScript } from './python-env.js'

let lake: Lake
beforeAll(() => {
  pythonWithDelta()
})
beforeEach(() => {
  lake = new Lake()
})
afterEach(() => lake.remove())

const folder = (table: string) => join(lake.project, 'lake', ...table.split('.'))
const read = (table: string, order: string, version?: number) =>
  JSON.parse(
    runScript('read_delta.py', [folder(table), order, ...(version === undefined ? [] : [String(version)])]),
  ) as {
    version: number
    rows: Record<string, unknown>[]
    files: number
  }

describe('delta-rs reads what Sluice writes', () => {
  it('every type', async () => {
    await lake.write(
      'silver.types',
      `select true as yes, 2::smallint as small, 4::bigint as big, sum(5::bigint) as total, 2.5::double as d,
        12.34::decimal(10,2) as price, 'é' as text, date '2026-01-31' as day, timestamp '2026-01-31 10:20:30.123456' as wall,
        timestamptz '2026-01-31 10:20:30+02' as at, [1, 2] as list, {'a': 1, 'b': 'x'} as pair, null::integer as nothing`,
    )
    expect(read('silver.types', 'big').rows).toEqual([
      {
        yes: true,
        small: 2,
        big: 4,
        total: '5',
        d: 2.5,
        price: '12.34',
        text: 'é',
        day: '2026-01-31',
        wall: '2026-01-31 10:20:30.123456',
        at: '2026-01-31 08:20:30+00:00',
        list: [1, 2],
        pair: { a: 1, b: 'x' },
        nothing: null,
      },
    ])
  })

  it('partitions with awkward values, merges, roll-backs and checkpoints', async () => {
    const rows = (...list: string[]) => `select * from (values ${list.join(', ')}) as t(id, part)`
    await lake.write('silver.p', rows(`(1, 'a/b c%d')`, `(2, 'é=ü')`, `(3, null)`), { partitionBy: ['part'] })
    for (let index = 10; index < 24; index++) await lake.write('silver.p', rows(`(${index}, 'x')`), { mode: 'append' })
    await lake.write('silver.p', rows(`(2, 'é=ü')`, `(99, 'y')`), { mode: 'merge', keys: ['id'] })
    const merged = read('silver.p', 'id')
    expect(merged.version).toBe(15)
    expect(merged.rows.map((row) => row.id)).toEqual([
      1,
      2,
      3,
      ...Array.from({ length: 14 }, (_, index) => index + 10),
      99,
    ])
    expect(merged.rows.slice(0, 3).map((row) => row.part)).toEqual(['a/b c%d', 'é=ü', null])
    await (await lake.house()).rollback('silver.p', 0, { user: 'mira', reason: 'test', now: 0 })
    expect(read('silver.p', 'id').rows.map((row) => row.id)).toEqual([1, 2, 3])
    expect(read('silver.p', 'id', 1).rows.map((row) => row.id)).toEqual([1, 2, 3, 10])
  })

  it('what a second overwrite and replaced partitions have left, and no row more', async () => {
    const rows = (...list: string[]) => `select * from (values ${list.join(', ')}) as t(id, part)`
    await lake.write('silver.o', rows(`(1, 'a')`, `(2, 'b')`))
    await lake.write('silver.o', 'select 3::bigint as id, 1.5::double as price')
    expect(read('silver.o', 'id')).toMatchObject({ version: 1, rows: [{ id: 3, price: 1.5 }] })
    const parted = { partitionBy: ['part'] }
    await lake.write('silver.r', rows(`(1, 'a')`, `(2, 'a')`, `(3, 'b')`, `(4, null)`), parted)
    const replaced = { ...parted, mode: 'replace_partitions' as const }
    await lake.write('silver.r', rows(`(5, 'a')`, `(6, null)`), replaced)
    expect(read('silver.r', 'id').rows.map(({ id, part }) => [id, part])).toEqual([
      [3, 'b'],
      [5, 'a'],
      [6, null],
    ])
    expect(read('silver.r', 'id', 0).rows.map(({ id }) => id)).toEqual([1, 2, 3, 4])
  })

  it('a table of one row per commit, as many as were acknowledged', async () => {
    for (let index = 0; index < 30; index++) {
      await lake.write('silver.marks', `select ${index}::bigint as n`, { mode: 'append', token: `mark/${index}` })
      await lake.write('silver.marks', `select ${index}::bigint as n`, { mode: 'append', token: `mark/${index}` })
    }
    expect(read('silver.marks', 'n').rows.map((row) => row.n)).toEqual(Array.from({ length: 30 }, (_, index) => index))
  })
})

describe('Sluice reads what delta-rs writes', () => {
  it('partitions, deletes and its checkpoint, and writes on', async () => {
    runScript('write_delta.py', [folder('silver.theirs')])
    const sql = 'select id, day, amount from silver.theirs order by id'
    expect(await lake.rows(sql)).toEqual([
      [2, 'tue', 2.5],
      [3, 'tue', null],
      [4, 'wed', 4.5],
    ])
    await lake.write('silver.theirs', `select 5::bigint as id, 'thu' as day, 5.5::double as amount`, { mode: 'append' })
    expect(read('silver.theirs', 'id').rows.map((row) => [row.id, row.day])).toEqual([
      [2, 'tue'],
      [3, 'tue'],
      [4, 'wed'],
      [5, 'thu'],
    ])
  })
})
