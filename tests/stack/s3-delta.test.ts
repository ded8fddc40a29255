import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Check } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { processEntry } from '../../package-root.js'
import { crashSuite } from '../lakehouse/crash-suite.js'
import { gateSuite } from '../lakehouse/gate-suite.js'
import { modelSuite } from '../lakehouse/model-suite.js'
import { writeModesSuite } from '../lakehouse/write-modes-suite.js'
import { S3Lake } from './s3-lake.js'

writeModesSuite('a bucket', () => new S3Lake())
crashSuite('a bucket', () => new S3Lake())
gateSuite('Delta in a bucket', () => new S3Lake())
modelSuite('Delta in a bucket', () => new S3Lake())

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

describe('a table in a bucket', () => {
  let lake: S3Lake
  beforeEach(() => {
    lake = new S3Lake()
  })
  afterEach(() => lake.remove())

  /** keys below a table, its log left out */
  async function objects(table: string): Promise<string[]> {
    const folder = await lake.mirror(table)
    return filesBelow(folder)
      .map((file) => relative(folder, file))
      .filter((key) => !key.startsWith('_delta_log'))
  }

  it('gets no row of what its checks refuse, and keeps the failing ones where it is told', async () => {
    const checks: Check[] = [{ kind: 'not_null', options: ['n'], severity: 'error', name: 'n is there' }]
    const sql = 'select * from (values (1::bigint), (null), (3)) as t(n)'
    const outcome = await lake.write('silver.t', sql, { checks, quarantine: 'quarantine.t' })
    expect(outcome).toMatchObject({ outcome: 'refused', checks: [{ failingRows: 1 }] })
    expect(await objects('silver.t')).toEqual([])
    expect(await lake.rows('select n from quarantine.t')).toEqual([[null]])
  })

  it('keeps nothing of an attempt that was killed once the next one has committed', async () => {
    await lake.write('silver.source', 'select range::bigint as id from range(50, 150)')
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

  it('is appended to without being read, and merged into by reading what may hold the keys', async () => {
    for (let n = 0; n < 5; n++) {
      await lake.write('silver.m', `select range::bigint as id, 0 as gen from range(${n * 100}, ${n * 100 + 100})`, {
        mode: 'append',
      })
    }
    const cold = await openLakehouse({ ...lake.config, cache: { folder: join(lake.project, 'cold'), maxBytes: 1e9 } })
    const cached = () => filesBelow(join(lake.project, 'cold/objects')).length
    await cold.write(lake.request('silver.m', 'select 1000::bigint as id, 1 as gen', { mode: 'append' }))
    expect(cached()).toBe(1) // its own
    await cold.write(lake.request('silver.m', 'select 250::bigint as id, 1 as gen', { mode: 'merge', keys: ['id'] }))
    expect(cached()).toBe(3) // and the one with key 250, before and after
    await cold.close()
    expect(await lake.rows('select count(*), sum(gen) from silver.m')).toEqual([[501, 2]])
  })

  it('is read by several processes at once whose cache is too small for it', async () => {
    for (let n = 0; n < 12; n++) {
      const sql = `select range::bigint as id, md5(range::varchar) as text from range(${n * 1000}, ${n * 1000 + 1000})`
      await lake.write('silver.t', sql, { mode: 'append' })
    }
    const { bytes } = await (await lake.house()).summary('silver.t')
    const cache = { folder: join(lake.project, 'small'), maxBytes: Math.floor(bytes / 3) }
    const args = [processEntry('tests/stack/s3-cache-reader.js'), JSON.stringify({ ...lake.config, cache }), '8']
    const readers = Array.from({ length: 4 }, async () => {
      const reader = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const [output] = await Promise.all([text(reader.stdout), once(reader, 'exit')])
      return output
    })
    for (const output of await Promise.all(readers)) {
      expect(output.trim().split('\n')).toEqual(Array(8).fill(JSON.stringify([{ n: 12_000, total: 71_994_000 }])))
    }
    const kept = filesBelow(join(cache.folder, 'objects')).map((file) => statSync(file).size)
    expect(kept.reduce((sum, size) => sum + size, 0)).toBeLessThan(cache.maxBytes * 1.5)
    expect(filesBelow(join(cache.folder, 'work'))).toEqual([])
    expect(filesBelow(join(cache.folder, 'incoming'))).toEqual([])
  })

  it('shows a query its own files only', async () => {
    await lake.write('silver.t', 'select 1 as id')
    const kept = join(lake.place.cache.folder, 'objects')
    const sql = `select * from read_parquet('${kept}/*/*')`
    await expect(lake.rows(sql)).rejects.toMatchObject({ code: 'SQL_FORBIDDEN' })
  })
})
