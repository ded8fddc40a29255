import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Check } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { processEntry } from '../../package-root.js'
import { crashSuite } from '../lakehouse/crash-suite.js'
import { writeModesSuite } from '../lakehouse/write-modes-suite.js'
import { S3Lake } from './s3-lake.js'

writeModesSuite('a bucket', () => new S3Lake())
crashSuite('a bucket', () => new S3Lake())

describe('a write to a bucket', () => {
  let lake: S3Lake
  beforeEach(() => {
    lake = new S3Lake()
  })
  afterEach(() => lake.remove())

  /** keys below a table, its log left out */
  async function objects(table: string): Promise<string[]> {
    const folder = await lake.mirror(table)
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    return entries
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .filter((key) => !key.startsWith('_delta_log'))
  }

  it('that its checks refuse uploads no row, and keeps the failing ones where it is told', async () => {
    const checks: Check[] = [{ kind: 'not_null', options: ['n'], severity: 'error', name: 'n is there' }]
    const sql = 'select * from (values (1::bigint), (null), (3)) as t(n)'
    const outcome = await lake.write('silver.t', sql, { checks, quarantine: 'quarantine.t' })
    expect(outcome).toMatchObject({ outcome: 'refused', checks: [{ failingRows: 1 }] })
    expect(await objects('silver.t')).toEqual([])
    expect(await lake.rows('select n from quarantine.t')).toEqual([[null]])
  })

  it('leaves nothing behind of an attempt that was killed once the next one has committed', async () => {
    const args = [
      processEntry('tests/lakehouse/crash-writer.js'),
      JSON.stringify(lake.config),
      'before_publish',
      'append',
      'run/task/1',
    ]
    expect(spawnSync(process.execPath, args).signal).toBe('SIGKILL')
    const left = (await objects('silver.t')).filter((key) => key.endsWith('.parquet'))
    expect(left).toHaveLength(1)
    await lake.write('silver.t', 'select 1::bigint as id, 2::bigint as revision', {
      mode: 'append',
      token: 'run/task/1',
    })
    const [only, ...more] = await objects('silver.t')
    expect(only).toMatch(/\.parquet$/)
    expect(left).not.toContain(only)
    expect(more).toEqual([])
  })

  it('needs no file of the table to append to it, and of a merge only those that may hold its keys', async () => {
    for (let n = 0; n < 5; n++) {
      await lake.write('silver.m', `select range::bigint as id, 0 as gen from range(${n * 100}, ${n * 100 + 100})`, {
        mode: 'append',
      })
    }
    const cold = await openLakehouse({ ...lake.config, cache: { folder: join(lake.project, 'cold'), maxBytes: 1e9 } })
    const cached = () =>
      readdirSync(join(lake.project, 'cold/objects'), { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      ).length
    await cold.write(lake.request('silver.m', 'select 1000::bigint as id, 1 as gen', { mode: 'append' }))
    expect(cached()).toBe(1) // its own
    await cold.write(lake.request('silver.m', 'select 250::bigint as id, 1 as gen', { mode: 'merge', keys: ['id'] }))
    expect(cached()).toBe(3) // and the one with key 250, before and after
    await cold.close()
    expect(await lake.rows('select count(*), sum(gen) from silver.m')).toEqual([[501, 2]])
  })

  it('and its queries see their own files only', async () => {
    await lake.write('silver.t', 'select 1 as id')
    const kept = join(lake.place.cache.folder, 'objects')
    const sql = `select * from read_parquet('${kept}/*/*')`
    await expect(lake.rows(sql)).rejects.toMatchObject({ code: 'SQL_FORBIDDEN' })
  })
})
