import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { AvroValue } from '../../../lakehouse/tables/iceberg/values.js'
import { commitFiles, newestSnapshot } from './foreign-commit.js'
import { IcebergLake } from './iceberg-lake.js'

let lake: IcebergLake
beforeEach(() => {
  lake = new IcebergLake()
})
afterEach(() => lake.remove())

interface Imported {
  /** a SELECT without the columns that partition, as such files lie in Hive's folders */
  select: string
  partition: AvroValue[]
  /** ids of the columns in the file; none by default */
  ids?: Record<string, number> | undefined
}

/** Takes Parquet files that others wrote into a table, as Spark's `add_files` does. */
async function importFiles(
  table: string,
  files: Imported[],
  partitionBy?: string[],
  { mapped = true } = {},
): Promise<void> {
  const snapshot = await newestSnapshot(lake, table)
  const duckdb = await (await DuckDBInstance.create()).connect()
  const records = []
  for (const [index, { select, partition, ids }] of files.entries()) {
    const path = `${dirname(snapshot.metadataLocation)}/imported-${index}.parquet`
    const options =
      ids === undefined ? '' : `, FIELD_IDS {${Object.entries(ids).map(([name, id]) => `${name}: ${id}`)}}`
    await duckdb.run(`COPY (${select}) TO '${path}' (FORMAT parquet${options})`)
    records.push({
      content: 0,
      file_path: path,
      file_format: 'PARQUET',
      partition,
      record_count: 1n,
      file_size_in_bytes: BigInt(statSync(path).size),
      column_sizes: null,
      value_counts: null,
      null_value_counts: null,
      nan_value_counts: null,
      lower_bounds: null,
      upper_bounds: null,
      key_metadata: null,
      split_offsets: null,
      equality_ids: null,
      sort_order_id: null,
      referenced_data_file: null,
    })
  }
  duckdb.closeSync()
  const mapping = snapshot.fields.map(({ id, name }) => ({ 'field-id': id, names: [name] }))
  const properties: Record<string, string> = mapped ? { 'schema.name-mapping.default': JSON.stringify(mapping) } : {}
  await commitFiles(lake, table, {
    content: 0,
    files: records,
    properties,
    ...(partitionBy === undefined ? {} : { partitionBy }),
  })
}

const micros = (instant: string) => BigInt(Date.parse(instant)) * 1000n

it('a column that imported files lack has the value of their partition, whatever its type', async () => {
  const columns: [type: string, some: AvroValue, text: string, other: AvroValue, otherText: string][] = [
    ['boolean', true, 'true', false, 'false'],
    ['integer', -5, '-5', 2147483647, '2147483647'],
    ['bigint', 5n, '5', -9223372036854775808n, '-9223372036854775808'],
    ['double', 0.1, '0.1', Number.NEGATIVE_INFINITY, '-inf'],
    ['varchar', `it's`, `it's`, '', ''],
    ['date', 20454, '2026-01-01', -800_000, '0222-09-04 (BC)'],
    ['time', 1n, '00:00:00.000001', 86_399_999_999n, '23:59:59.999999'],
    ['timestamp', micros('2026-01-01T10:20:30.5Z'), '2026-01-01 10:20:30.5', -1n, '1969-12-31 23:59:59.999999'],
    ['timestamptz', micros('2026-01-01T10:20:30Z'), '2026-01-01 10:20:30+00', 0n, '1970-01-01 00:00:00+00'],
    ['decimal(5,2)', Buffer.from([0, 4, 0xd2]), '12.34', Buffer.from([0xff, 0xff, 0xfb]), '-0.05'],
    [
      'uuid',
      Buffer.alloc(16, 0xab),
      'abababab-abab-abab-abab-abababababab',
      Buffer.alloc(16),
      '00000000-0000-0000-0000-000000000000',
    ],
    ['blob', Buffer.from([0, 0x5c, 0xff]), '\\x00\\x5C\\xFF', Buffer.from('a'), 'a'],
  ]
  const names = columns.map((_, index) => `c${index}`)
  const empty = columns.map(([type], index) => `null::${type} as c${index}`)
  await lake.write('silver.t', `select 1::bigint as id, ${empty.join(', ')} where false`)
  const files: Imported[] = [
    { select: 'select 1::bigint as id', partition: columns.map(([, some]) => some) },
    { select: 'select 2::bigint as id', partition: columns.map(([, , , other]) => other) },
    { select: 'select 3::bigint as id', partition: columns.map(() => null) },
  ]
  await importFiles('silver.t', files, names)
  const texts = names.map((name) => `${name}::varchar`)
  expect(await lake.rows(`select id, ${texts.join(', ')} from silver.t order by id`)).toEqual([
    [1, ...columns.map(([, , text]) => text)],
    [2, ...columns.map(([, , , , text]) => text)],
    [3, ...columns.map(() => null)],
  ])
  expect(await lake.rows('select count(*), count(c0) from silver.t')).toEqual([[3, 2]])
})

/** A table of days with a file of our own and, for each day, an imported one that lacks the column. */
async function importedDays(ids?: Record<string, number>): Promise<void> {
  await lake.write('silver.days', `select 1::bigint as id, date '2026-01-01' as day, 'ours' as name`, {
    partitionBy: ['day'],
  })
  await importFiles('silver.days', [
    { select: `select * from (values (2::bigint, 'a'), (3, 'b')) as t(id, name)`, partition: [20454], ids },
    { select: `select 4::bigint as id, 'c' as name`, partition: [20455], ids },
    { select: `select 5::bigint as id, 'd' as name`, partition: [null], ids },
  ])
}

it.each([
  ['without ids', undefined],
  ['with ids', { id: 1, name: 3 }],
])('a merge and replace_partitions keep the partitions of imported files (%s)', async (_, ids) => {
  await importedDays(ids)
  const days = () => lake.rows('select id, day::varchar, name from silver.days order by id')
  const before = [
    [1, '2026-01-01', 'ours'],
    [2, '2026-01-01', 'a'],
    [3, '2026-01-01', 'b'],
    [4, '2026-01-02', 'c'],
    [5, null, 'd'],
  ]
  expect(await days()).toEqual(before)
  expect(await lake.rows(`select id from silver.days where day = date '2026-01-02'`)).toEqual([[4]])
  await lake.write('silver.days', `select 2::bigint as id, date '2026-01-01' as day, 'merged' as name`, {
    mode: 'merge',
    keys: ['id'],
  })
  const merged = before.with(1, [2, '2026-01-01', 'merged'])
  expect(await days()).toEqual(merged)
  await lake.write('silver.days', `select 4::bigint as id, date '2026-01-02' as day, 'by day' as name`, {
    mode: 'merge',
    keys: ['id', 'day'],
  })
  const byDay = merged.with(3, [4, '2026-01-02', 'by day'])
  expect(await days()).toEqual(byDay)
  await lake.write('silver.days', `select 9::bigint as id, date '2026-01-01' as day, 'new' as name`, {
    mode: 'replace_partitions',
  })
  expect(await days()).toEqual([byDay[3], byDay[4], [9, '2026-01-01', 'new']])
})

it('a column that stands in an imported file as well has the value of the partition, as for Spark', async () => {
  await lake.write('silver.t', `select 1::bigint as id, 1::integer as n where false`, { partitionBy: ['n'] })
  await importFiles('silver.t', [{ select: `select 1::bigint as id, '7' as n`, partition: [8] }])
  expect(await lake.rows('select id, n from silver.t')).toEqual([[1, 8]])
})

it('files whose columns nothing tells by id or name are refused, and those with ids need no names', async () => {
  for (const table of ['silver.mute', 'silver.told']) await lake.write(table, `select 1::bigint as id`)
  const select = 'select 2::bigint as id'
  await importFiles('silver.told', [{ select, partition: [], ids: { id: 1 } }], undefined, { mapped: false })
  expect(await lake.rows('select id from silver.told order by id')).toEqual([[1], [2]])
  await importFiles('silver.mute', [{ select, partition: [] }], undefined, { mapped: false })
  await expect(lake.rows('select id from silver.mute')).rejects.toMatchObject({
    code: 'TABLE_UNSUPPORTED',
    message: expect.stringContaining('no names to find them by'),
  })
})
