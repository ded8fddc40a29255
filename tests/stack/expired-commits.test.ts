import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import { entryVersion } from '../../lakehouse/tables/delta/log.js'
import { FaultyProxy } from './faulty-proxy.js'
import { catalogDatabase, StackIcebergLake } from './iceberg-lake.js'
import { Attempt, Killed, killed, NOT_NULL, Remains, ROW } from './trino-attempts.js'
import { published, TrinoPlace } from './trino-place.js'

/** The commit of a lost attempt is there when its retry begins, and the table does not tell of it any more. */
const UNKNOWN = { code: 'COMMIT_UNKNOWN', retryable: false }
const SWAP = /UPDATE iceberg_tables|INSERT INTO iceberg_tables/
const APPEND = { mode: 'append' as const }
const OTHER = `SELECT 20 AS id, 'other' AS note`

/** Trino's own, without the least age that it asks for by default. */
async function expireSnapshots(place: TrinoPlace, table: string): Promise<void> {
  const properties = { 'iceberg.expire_snapshots_min_retention': '0s' }
  const sql = `ALTER TABLE iceberg.${table} EXECUTE expire_snapshots(retention_threshold => '0s')`
  await place.trino.run(sql, { properties })
  const left = await place.trino.rows(`SELECT count(*) AS n FROM iceberg.${table.replace('.', '."')}$snapshots"`)
  expect(left).toEqual([{ n: 1 }])
}

describe('the embedded engine on Iceberg', () => {
  const place = new TrinoPlace('iceberg')
  /** the next swap of the catalog's row loses its answer, and what follows is lost as well */
  let armed = false
  let lost = 0
  let lake: StackIcebergLake
  let proxy: FaultyProxy
  beforeAll(async () => {
    const { host, port } = catalogDatabase()
    proxy = await FaultyProxy.start(`tcp://${host}:${port}`, (request) => {
      if (armed && SWAP.test(request)) {
        armed = false
        lost = 12
        return 'lose_answer'
      }
      if (lost > 0) lost -= 1
      return lost > 0 ? 'lose_request' : 'pass'
    })
    lake = new StackIcebergLake({ host: '127.0.0.1', port: proxy.port })
  })
  afterAll(async () => {
    await lake.remove()
    await proxy.close()
    await place.remove()
  })

  /** An attempt whose commit arrives, while its answer and all that is asked after it are lost. */
  async function unheard(table: string, token: string): Promise<Attempt> {
    const attempt = new Attempt(null)
    armed = true
    const write = lake.write(table, 'select 1 as id', { ...APPEND, token, outside: attempt })
    await expect(write).rejects.toMatchObject({ code: 'UNREACHABLE' })
    lost = 0
    expect(attempt.saved).toMatchObject({ engine: 'duckdb', found: { [table]: 1 } })
    return attempt
  }
  const ids = async (table: string) => (await lake.rows(`select id from ${table} order by id`)).flat()

  it('appends no second time when Trino has expired the snapshot of a commit whose answer was lost', async () => {
    const table = lake.table('expired')
    await lake.write(table, 'select 0 as id')
    const { saved } = await unheard(table, 'expired')
    await lake.write(table, 'select 20 as id', APPEND)
    await expireSnapshots(place, table)
    const retry = lake.write(table, 'select 1 as id', { ...APPEND, token: 'expired', outside: new Attempt(saved) })
    await expect(retry).rejects.toMatchObject(UNKNOWN)
    expect(await ids(table)).toEqual([0, 1, 20])
  })

  it('finds the commit where nothing was expired since, and appends where nothing was committed', async () => {
    const table = lake.table('kept')
    await lake.write(table, 'select 0 as id')
    await lake.write(table, 'select 0 as id')
    await expireSnapshots(place, table)
    const attempt = new Attempt(null)
    await lake.write(table, 'select 1 as id', { ...APPEND, token: 'kept', outside: attempt })
    await lake.write(table, 'select 20 as id', APPEND)
    const retry = (token: string) =>
      lake.write(table, 'select 1 as id', { ...APPEND, token, outside: new Attempt(attempt.saved) })
    expect((await retry('kept')).outcome).toBe('already_published')
    published(await retry('another'))
    expect(await ids(table)).toEqual([0, 1, 1, 20])
  })
})

describe.each(['append', 'overwrite', 'merge'] as const)('Trino on Iceberg, %s', (mode) => {
  const place = new TrinoPlace('iceberg')
  const { lost, finishedByHand } = new Remains(place)
  const set = { mode, ...(mode === 'merge' ? { keys: ['id'] } : {}), token: mode }
  beforeAll(async () => {
    published(await place.write('t', `SELECT 0 AS id, 'there' AS note`))
    // rows that are deleted beside their file are not counted in the metadata
    published(await place.write('t', `SELECT 0 AS id, 'changed' AS note`, { mode: 'merge', keys: ['id'] }))
  })
  afterAll(() => place.remove())

  it('writes no second time when the snapshot of a query was expired that nobody has heard the end of', async () => {
    const handle = await lost('t', ROW, set, finishedByHand)
    published(await place.write('t', OTHER, APPEND))
    await expireSnapshots(place, place.table('t'))
    const rows = await place.rows('t', 'id')
    expect(rows.flat()).toEqual(mode === 'overwrite' ? [1, 20] : [0, 1, 20])
    await expect(place.write('t', ROW, { ...set, outside: new Attempt(handle) })).rejects.toMatchObject(UNKNOWN)
    expect(await place.rows('t', 'id')).toEqual(rows)
  })

  it('writes as ever where only what came before the last attempt was expired', async () => {
    published(await place.write('t', OTHER, APPEND))
    await expireSnapshots(place, place.table('t'))
    const rows = (await place.rows('t')).length
    const seven = `SELECT 7 AS id, 'new' AS note`
    const again = { ...set, token: 'again' }
    const first = await lost('t', seven, again)
    published(await place.write('t', OTHER, APPEND))
    // the second sees that the first has committed nothing, and dies as the first did
    const second = new Attempt(first, (handle) =>
      parseHandle(handle)?.published.length === 2 ? killed() : Promise.resolve(),
    )
    await expect(place.write('t', seven, { ...again, outside: second })).rejects.toThrow(Killed)
    published(await place.write('t', OTHER, APPEND))
    await expireSnapshots(place, place.table('t'))
    published(await place.write('t', seven, { ...again, outside: new Attempt(second.saved) }))
    expect((await place.rows('t')).length).toBe(mode === 'overwrite' ? 1 : rows + 3)
  })
})

describe('Trino on Iceberg, where the head of main is not the last number that was given', () => {
  const place = new TrinoPlace('iceberg')
  const { lost, finishedByHand } = new Remains(place)
  const once = { ...APPEND, token: 'once' }
  const alter = (table: string, what: string) => place.trino.run(`ALTER TABLE iceberg.${place.table(table)} ${what}`)
  afterAll(() => place.remove())

  it('writes where only what Trino had taken back before was expired', async () => {
    for (let made = 0; made < 3; made++) published(await place.write('back', OTHER, APPEND))
    const snapshots = `iceberg.${place.schema}."back$snapshots"`
    const [first] = await place.trino.rows(`SELECT min_by(snapshot_id, committed_at) AS id FROM ${snapshots}`)
    await alter('back', `EXECUTE rollback_to_snapshot(${first?.id})`)
    const handle = await lost('back', ROW, once)
    await expireSnapshots(place, place.table('back'))
    published(await place.write('back', ROW, { ...once, outside: new Attempt(handle) }))
    expect(await place.rows('back', 'id')).toEqual([[1], [20]])
  })

  it('writes no second time to a table that was upgraded from format version 1', async () => {
    const there = `AS SELECT 0 AS id, 'there' AS note`
    await place.trino.run(`CREATE TABLE iceberg.${place.table('old')} WITH (format_version = 1) ${there}`)
    for (let made = 0; made < 3; made++) published(await place.write('old', OTHER, APPEND))
    await alter('old', 'SET PROPERTIES format_version = 2')
    const handle = await lost('old', ROW, once, finishedByHand)
    published(await place.write('old', OTHER, APPEND))
    await expireSnapshots(place, place.table('old'))
    const again = place.write('old', ROW, { ...once, outside: new Attempt(handle) })
    await expect(again).rejects.toMatchObject(UNKNOWN)
    expect(await place.rows('old', 'id')).toEqual([[0], [1], [20], [20], [20], [20]])
  })
})

describe('what is known not to have committed refuses nothing', () => {
  const place = new TrinoPlace('iceberg')
  afterAll(() => place.remove())
  const others = async (table: string) => published(await place.write(table, OTHER, APPEND))

  it('a query for failing rows that an attempt in between has settled', async () => {
    const kept = `SELECT 20 AS id, 'other' AS note, 'x' AS _failed_checks`
    const other = async () => published(await place.write('bad', kept, APPEND))
    const set = { ...APPEND, token: 'bad', checks: [NOT_NULL], quarantine: place.table('bad') }
    const failing = `SELECT CAST(NULL AS integer) AS id, 'failing' AS note`
    const dies = (earlier: Attempt | null, queries: number) =>
      new Attempt(earlier?.saved ?? null, (handle) =>
        parseHandle(handle)?.quarantined.length === queries ? killed() : Promise.resolve(),
      )
    await other()
    const first = dies(null, 1)
    await expect(place.write('t', failing, { ...set, outside: first })).rejects.toThrow(Killed)
    await other()
    const second = dies(first, 2)
    await expect(place.write('t', failing, { ...set, outside: second })).rejects.toThrow(Killed)
    await other()
    await expireSnapshots(place, place.table('bad'))
    const third = await place.write('t', failing, { ...set, outside: new Attempt(second.saved) })
    expect(third.outcome).toBe('refused')
    expect(await place.rows('bad', 'note')).toEqual([['failing'], ['other'], ['other'], ['other']])
  })

  it('a query whose table somebody else was quicker to make', async () => {
    const set = { ...APPEND, token: 'made' }
    let made = false
    const first = new Attempt(null, async (handle) => {
      const queries = parseHandle(handle)?.published.length ?? 0
      if (queries === 2) await killed()
      if (queries === 0 || made) return
      made = true
      await others('made')
    })
    await expect(place.write('made', ROW, { ...set, outside: first })).rejects.toThrow(Killed)
    await others('made')
    await expireSnapshots(place, place.table('made'))
    published(await place.write('made', ROW, { ...set, outside: new Attempt(first.saved) }))
    expect(await place.rows('made', 'id')).toEqual([[1], [20], [20]])
  })
})

describe('Trino on Delta', () => {
  const place = new TrinoPlace('delta')
  const { lost, finishedByHand } = new Remains(place)
  afterAll(() => place.remove())

  it('appends no second time when the entry of a commit was cleaned away that nobody has heard of', async () => {
    const others = async (count: number) => {
      for (let made = 0; made < count; made++) published(await place.write('t', OTHER, APPEND))
    }
    await others(1)
    const handle = await lost('t', ROW, { ...APPEND, token: 'cleaned' }, finishedByHand)
    await others(10)
    // what Spark does once entries are older than `delta.logRetentionDuration`, behind a checkpoint: Trino makes one every ten
    const log = await place.s3.open({ location: `${place.s3.location}/delta` })
    const folder = `${place.table('t').replace('.', '/')}/_delta_log`
    expect(await log.list(folder)).toContain(`${entryVersion(10)}.checkpoint.parquet`)
    await log.delete([0, 1, 2, 3].map((version) => `${folder}/${entryVersion(version)}.json`))
    await log.close()
    const rows = await place.rows('t', 'id')
    expect(rows).toHaveLength(12)
    const retry = place.write('t', ROW, { ...APPEND, token: 'cleaned', outside: new Attempt(handle) })
    await expect(retry).rejects.toMatchObject(UNKNOWN)
    expect(await place.rows('t', 'id')).toEqual(rows)
  })
})
