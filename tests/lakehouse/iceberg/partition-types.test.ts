import { afterEach, beforeEach, expect, it } from 'vitest'
import { IcebergLake } from './iceberg-lake.js'

let lake: IcebergLake
beforeEach(() => {
  lake = new IcebergLake()
})
afterEach(() => lake.remove())

it.each([
  ['boolean', ['true', 'false']],
  ['integer', ['-5', '7']],
  ['bigint', ['-5', '9223372036854775807']],
  ['double', ['-0.5', '1e300']],
  ['varchar', ['', 'null']],
  ['date', ['1969-12-31', '2026-01-01']],
  ['time', ['00:00:00.000001', '23:59:59']],
  ['timestamp', ['1969-12-31 23:59:59.999999', '9999-12-31 00:00:00']],
  ['timestamptz', ['1969-12-31 23:59:59.999999+00', '9999-12-31 00:00:00+00']],
  ['decimal(5,2)', ['-0.05', '123.40']],
  ['uuid', ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']],
])('values of %s partition, and one partition is replaced', async (type, [one = '', other = '']) => {
  const row = (id: number, text: string | null) =>
    `select ${id}::bigint as id, ${text === null ? 'null' : `'${text}'`}::${type} as part`
  const rows = [row(1, one), row(2, other), row(3, null)].join(' union all ')
  await lake.write('silver.t', rows, { partitionBy: ['part'] })
  const all = () => lake.rows(`select id, part from silver.t order by id`)
  const [first, second, third] = await all()
  expect(third).toEqual([3, null])
  await lake.write('silver.t', row(4, one), { mode: 'replace_partitions' })
  expect(await all()).toEqual([second, third, [4, first?.[1]]])
  await lake.write('silver.t', row(5, null), { mode: 'replace_partitions' })
  expect(await all()).toEqual([second, [4, first?.[1]], [5, null]])
  await lake.write('silver.t', row(6, other), { mode: 'replace_partitions' })
  expect((await all()).map(([id]) => id)).toEqual([4, 5, 6])
})
