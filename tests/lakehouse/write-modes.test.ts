import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Lake } from './subject.js'
import { writeModesSuite } from './write-modes-suite.js'

writeModesSuite('a folder', () => new Lake())

it('a roll-back writes no data file and removes none', async () => {
  const lake = new Lake()
  const data = () => readdirSync(lake.project, { recursive: true, encoding: 'utf8' }).filter(isData).sort()
  const isData = (path: string) => path.endsWith('.parquet')
  try {
    await lake.write('silver.t', 'select 1 as id')
    await lake.write('silver.t', 'select 2 as id', { mode: 'append' })
    const before = data()
    expect(before.length).toBeGreaterThan(1)
    await (await lake.house()).rollback('silver.t', lake.firstVersion, { user: 'mira', reason: 'came twice', now: 0 })
    expect(await lake.rows('select id from silver.t')).toEqual([[1]])
    expect(data()).toEqual(before)
  } finally {
    await lake.remove()
  }
})
