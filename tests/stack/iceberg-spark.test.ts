import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openTables } from '../../lakehouse/open.js'
import { lookAtVersions } from '../../scheduler/triggers/table-watch.js'
import { StackIcebergLake } from './iceberg-lake.js'
import { SparkSql } from './spark-sql.js'

let spark: SparkSql
let lake: StackIcebergLake
beforeAll(async () => {
  spark = await SparkSql.start()
})
afterAll(() => spark.stop())
beforeEach(async () => {
  lake = new StackIcebergLake()
  await spark.sql(`CREATE NAMESPACE lake.${lake.schema}`)
})
afterEach(() => lake.remove())

/** A table's name here and at Spark. */
const tableNamed = (name: string): [string, string] => [lake.table(name), `lake.${lake.table(name)}`]

describe('Spark reads', () => {
  it('every type as we wrote it', async () => {
    const [table, theirs] = tableNamed('types')
    await lake.write(
      table,
      `select true as yes, 3::integer as whole, 4::bigint as big, sum(5::bigint) as total, 1.5::float as f,
        2.5::double as d, 12.34::decimal(10,2) as price, 'é "q"' as text, date '2026-01-31' as day,
        timestamp '2026-01-31 10:20:30.123456' as wall, timestamptz '2026-01-31 10:20:30+02' as at,
        [1, 2, null] as list, {'a': 1, 'b': 'x'} as pair, map {'k': 1} as entries, null::integer as nothing,
        '\\xAA'::blob as bytes`,
    )
    expect(
      await spark.sql(
        `SELECT yes, whole, big, total, f, d, price, text, day, cast(wall AS string), cast(at AS string), list, pair, entries, nothing, bytes FROM ${theirs}`,
      ),
    ).toEqual([
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
        '2026-01-31 08:20:30',
        [1, 2, null],
        [1, 'x'],
        { k: 1 },
        null,
        'aa',
      ],
    ])
  })

  it('each mode, the partitions and the token, and goes on writing', async () => {
    const [table, theirs] = tableNamed('sales')
    const rows = (...list: string[]) => `select * from (values ${list.join(', ')}) as t(id, day, amount)`
    await lake.write(
      table,
      rows(`(1, date '2026-01-01', 1.5::double)`, `(2, date '2026-01-02', 2.5)`, `(3, null, 9)`),
      {
        partitionBy: ['day'],
      },
    )
    await lake.write(table, rows(`(5, date '2026-01-01', 5.5::double)`), { mode: 'replace_partitions' })
    await lake.write(table, rows(`(2, date '2026-01-02', 22.5::double)`, `(6, null, 6.0)`), {
      mode: 'merge',
      keys: ['id'],
      token: 'the/token',
    })
    const all = [
      [2, '2026-01-02', 22.5],
      [3, null, 9],
      [5, '2026-01-01', 5.5],
      [6, null, 6],
    ]
    expect(await spark.sql(`SELECT id, day, amount FROM ${theirs} ORDER BY id`)).toEqual(all)
    expect(await spark.sql(`SELECT id FROM ${theirs} WHERE day IS NULL ORDER BY id`)).toEqual([[3], [6]])
    expect(
      await spark.sql(`SELECT count(*) FROM ${theirs}.snapshots WHERE summary['sluice.token'] = 'the/token'`),
    ).toEqual([[1]])
    await spark.sql(`INSERT INTO ${theirs} VALUES (7, DATE '2026-01-02', 7.5)`)
    expect(await lake.rows(`select id, day::varchar, amount from ${table} order by id`)).toEqual([
      ...all,
      [7, '2026-01-02', 7.5],
    ])
    expect((await (await lake.house()).versions(table, { limit: 9 })).map(({ run }) => run)).toEqual([
      null,
      'sales-1',
      'sales-1',
      'sales-1',
    ])
  })
})

describe('we read what Spark', () => {
  it.each(['merge-on-read', 'copy-on-write'])('updates, deletes and merges (%s)', async (mode) => {
    const [table, theirs] = tableNamed('rows')
    const modes = ['update', 'delete', 'merge'].map((word) => `'write.${word}.mode' = '${mode}'`)
    await spark.sql(
      `CREATE TABLE ${theirs} (id bigint, kind string, amount decimal(10, 2)) USING iceberg PARTITIONED BY (kind)
       TBLPROPERTIES ('format-version' = '2', ${modes.join(', ')})`,
    )
    await spark.sql(
      `INSERT INTO ${theirs} SELECT id, cast(id % 3 AS string), cast(id AS decimal(10, 2)) / 4 FROM range(0, 30, 1, 1)`,
    )
    await spark.sql(`DELETE FROM ${theirs} WHERE id IN (3, 4, 29)`)
    await spark.sql(`UPDATE ${theirs} SET amount = 100 WHERE id = 5`)
    await spark.sql(
      `MERGE INTO ${theirs} t USING (SELECT * FROM VALUES (6L, 'x', 1.0), (100L, 'y', 2.0) AS s(id, kind, amount)) s
       ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *`,
    )
    const deletes = Number((await spark.sql(`SELECT count(*) FROM ${theirs}.delete_files`))[0]?.[0])
    expect(deletes > 0).toBe(mode === 'merge-on-read')
    const find = async () => [
      await lake.rows(`select id, kind, amount::varchar from ${table} order by id`),
      await spark.sql(`SELECT id, kind, cast(amount AS string) FROM ${theirs} ORDER BY id`),
    ]
    const [ours, expected] = await find()
    expect(ours).toHaveLength(28)
    expect(ours).toEqual(expected)
    // what Spark has deleted stays deleted when we write on
    await lake.write(table, `select 5::bigint as id, '2' as kind, 7.25::decimal(10, 2) as amount`, {
      mode: 'merge',
      keys: ['id'],
    })
    await lake.write(table, `select 7::bigint as id, '1' as kind, 0.5::decimal(10, 2) as amount`, {
      mode: 'replace_partitions',
    })
    const [after, seen] = await find()
    expect(after).toEqual(seen)
    expect(after).toContainEqual([5, '2', '7.25'])
    expect(after?.filter(([, kind]) => kind === '1')).toEqual([[7, '1', '0.50']])
  })

  it('evolves: columns added, dropped, renamed, widened, and another partitioning', async () => {
    const [table, theirs] = tableNamed('evolved')
    await spark.sql(`CREATE TABLE ${theirs} (id int, name string, gone string) USING iceberg PARTITIONED BY (name)`)
    await spark.sql(`INSERT INTO ${theirs} VALUES (1, 'a', 'x')`)
    await spark.sql(`ALTER TABLE ${theirs} ALTER COLUMN id TYPE bigint`)
    await spark.sql(`ALTER TABLE ${theirs} RENAME COLUMN name TO title`)
    await spark.sql(`ALTER TABLE ${theirs} DROP COLUMN gone`)
    await spark.sql(`ALTER TABLE ${theirs} ADD COLUMN gone double`)
    await spark.sql(`ALTER TABLE ${theirs} REPLACE PARTITION FIELD title WITH bucket(4, id)`)
    await spark.sql(`INSERT INTO ${theirs} VALUES (5000000000, 'b', 1.5)`)
    const rows = [
      [1, 'a', null],
      [5000000000, 'b', 1.5],
    ]
    expect(await lake.rows(`select id, title, gone from ${table} order by id`)).toEqual(rows)
    await lake.write(table, `select 3::bigint as id, 'c' as title, 2.5::double as gone`, { mode: 'append' })
    expect(await spark.sql(`SELECT id, title, gone FROM ${theirs} ORDER BY id`)).toEqual([
      rows[0],
      [3, 'c', 2.5],
      rows[1],
    ])
    await expect(
      lake.write(table, `select 3::bigint as id, 'd' as title, 0::double as gone`, { mode: 'replace_partitions' }),
    ).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED', message: expect.stringContaining('an older way') })
  })

  it('keeps in format version 1, and refuse to write there', async () => {
    const [table, theirs] = tableNamed('old')
    await spark.sql(
      `CREATE TABLE ${theirs} (id bigint, day date) USING iceberg PARTITIONED BY (day) TBLPROPERTIES ('format-version' = '1')`,
    )
    await spark.sql(`INSERT INTO ${theirs} VALUES (1, DATE '2026-01-01'), (2, DATE '2026-01-02')`)
    await spark.sql(`INSERT INTO ${theirs} VALUES (3, DATE '2026-01-02')`)
    await spark.sql(`DELETE FROM ${theirs} WHERE id = 2`)
    expect(await lake.rows(`select id, day::varchar from ${table} order by id`)).toEqual([
      [1, '2026-01-01'],
      [3, '2026-01-02'],
    ])
    expect((await (await lake.house()).versions(table, { limit: 9 })).map(({ version }) => version)).toEqual([3, 2, 1])
    await expect(
      lake.write(table, `select 4::bigint as id, date '2026-01-01' as day`, { mode: 'append' }),
    ).rejects.toMatchObject({
      code: 'TABLE_UNSUPPORTED',
      message: `Table ${table} has format version 1; Sluice writes version 2.`,
    })
    await spark.sql(`ALTER TABLE ${theirs} SET TBLPROPERTIES ('format-version' = '2')`)
    await lake.write(table, `select 4::bigint as id, date '2026-01-01' as day`, { mode: 'append' })
    expect(await spark.sql(`SELECT id FROM ${theirs} ORDER BY id`)).toEqual([[1], [3], [4]])
  })

  it('keeps in format version 3 is refused by name', async () => {
    const [table, theirs] = tableNamed('newer')
    await spark.sql(`CREATE TABLE ${theirs} (id bigint) USING iceberg TBLPROPERTIES ('format-version' = '3')`)
    await expect(lake.rows(`select * from ${table}`)).rejects.toMatchObject({
      code: 'TABLE_UNSUPPORTED',
      message: expect.stringContaining('format version 3'),
    })
  })
})

describe('hidden partitions', () => {
  const COLUMNS: [name: string, type: string, transform: string][] = [
    ['i', 'int', 'bucket(8, i)'],
    ['l', 'bigint', 'bucket(16, l)'],
    ['p', 'decimal(12, 3)', 'bucket(5, p)'],
    ['d', 'date', 'bucket(4, d)'],
    ['w', 'timestamp_ntz', 'bucket(4, w)'],
    ['t', 'timestamp', 'bucket(4, t)'],
    ['s', 'string', 'bucket(16, s)'],
    ['k', 'int', 'truncate(7, k)'],
    ['m', 'decimal(12, 3)', 'truncate(500, m)'],
    ['y', 'date', 'years(y)'],
    ['o', 'timestamp', 'months(o)'],
    ['h', 'timestamp_ntz', 'hours(h)'],
  ]
  const VALUES = `select range::bigint as id, ((range - 20) * 91)::int as i, (range - 20) * 5000000007 as l,
      ((range - 20) * 12.345)::decimal(12, 3) as p, date '1969-12-20' + (range * 5)::int as d,
      timestamp '1969-12-31 23:00:00.000001' + to_minutes((range * 37)::int) as w,
      timestamptz '1969-12-31 22:00:00Z' + to_minutes((range * 53)::int) as t,
      case when range % 9 = 0 then null else 'ключ ' || repeat(chr((97 + range % 26)::int), (range % 11)::int) end as s,
      (range - 20)::int as k, ((range - 20) * 0.123)::decimal(12, 3) as m,
      date '1965-01-01' + (range * 200)::int as y, timestamptz '1969-11-30 00:00:00Z' + to_days((range * 9)::int) as o,
      timestamp '1969-12-31 20:30:00' + to_minutes((range * 17)::int) as h
    from range(40)`

  it('a row goes where Spark would put it, and is found there', async () => {
    const [table, theirs] = tableNamed('hidden')
    const [, other] = tableNamed('hidden_by_spark')
    const columns = COLUMNS.map(([name, type]) => `${name} ${type}`).join(', ')
    const transforms = COLUMNS.map(([, , transform]) => transform).join(', ')
    for (const each of [theirs, other]) {
      await spark.sql(`CREATE TABLE ${each} (id bigint, ${columns}) USING iceberg PARTITIONED BY (${transforms})`)
    }
    const names = COLUMNS.map(([name]) => name)
    await lake.write(table, `select id, ${names.join(', ')} from (${VALUES})`, { mode: 'append' })
    await spark.sql(`INSERT INTO ${other} SELECT * FROM ${theirs}`)
    const texts = names.map((name) => `cast(${name} AS string)`)
    const placed = (where: string) =>
      spark.sql(`SELECT id, cast(_partition AS string), ${texts.join(', ')} FROM ${where} ORDER BY id`)
    const rows = await placed(theirs)
    expect(rows).toHaveLength(40)
    expect(rows).toEqual(await placed(other))
    // a lookup reads only the partition that its value should be in
    const [id, , ...values] = rows[7] ?? []
    const lookups = COLUMNS.map(
      ([name, type], index) =>
        `SELECT '${name}', count(*) FROM ${theirs} WHERE ${name} = cast('${values[index]}' AS ${type}) AND id = ${id}`,
    )
    expect(await spark.sql(lookups.join(' UNION ALL '))).toEqual(names.map((name) => [name, 1]))
    // the partition of one row is replaced, and no other
    await lake.write(table, `select 99::bigint as id, * exclude (id) from ${table} where id = ${id}`, {
      mode: 'replace_partitions',
    })
    const kept = rows.map((row) => row[0]).filter((one) => one !== id)
    expect((await spark.sql(`SELECT id FROM ${theirs} ORDER BY id`)).map(([one]) => one)).toEqual([...kept, 99])
  })
})

describe('what a trigger sees of Spark', () => {
  it('is each version that brings rows, once, and none for a rewrite of files', async () => {
    const [table, theirs] = tableNamed('watched')
    const tables = await openTables(lake.config)
    const look = (after: number | null, since = 0) => lookAtVersions(tables, table, { after, since })
    expect(await look(null)).toMatchObject({ versions: [], position: -1 })
    await spark.sql(`CREATE TABLE ${theirs} (id bigint) USING iceberg`)
    for (const id of [1, 2]) await spark.sql(`INSERT INTO ${theirs} VALUES (${id})`)
    const first = await look(-1)
    expect(first.versions).toHaveLength(2)
    await spark.sql(`CALL lake.system.rewrite_data_files(table => '${table}', options => map('min-input-files', '2'))`)
    const rewritten = await look(first.position)
    expect(rewritten.versions).toEqual([])
    await spark.sql(`INSERT INTO ${theirs} VALUES (3)`)
    const next = await look(rewritten.position)
    expect(next.versions).toMatchObject([{ dag: null, version: next.position }])
    expect((await look(next.position)).versions).toEqual([])
  })
})
