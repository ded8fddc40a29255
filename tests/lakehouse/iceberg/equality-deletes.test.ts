import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FileRecord } from '../../../lakehouse/tables/iceberg/manifests.js'
import { commitFiles, newestSnapshot } from './foreign-commit.js'
import { IcebergLake } from './iceberg-lake.js'

let lake: IcebergLake
beforeEach(() => {
  lake = new IcebergLake()
})
afterEach(() => lake.remove())

/**
 * Commits an equality delete as a streaming engine does: rows equal to those of another table's file in its first column.
 * @param set what the record of the file with the deleted values says besides
 */
async function deleteEqual(table: string, other: string, set: Partial<FileRecord> = {}): Promise<void> {
  const [file] = (await newestSnapshot(lake, other)).files.values()
  if (file === undefined) throw new Error('nothing to delete')
  await commitFiles(lake, table, {
    content: 1,
    files: [{ ...file.record, content: 2, equality_ids: [1], ...set }],
  })
}

it('rows deleted by equality stay deleted, and rows written later do not', async () => {
  await lake.write('silver.t', `select range::bigint as id, 'a' as name from range(5)`)
  await lake.write('silver.gone', `select * from (values (1::bigint, 'x'), (3, 'y')) as t(id, name)`)
  await deleteEqual('silver.t', 'silver.gone')
  expect(await lake.rows('select id from silver.t order by id')).toEqual([[0], [2], [4]])
  expect(await lake.rows('select name, count(*) from silver.t group by all')).toEqual([['a', 3]])
  await lake.write('silver.t', `select 3::bigint as id, 'back' as name`, { mode: 'merge', keys: ['id'] })
  await lake.write('silver.t', `select 2::bigint as id, 'new' as name`, { mode: 'merge', keys: ['id'] })
  expect(await lake.rows('select id, name from silver.t order by id')).toEqual([
    [0, 'a'],
    [2, 'new'],
    [3, 'back'],
    [4, 'a'],
  ])
})

it('rows deleted by equality in one partition stay in the others, be it that of NULL or of the text null', async () => {
  const rows = `select * from (values (1::bigint, null), (1, 'null'), (1, 'x'), (2, null), (2, 'null')) as t(id, kind)`
  await lake.write('silver.t', rows, { partitionBy: ['kind'] })
  await lake.write('silver.gone', `select 1::bigint as id`)
  await deleteEqual('silver.t', 'silver.gone', { partition: ['null'] })
  expect(await lake.rows('select id, kind from silver.t order by all')).toEqual([
    [1, 'x'],
    [1, null],
    [2, 'null'],
    [2, null],
  ])
  await deleteEqual('silver.t', 'silver.gone', { partition: [null] })
  expect(await lake.rows('select id, kind from silver.t order by all')).toEqual([
    [1, 'x'],
    [2, 'null'],
    [2, null],
  ])
})

it('deletion vectors are refused by name', async () => {
  await lake.write('silver.t', `select range::bigint as id from range(5)`)
  await lake.write('silver.gone', `select 1::bigint as id`)
  await deleteEqual('silver.t', 'silver.gone', { file_format: 'PUFFIN' })
  await expect(lake.rows('select * from silver.t')).rejects.toMatchObject({
    code: 'TABLE_UNSUPPORTED',
    message: expect.stringContaining('deletion vectors'),
  })
})
