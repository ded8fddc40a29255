import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { StackIcebergLake } from './iceberg-lake.js'
import { SparkSql } from './spark-sql.js'
import { trino } from './trino-query.js'

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

/**
 * An Iceberg table whose files Spark has taken over from a folder of Hive: what partitions there stands in the folders'
 * names alone.
 * @param columns with their types, as Spark writes them
 * @param partitions the columns of them that partition
 */
async function imported(columns: string, partitions: string, rows: string): Promise<string> {
  const table = lake.table('imported')
  const hive = `hive_${lake.schema}`
  const folder = `${process.env.LAKE_WAREHOUSE?.replace('s3:', 's3a:')}/${lake.schema}/hive`
  await spark.sql(`CREATE TABLE ${hive} (${columns}) USING parquet PARTITIONED BY (${partitions}) LOCATION '${folder}'`)
  await spark.sql(`INSERT INTO ${hive} VALUES ${rows}`)
  await spark.sql(`CREATE TABLE lake.${table} (${columns}) USING iceberg PARTITIONED BY (${partitions})`)
  await spark.sql(`CALL lake.system.add_files(table => '${table}', source_table => 'spark_catalog.default.${hive}')`)
  return table
}

it('partition columns of imported files are read as Spark reads them, of every type that it imports', async () => {
  const typed = `day date, n int, big bigint, kind string, yes boolean, price decimal(10,2), d double, f float`
  const names = typed.split(', ').map((column) => column.split(' ')[0])
  const table = await imported(
    `id bigint, ${typed}`,
    names.join(', '),
    `(1, DATE '2026-01-01', -1, 5000000000, 'x y/z', true, 1.50, 1.5, 0.1),
     (2, DATE '1969-12-31', 7, -1, 'null', false, -0.05, -1e300, -2.5), (3, ${names.map(() => 'null').join(', ')})`,
  )
  const texts = `id, cast(day as string), n, big, kind, yes, cast(price as string), d, f`
  const theirs = await spark.sql(`SELECT ${texts} FROM lake.${table} ORDER BY id`)
  expect(theirs[1]?.slice(0, 5)).toEqual([2, '1969-12-31', 7, -1, 'null'])
  const ours = await lake.rows(`select ${texts.replaceAll('string', 'varchar')} from ${table} order by id`)
  // the engine gives a float's shortest digits, Spark those of the double next to it
  const floats = (rows: unknown[][]) =>
    rows.map((row) => row.with(8, row[8] === null ? null : Math.fround(Number(row[8]))))
  expect(floats(ours)).toEqual(floats(theirs))
})

it('a merge and replace_partitions leave the rows of imported files in their partitions, for all engines', async () => {
  const table = await imported(
    'id bigint, name string, day date, kind string',
    'day, kind',
    `(1, 'a', DATE '2026-01-01', 'x'), (2, 'b', DATE '2026-01-01', 'x'), (3, 'c', DATE '2026-01-02', 'x'),
     (4, 'd', null, 'y'), (5, 'e', DATE '2026-01-02', null)`,
  )
  const row = (id: number, name: string, day: string, kind: string) =>
    `select ${id}::bigint as id, '${name}' as name, ${day}::date as day, ${kind}::varchar as kind`
  const seen = async () => {
    const ours = await lake.rows(`select id, name, day::varchar, kind from ${table} order by id`)
    const parts = `SELECT id, name, cast(day AS varchar), kind FROM ${table} ORDER BY id`
    expect(await trino(parts)).toEqual(ours)
    expect(await spark.sql(parts.replace('varchar', 'string').replace(table, `lake.${table}`))).toEqual(ours)
    return ours
  }
  const before = await seen()
  expect(before.map(([id, , day, kind]) => [id, day, kind])).toEqual([
    [1, '2026-01-01', 'x'],
    [2, '2026-01-01', 'x'],
    [3, '2026-01-02', 'x'],
    [4, null, 'y'],
    [5, '2026-01-02', null],
  ])
  await lake.write(table, row(2, 'B', `'2026-01-01'`, `'x'`), { mode: 'merge', keys: ['id'] })
  expect(await seen()).toEqual(before.with(1, [2, 'B', '2026-01-01', 'x']))
  await lake.write(table, row(3, 'C', `'2026-01-02'`, `'x'`), { mode: 'merge', keys: ['id', 'day'] })
  const merged = await seen()
  expect(merged).toEqual(before.with(1, [2, 'B', '2026-01-01', 'x']).with(2, [3, 'C', '2026-01-02', 'x']))
  // a lookup by partition reads the files that are said to be there
  expect(await trino(`SELECT id FROM ${table} WHERE day = DATE '2026-01-01' ORDER BY id`)).toEqual([[1], [2]])
  await lake.write(table, row(9, 'new', `'2026-01-02'`, 'null'), { mode: 'replace_partitions' })
  await lake.write(table, row(8, 'new', 'null', `'y'`), { mode: 'replace_partitions' })
  expect(await seen()).toEqual([...merged.slice(0, 3), [8, 'new', null, 'y'], [9, 'new', '2026-01-02', null]])
})
