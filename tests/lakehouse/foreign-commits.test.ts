import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Lake } from './subject.js'

let lake: Lake
beforeEach(async () => {
  lake = new Lake()
  await lake.write('silver.t', 'select 1::bigint as n')
})
afterEach(() => lake.remove())

/** Version 1, as another writer commits it. */
async function versionOf(commitInfo: object) {
  const entry = join(lake.project, 'lake/silver/t/_delta_log/00000000000000000001.json')
  writeFileSync(entry, `${JSON.stringify({ commitInfo: { timestamp: 1, operation: 'WRITE', ...commitInfo } })}\n`)
  const [newest] = await (await lake.house()).versions('silver.t', { limit: 1 })
  return newest
}

describe('a commit of another writer', () => {
  it('tells its run and figures when it is a Spark job of ours', async () => {
    const origin = { dag: 'sales', run: 'run-1', task: 'load', attempt: 2, token: 'sales/run-1/load/1' }
    const metrics = { numOutputRows: '7', numOutputBytes: '811' }
    const version = await versionOf({ userMetadata: JSON.stringify({ sluice: origin }), operationMetrics: metrics })
    expect(version).toMatchObject({ version: 1, operation: 'write', run: 'run-1', task: 'load', attempt: 2 })
    expect(version).toMatchObject({ token: 'sales/run-1/load/1', rowsAdded: 7, bytes: 811 })
  })

  it.each([
    ['nothing', {}],
    ['a text of its own', { userMetadata: 'backfill by ada' }],
    ['something like ours', { userMetadata: '{"sluice":' }],
    ['a list', { userMetadata: '{"sluice":[1]}' }],
    ['figures that are none', { operationMetrics: { numOutputRows: 'many', numOutputBytes: '' } }],
  ])('names nobody when it says %s', async (_, info) => {
    expect(await versionOf(info)).toMatchObject({ version: 1, run: null, task: null, token: null, rowsAdded: null })
  })
})
