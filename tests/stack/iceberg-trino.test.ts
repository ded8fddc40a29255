import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StackIcebergLake } from './iceberg-lake.js'
import { trino } from './trino-query.js'

let lake: StackIcebergLake
beforeEach(() => {
  lake = new StackIcebergLake()
})
afterEach(() => lake.remove())

const TYPES = `select true as yes, 3::integer as whole, 4::bigint as big, sum(5::bigint) as total, 1.5::float as f,
  2.5::double as d, 12.34::decimal(10,2) as price, 'é "q"' as text, date '2026-01-31' as day,
  timestamp '2026-01-31 10:20:30.123456' as wall, timestamptz '2026-01-31 10:20:30+02' as at, time '10:20:30.5' as clock,
  [1, 2, null] as list, {'a': 1, 'b': 'x'} as pair, map {'k': 1} as entries, null::integer as nothing,
  '\\xAA'::blob as bytes, '00000000-0000-0000-0000-00000000002a'::uuid as id`

describe('Trino', () => {
  it('reads every type as it was written', async () => {
    const table = lake.table('types')
    await lake.write(table, TYPES)
    const rows = await trino(
      `SELECT yes, whole, big, total, f, d, price, text, day, wall, at, clock, list, pair.b, entries['k'], nothing,
       to_hex(bytes), id FROM ${table}`,
    )
    expect(rows).toEqual([
      [
        true,
        3,
        4,
        '5',
        1.5,
        2.5,
        '12.34',
        'é "q"',
        '2026-01-31',
        '2026-01-31 10:20:30.123456',
        '2026-01-31 08:20:30.000000 UTC',
        '10:20:30.500000',
        [1, 2, null],
        'x',
        1,
        null,
        'AA',
        '00000000-0000-0000-0000-00000000002a',
      ],
    ])
    const [file] = await trino(
      `SELECT record_count, lower_bounds[2], upper_bounds[8] FROM "${lake.schema}"."types$files"`,
    )
    expect(file).toEqual([1, '3', 'é "q"'])
  })

  it('sees each mode, the partitions, and a rollback', async () => {
    const table = lake.table('sales')
    const rows = (...list: string[]) => `select * from (values ${list.join(', ')}) as t(id, day, amount)`
    await lake.write(
      table,
      rows(`(1, date '2026-01-01', 1.5::double)`, `(2, date '2026-01-02', 2.5::double)`, `(3, null, 9.0)`),
      {
        partitionBy: ['day'],
      },
    )
    await lake.write(table, rows(`(4, date '2026-01-02', 4.5::double)`), { mode: 'append' })
    await lake.write(table, rows(`(5, date '2026-01-01', 5.5::double)`), { mode: 'replace_partitions' })
    await lake.write(table, rows(`(2, date '2026-01-02', 22.5::double)`, `(6, null, 6.0::double)`), {
      mode: 'merge',
      keys: ['id'],
    })
    const all = `SELECT id, cast(day AS varchar), cast(amount AS double) FROM ${table} ORDER BY id`
    const merged = [
      [2, '2026-01-02', 22.5],
      [3, null, 9],
      [4, '2026-01-02', 4.5],
      [5, '2026-01-01', 5.5],
      [6, null, 6],
    ]
    expect(await trino(all)).toEqual(merged)
    expect(await trino(`SELECT count(*) FROM ${table} WHERE day = date '2026-01-02' AND id > 2`)).toEqual([[1]])
    expect(await trino(`SELECT count(*) FROM ${table} WHERE day IS NULL`)).toEqual([[2]])
    const house = await lake.house()
    await house.rollback(table, 2, { user: 'mira', reason: 'wrong prices', now: Date.now() })
    expect(await trino(`SELECT id FROM ${table} ORDER BY id`)).toEqual([[1], [2], [3], [4]])
    const summaries = await trino(`SELECT element_at(summary, 'sluice.task') FROM "${lake.schema}"."sales$snapshots"`)
    expect(summaries).toEqual([['write'], ['write'], ['write'], ['write'], [null]])
    expect((await house.versions(table, { limit: 9 })).map(({ version, operation }) => [version, operation])).toEqual([
      [5, 'rollback to 2'],
      [4, 'merge'],
      [3, 'replace_partitions'],
      [2, 'append'],
      [1, 'overwrite'],
    ])
  })

  it('writes, deletes and merges into our table, and we read and write on', async () => {
    const table = lake.table('shared')
    await lake.write(table, `select range::bigint as id, 'a' as name from range(10)`)
    await trino(`DELETE FROM ${table} WHERE id IN (3, 4)`)
    await trino(`INSERT INTO ${table} VALUES (20, 't')`)
    await trino(`UPDATE ${table} SET name = 'u' WHERE id = 5`)
    expect(await lake.rows(`select id, name from ${table} order by id`)).toEqual(
      [0, 1, 2, 5, 6, 7, 8, 9, 20].map((id) => [id, id === 20 ? 't' : id === 5 ? 'u' : 'a']),
    )
    await lake.write(table, `select * from (values (6::bigint, 'm'), (3, 'n')) as t(id, name)`, {
      mode: 'merge',
      keys: ['id'],
    })
    const expected = [0, 1, 2, 3, 5, 6, 7, 8, 9, 20].map((id) => {
      return [id, { 3: 'n', 5: 'u', 6: 'm', 20: 't' }[id] ?? 'a']
    })
    expect(await lake.rows(`select id, name from ${table} order by id`)).toEqual(expected)
    expect(await trino(`SELECT id, name FROM ${table} ORDER BY id`)).toEqual(expected)
    const outcome = await lake.write(table, `select 1::bigint as id, 'x' as name`)
    expect(outcome).toMatchObject({ commit: { rowsRemoved: 10, rowsAdded: 1 } })
    expect(await trino(`SELECT * FROM ${table}`)).toEqual([[1, 'x']])
  })

  it('renames, adds, drops and widens columns, and we read by their ids', async () => {
    await trino(
      `CREATE SCHEMA IF NOT EXISTS ${lake.schema} WITH (location = '${process.env.LAKE_WAREHOUSE}/${lake.schema}')`,
    )
    const table = lake.table('evolved')
    await trino(`CREATE TABLE ${table} (id integer, name varchar, gone bigint)`)
    await trino(`INSERT INTO ${table} VALUES (1, 'a', 7)`)
    await trino(`ALTER TABLE ${table} RENAME COLUMN name TO title`)
    await trino(`ALTER TABLE ${table} DROP COLUMN gone`)
    await trino(`ALTER TABLE ${table} ADD COLUMN gone varchar`)
    await trino(`ALTER TABLE ${table} ALTER COLUMN id SET DATA TYPE bigint`)
    await trino(`INSERT INTO ${table} VALUES (2, 'b', 'back')`)
    const rows = [
      [1, 'a', null],
      [2, 'b', 'back'],
    ]
    expect(await lake.rows(`select id, title, gone from ${table} order by id`)).toEqual(rows)
    await lake.write(table, `select 3::bigint as id, 'c' as title, 'new' as gone`, { mode: 'append' })
    expect(await trino(`SELECT id, title, gone FROM ${table} ORDER BY id`)).toEqual([...rows, [3, 'c', 'new']])
  })

  it('has hidden partitions, into which we write', async () => {
    await trino(
      `CREATE SCHEMA IF NOT EXISTS ${lake.schema} WITH (location = '${process.env.LAKE_WAREHOUSE}/${lake.schema}')`,
    )
    const table = lake.table('hidden')
    await trino(
      `CREATE TABLE ${table} (id bigint, at timestamp(6) with time zone, name varchar)
       WITH (partitioning = ARRAY['day(at)', 'truncate(name, 1)'])`,
    )
    await trino(
      `INSERT INTO ${table} VALUES (1, timestamp '2026-01-01 10:00:00 UTC', 'ab'), (2, timestamp '1969-12-31 23:00:00 UTC', 'cd')`,
    )
    const rows = (...list: string[]) => `select * from (values ${list.join(', ')}) as t(id, "at", name)`
    await lake.write(table, rows(`(3::bigint, timestamptz '2026-01-01 23:59:00Z', 'az')`), {
      mode: 'replace_partitions',
    })
    await lake.write(table, rows(`(4::bigint, timestamptz '1969-12-31 01:00:00Z', 'cc')`), { mode: 'append' })
    expect(await trino(`SELECT id FROM ${table} ORDER BY id`)).toEqual([[2], [3], [4]])
    const partitions = await trino(
      `SELECT cast(partition.at_day AS varchar), partition.name_trunc, record_count FROM "${lake.schema}"."hidden$partitions" ORDER BY 1`,
    )
    expect(partitions).toEqual([
      ['1969-12-31', 'c', 2],
      ['2026-01-01', 'a', 1],
    ])
    expect(await trino(`SELECT id FROM ${table} WHERE at < timestamp '1970-01-01 00:00:00 UTC' ORDER BY id`)).toEqual([
      [2],
      [4],
    ])
  })
})
