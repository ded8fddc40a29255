import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from '../lakehouse/subject.js'
import { pythonWithIceberg, runScript } from './python-env.js'
import { Attempt, Remains, ROW } from './trino-attempts.js'
import { published, TrinoPlace, trinoUrl } from './trino-place.js'

/** The metadata log of an Iceberg table tells less than its snapshots; a commit is found all the same. */
describe('a commit that others have overtaken before the retry looks for it, iceberg', () => {
  // statistics are a metadata file of their own, which would tell of the snapshot once more
  const place = new TrinoPlace('iceberg', trinoUrl(), { 'iceberg.collect_extended_statistics_on_write': false })
  const { lost, finishedByHand } = new Remains(place)
  beforeAll(() => place.house())
  afterAll(() => place.remove())

  const APPEND = { mode: 'append' as const }
  /** what the metadata log leaves of the snapshots */
  const told = async (table: string): Promise<number> => {
    const log = `"${place.schema}"."${table}$metadata_log_entries"`
    const [row] = await place.trino.rows(`SELECT count(DISTINCT latest_snapshot_id) AS n FROM ${log}`)
    return Number(row?.n)
  }

  it('is found when the metadata log has forgotten it, with its version', async () => {
    published(await place.write('forgotten', `SELECT 0 AS id, 'there' AS note`))
    const few = JSON.stringify({ 'write.metadata.previous-versions-max': '2' })
    runScript('iceberg_table.py', ['properties', place.table('forgotten'), few], pythonWithIceberg())
    const set = { ...APPEND, token: 'forgotten' }
    const handle = await lost('forgotten', ROW, set, finishedByHand)
    for (let id = 2; id < 6; id++) await place.write('forgotten', `SELECT ${id} AS id, 'other' AS note`, APPEND)
    expect(await told('forgotten')).toBeLessThan(4)
    const outcome = await place.write('forgotten', ROW, { ...set, outside: new Attempt(handle) })
    expect(outcome).toMatchObject({
      outcome: 'already_published',
      commit: { versionBefore: 1, version: 2, rowsAdded: 1, rowsTotal: 2 },
    })
    expect((await place.rows('forgotten', 'id')).flat()).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('is found when another engine has begun a commit before it and ended it after', async () => {
    published(await place.write('crossed', `SELECT 0 AS id, 'there' AS note`))
    const begun = Date.now()
    const set = { ...APPEND, token: 'crossed' }
    const handle = await lost('crossed', ROW, set, finishedByHand)
    const { connections } = place.config
    const duckdb = { type: 'duckdb' as const, memory_limit: '512MB', threads: 2 }
    const embedded = await openLakehouse({ ...place.config, connections: { ...connections, lakehouse: duckdb } })
    const other = { kind: 'select' as const, sql: `SELECT 2::integer AS id, 'other' AS note` }
    try {
      published(await embedded.write(writeRequest(place.table('crossed'), other, { ...APPEND, now: () => begun })))
    } finally {
      await embedded.close()
    }
    const outcome = await place.write('crossed', ROW, { ...set, outside: new Attempt(handle) })
    expect(outcome).toMatchObject({
      outcome: 'already_published',
      commit: { versionBefore: 1, version: 2, rowsAdded: 1, rowsTotal: 2 },
    })
    expect((await place.rows('crossed', 'id')).flat()).toEqual([0, 1, 2])
  })
})
