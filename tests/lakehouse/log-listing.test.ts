import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FolderStore } from '../../lakehouse/objects/folder.js'
import { DeltaLog } from '../../lakehouse/tables/delta/log.js'
import { Lake } from './subject.js'

/** Counts what a reader lists and reads. */
class CountingStore extends FolderStore {
  listed = 0
  reads = 0
  override async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<string[]> {
    const names = await super.list(prefix, options)
    this.listed += names.length
    return names
  }
  override async readWithInfo(key: string) {
    this.reads += 1
    return super.readWithInfo(key)
  }
}

let lake: Lake
beforeEach(async () => {
  lake = new Lake()
  for (let n = 0; n < 25; n++) await lake.write('silver.t', `select ${n}::bigint as n`, { mode: 'append' })
})
afterEach(() => lake.remove())

function open() {
  const store = new CountingStore(join(lake.project, 'lake'))
  return { store, log: new DeltaLog(store, 'silver/t', 'silver.t') }
}
const hint = () => join(lake.project, 'lake/silver/t/_delta_log/_last_checkpoint')

describe('a log with checkpoints', () => {
  it('is listed and read from the last one on', async () => {
    const { store, log } = open()
    expect((await log.latest())?.files.size).toBe(25)
    // the checkpoint of version 20 with its entry, and versions 21 to 24
    expect(store.listed).toBe(6 + 1)
    expect(store.reads).toBeLessThanOrEqual(6)
  })

  it('gives older versions, too', async () => {
    expect((await open().log.at(3)).files.size).toBe(4)
    expect((await open().log.at(15)).files.size).toBe(16)
    expect((await open().log.at(22)).files.size).toBe(23)
  })

  it.each([
    ['missing', () => rmSync(hint())],
    ['no JSON', () => writeFileSync(hint(), '{"version": 2')],
    ['about something else', () => writeFileSync(hint(), '[]')],
    ['ahead of the log', () => writeFileSync(hint(), '{"version": 30}')],
    [
      'about a checkpoint that is gone',
      () => rmSync(hint().replace('_last_checkpoint', '00000000000000000020.checkpoint.parquet')),
    ],
  ])('does not depend on the hint, which may be %s', async (_what, spoil) => {
    spoil()
    const { log } = open()
    expect((await log.latest())?.version).toBe(24)
    expect((await log.latest())?.files.size).toBe(25)
  })
})
