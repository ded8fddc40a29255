import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../errors.js'
import { DuckdbSession } from '../../lakehouse/engines/duckdb/session.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { Lake, lakeConfig } from './subject.js'

let lake: Lake
beforeAll(async () => {
  lake = new Lake()
  await lake.write('silver.t', 'select 1 as id')
})
afterAll(() => lake.remove())

const ESCAPES = [
  `select * from '/etc/passwd'`,
  `select * from read_text('/etc/passwd')`,
  `select * from read_csv('/etc/passwd')`,
  `select * from read_csv_auto('/etc/passwd')`,
  `select * from read_parquet('/tmp/x.parquet')`,
  `select * from read_json('/etc/os-release')`,
  `select * from read_blob('/etc/passwd')`,
  `select * from glob('/etc/*')`,
  `select content from read_text('/etc/hostname'), silver.t`,
  `select (select content from read_text('/etc/hostname'))`,
  `with x as (select * from read_text('/etc/hostname')) select * from x`,
  `select getenv('HOME')`,
  `select * from duckdb_settings()`,
  `select * from query('select 1')`,
  `select * from query_table('silver.t')`,
  `copy (select 1) to '/tmp/sluice-escape.csv'`,
  `copy silver.t to '/tmp/sluice-escape.csv'`,
  `attach '/tmp/sluice-escape.db'`,
  `install httpfs`,
  `load httpfs`,
  `pragma database_list`,
  `set memory_limit = '100GB'`,
  `set enable_external_access = true`,
  `create table x as select 1`,
  `insert into silver.t values (2)`,
  `delete from silver.t`,
  `drop view lake.silver.t`,
  `export database '/tmp/sluice-escape'`,
  `call pragma_version()`,
  `select 1; select 2`,
  `select 1; copy (select 1) to '/tmp/sluice-escape.csv'`,
  `/* select */ attach ':memory:' as other`,
  `explain analyze select 1`,
  ``,
]

/** What the engine refuses by itself, should a statement ever come past the reading of it above. */
const LOCKED = [
  `select * from read_text('/etc/passwd')`,
  `copy (select 1) to '/tmp/sluice-escape.csv'`,
  `attach '/tmp/sluice-escape.db'`,
  `install httpfs`,
  `set memory_limit = '100GB'`,
  `set enable_external_access = true`,
  `set allowed_directories = ['/']`,
]

describe('the engine', () => {
  it.each(LOCKED)('is locked in: %s', async (sql) => {
    const connection = { type: 'duckdb' as const, memory_limit: '64MB', threads: 1 }
    const session = await DuckdbSession.open({
      connection,
      catalogs: ['lake'],
      folders: [lake.project],
      files: [],
      spill: tmpdir(),
    })
    await expect(session.rows(sql)).rejects.toThrow(/[Pp]ermission|disabled|locked|[Cc]annot/)
    await session.close()
  })
})

describe('SQL of a task', () => {
  it.each(ESCAPES)('is refused by name: %s', async (sql) => {
    for (const attempt of [lake.write('silver.out', sql), lake.rows(sql)]) {
      const error = await attempt.then(
        () => null,
        (reason: unknown) => reason,
      )
      const coded = ['SQL_FORBIDDEN', 'SQL_NOT_A_SELECT', 'SQL_FAILED', 'TABLE_UNKNOWN'] as const
      expect(
        coded.some((code) => isSluiceError(error, code)),
        `${sql} gave ${String(error)}`,
      ).toBe(true)
    }
    expect(await lake.rows('select id from silver.t')).toEqual([[1]])
  })

  it('asks for a table by a near name', async () => {
    await expect(lake.rows('select * from silver.tt')).rejects.toThrow('Did you mean silver.t?')
  })

  it('that needs more memory than its limit ends with a sentence that names it, and the next one runs', async () => {
    const house = await openLakehouse(lakeConfig(lake.project, '60MB'))
    const hungry = `select count(distinct a || b) from (select range::varchar as a from range(3000000)), (select md5(range::varchar) as b from range(20))`
    try {
      await expect(
        house.query(`select list(x) from (${hungry.replace('count(distinct a || b)', 'a || b as x')})`, { maxRows: 1 }),
      ).rejects.toMatchObject({
        code: 'SQL_OUT_OF_MEMORY',
        message: expect.stringContaining('60MB'),
      })
      expect((await house.query('select 1 as one', { maxRows: 1 })).rows).toEqual([{ one: 1 }])
    } finally {
      await house.close()
    }
  })

  it('stops soon after an abort', async () => {
    const controller = new AbortController()
    const endless = (await lake.house()).query(
      'select sum(a.range * b.range) from range(100000000) a, range(100000) b',
      {
        maxRows: 1,
        signal: controller.signal,
      },
    )
    const aborted = performance.now()
    controller.abort(new Error('cancelled'))
    await expect(endless).rejects.toThrow('cancelled')
    expect(performance.now() - aborted).toBeLessThan(5000)
    expect(await lake.rows('select 1')).toEqual([[1]])
  })
})
