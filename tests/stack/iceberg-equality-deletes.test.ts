import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { StackIcebergLake } from './iceberg-lake.js'
import { SparkSql } from './spark-sql.js'
import { trino } from './trino-query.js'

let spark: SparkSql
let lake: StackIcebergLake
let table: string
let theirs: string
beforeAll(async () => {
  spark = await SparkSql.start()
})
afterAll(() => spark.stop())
beforeEach(async () => {
  lake = new StackIcebergLake()
  table = lake.table('rows')
  theirs = `lake.${table}`
  await spark.sql(`CREATE NAMESPACE lake.${lake.schema}`)
})
afterEach(() => lake.remove())

const COLUMNS = 'id bigint, name string, day date, kind string'

async function create(partitions: string): Promise<void> {
  await spark.sql(`CREATE TABLE ${theirs} (${COLUMNS}) USING iceberg ${partitions}`)
}

/** Deletes the rows that equal one of these in some columns, by Iceberg's own writer. */
async function deleteEqual(columns: string[], rows: string, spec?: number): Promise<void> {
  const like = `lake.${lake.table('deleted')}`
  await spark.sql(`DROP TABLE IF EXISTS ${like}`)
  await spark.sql(`CREATE TABLE ${like} (${COLUMNS}) USING iceberg`)
  await spark.sql(`INSERT INTO ${like} VALUES ${rows}`)
  await spark.deleteEqual(theirs, { like, columns, ...(spec === undefined ? {} : { spec }) })
}

/** The rows as we, Trino and Spark see them, which has to be the same. */
async function seen(): Promise<unknown[][]> {
  const select = `SELECT id, name, cast(day AS varchar), kind FROM ${table} ORDER BY id, name, kind`
  const ours = await lake.rows(select.replace('id, name, kind', 'id, name nulls last, kind nulls last'))
  expect(await trino(select)).toEqual(ours)
  const order = 'id, name NULLS LAST, kind NULLS LAST'
  const bySpark = select.replace('varchar', 'string').replace(table, theirs).replace('id, name, kind', order)
  // the first of the replaced texts is the list of columns
  expect(await spark.sql(bySpark.replace(`SELECT ${order}`, 'SELECT id, name, kind'))).toEqual(ours)
  return ours
}

const ROWS = `(1, 'a', DATE '2026-01-01', 'x'), (2, 'b', DATE '2026-01-01', null), (3, null, DATE '2026-01-02', 'null'),
  (4, 'd', null, 'x'), (5, 'e', DATE '2026-01-02', null)`
const OLD: unknown[][] = [
  [1, 'a', '2026-01-01', 'x'],
  [2, 'b', '2026-01-01', null],
  [3, null, '2026-01-02', 'null'],
  [4, 'd', null, 'x'],
  [5, 'e', '2026-01-02', null],
]
const write = (row: string, mode: 'merge' | 'replace_partitions') => {
  const select = `select id::bigint as id, name::varchar as name, day::date as day, kind::varchar as kind
    from (values ${row}) as t(id, name, day, kind)`
  return lake.write(table, select, mode === 'merge' ? { mode, keys: ['id'] } : { mode })
}

it('rows of older files are deleted, those of newer files stay, and a merge keeps both so', async () => {
  await create('')
  await spark.sql(`INSERT INTO ${theirs} VALUES ${ROWS}`)
  // the name and the day of these count only where they are among the columns
  await deleteEqual(['id'], `(2, 'other', null, null), (4, null, null, null)`)
  expect(await seen()).toEqual([OLD[0], OLD[2], OLD[4]])
  await spark.sql(`INSERT INTO ${theirs} VALUES (2, 'again', null, 'y'), (6, 'f', null, 'y')`)
  const again = [2, 'again', null, 'y']
  expect(await seen()).toEqual([OLD[0], again, OLD[2], OLD[4], [6, 'f', null, 'y']])
  // NULL equals NULL here, and both columns have to be equal
  await deleteEqual(['name', 'day'], `(0, null, DATE '2026-01-02', 'z'), (0, 'a', null, 'x')`)
  expect(await seen()).toEqual([OLD[0], again, OLD[4], [6, 'f', null, 'y']])
  await write(`(1, 'A', null, 'x'), (4, 'back', null, 'x')`, 'merge')
  const merged = [[1, 'A', null, 'x'], again, [4, 'back', null, 'x'], OLD[4], [6, 'f', null, 'y']]
  expect(await seen()).toEqual(merged)
  // what we have written is deleted like all else
  await deleteEqual(['id'], `(1, null, null, null)`)
  expect(await seen()).toEqual(merged.slice(1))
})

it('a delete stays within its partition, and the partition of NULL is not that of the text null', async () => {
  await create('PARTITIONED BY (kind)')
  await spark.sql(`INSERT INTO ${theirs} VALUES ${ROWS}, (5, 'n', null, 'null'), (5, 'x', null, 'x')`)
  const [one, two, three, four, five] = OLD
  await deleteEqual(['id'], `(5, null, null, 'null'), (2, null, null, 'x')`)
  expect(await seen()).toEqual([one, two, three, four, five, [5, 'x', null, 'x']])
  await deleteEqual(['id'], `(5, null, null, null), (3, null, null, null)`)
  expect(await seen()).toEqual([one, two, three, four, [5, 'x', null, 'x']])
  await spark.sql(`INSERT INTO ${theirs} VALUES (5, 'new', null, null)`)
  await write(`(2, 'B', null, 'x'), (5, 'merged', null, 'null'), (7, 'g', null, null)`, 'merge')
  const merged = await seen()
  expect(merged.filter(([id]) => id === 2)).toEqual([[2, 'B', null, 'x']])
  expect(merged.filter(([id]) => id === 5).map(([, name]) => name)).toEqual(['merged', 'merged'])
  await write(`(9, 'i', null, null)`, 'replace_partitions')
  expect((await seen()).filter(([, , , kind]) => kind === null)).toEqual([[9, 'i', null, null]])
})

it('a delete outside of all partitions counts in each of them', async () => {
  await create('')
  await spark.sql(`INSERT INTO ${theirs} VALUES ${ROWS}`)
  await spark.sql(`ALTER TABLE ${theirs} ADD PARTITION FIELD days(day)`)
  await spark.sql(`INSERT INTO ${theirs} VALUES (6, 'f', DATE '2026-01-03', 'x'), (7, 'g', DATE '2026-01-03', 'x')`)
  await deleteEqual(['id'], `(1, null, null, null), (6, null, null, null)`, 0)
  const rows = [...OLD.slice(1), [7, 'g', '2026-01-03', 'x']]
  expect(await seen()).toEqual(rows)
  await deleteEqual(['id'], `(2, null, DATE '2026-01-01', null), (7, null, DATE '2026-01-03', null)`)
  // the second file of the delete lies in a partition, and the first in one that no file of these rows is in
  expect(await seen()).toEqual(OLD.slice(1))
  await write(`(6, 'back', '2026-01-03', 'x'), (3, 'C', '2026-01-02', 'x')`, 'merge')
  expect(await seen()).toEqual([OLD[1], [3, 'C', '2026-01-02', 'x'], OLD[3], OLD[4], [6, 'back', '2026-01-03', 'x']])
})
