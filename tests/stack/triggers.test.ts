import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../lakehouse/objects/object-store.js'
import { openTables } from '../../lakehouse/open.js'
import type { Config } from '../../scheduler/config.js'
import type { TriggerSource } from '../../scheduler/store/trigger-store.js'
import { FileWatch } from '../../scheduler/triggers/file-watch.js'
import { lookAtVersions } from '../../scheduler/triggers/table-watch.js'
import { S3Place } from './s3-place.js'
import { TrinoPlace } from './trino-place.js'

describe('objects of a bucket', () => {
  let place: S3Place
  let store: ObjectStore
  let watch: FileWatch

  beforeAll(() => {
    place = new S3Place()
    store = place.open()
    watch = new FileWatch(
      { project: place.project, connections: { minio: place.connection } } as Partial<Config> as Config,
      Date.now,
    )
  })
  afterAll(async () => {
    await store.close()
    await place.remove()
  })

  const look = async (glob: string, marker: string | null = null) => {
    const source: TriggerSource = {
      dagId: 'load',
      kind: 'file',
      source: `${place.location}/${glob}`,
      files: { connection: 'minio', stableMs: 60_000, marker },
      since: 0,
      position: null,
      positionAt: null,
      lookedAt: null,
      problem: '',
    }
    const found = await watch.look(source, async () => [])
    found.recorded()
    return { ...found, names: found.files.map(({ files }) => files.map((url) => url.slice(place.location.length + 1))) }
  }
  const put = (key: string, text = 'a') => store.put(key, Buffer.from(text))

  it('are told at once, each content once, and gone when they are', async () => {
    for (const key of ['landing/b.csv', 'landing/a.csv', 'landing/a.txt', 'landing/deep/c.csv']) await put(key)
    expect((await look('landing/*.csv')).names).toEqual([['landing/a.csv'], ['landing/b.csv']])
    expect((await look('landing/*.csv')).names).toEqual([])
    await put('landing/b.csv', 'more')
    const replaced = await look('landing/*.csv')
    expect([replaced.names, replaced.gone.length]).toEqual([[['landing/b.csv']], 1])
    await store.delete(['landing/a.csv'])
    expect((await look('landing/*.csv')).gone).toHaveLength(1)
  })

  it('with a marker are told together', async () => {
    for (const key of ['day=1/part-0', 'day=1/part-1', 'day=2/part-0']) await put(`spark/${key}`)
    expect((await look('spark/*/part-*', '_SUCCESS')).names).toEqual([])
    await put('spark/day=1/_SUCCESS', '')
    expect((await look('spark/*/part-*', '_SUCCESS')).names).toEqual([['spark/day=1/part-0', 'spark/day=1/part-1']])
  })

  it('that cannot be listed are told with the name of the connection', async () => {
    const config = { project: place.project, connections: { minio: { ...place.connection, secret_key: 'wrong' } } }
    const other = new FileWatch(config as Partial<Config> as Config, Date.now)
    const source = {
      dagId: 'load',
      kind: 'file',
      source: `${place.location}/*`,
      files: { connection: 'minio', stableMs: 0, marker: null },
    }
    await expect(other.look(source as TriggerSource, async () => [])).rejects.toThrow('minio')
  })
})

describe.each(['iceberg', 'delta'] as const)('versions that Trino commits to %s', (format) => {
  let place: TrinoPlace
  beforeAll(() => {
    place = new TrinoPlace(format)
  })
  afterAll(() => place.remove())

  it('are seen by the next look, and none of the DAG that wrote before', async () => {
    await place.write('sales', 'SELECT 1 AS id')
    const tables = await openTables(place.config)
    const table = place.table('sales')
    const first = await lookAtVersions(tables, table, { after: null, since: Date.now() + 60_000 })
    expect(first.versions).toEqual([])
    for (const id of [2, 3]) await place.trino.rows(`INSERT INTO ${table} VALUES (${id})`)
    const next = await lookAtVersions(tables, table, { after: first.position, since: 0 })
    expect(next.versions.length).toBeGreaterThanOrEqual(2)
    expect(next.versions.map(({ version }) => version)).toEqual(
      [...next.versions.map(({ version }) => version)].sort((a, b) => a - b),
    )
    expect(next.position).toBeGreaterThan(first.position)
    expect((await lookAtVersions(tables, table, { after: next.position, since: 0 })).versions).toEqual([])
    expect(await lookAtVersions(tables, place.table('nowhere'), { after: null, since: 0 })).toMatchObject({
      position: -1,
    })
  })
})

describe('versions of an Iceberg table that Trino drops and makes anew', () => {
  let place: TrinoPlace
  beforeAll(() => {
    place = new TrinoPlace('iceberg')
  })
  afterAll(() => place.remove())

  it('are new each time, although their numbers are the same', async () => {
    await place.write('other', 'SELECT 1 AS id')
    const [tables, table] = [await openTables(place.config), place.table('daily')]
    const make = () => place.trino.rows(`CREATE TABLE ${table} AS SELECT 1 AS id`)
    const look = async (from: Parameters<typeof lookAtVersions>[2]) => {
      const found = await lookAtVersions(tables, table, from)
      const { position, positionAt = null } = found
      return { found, next: { after: position, since: 0, highest: position, highestAt: positionAt } }
    }
    await make()
    const first = await look({ after: -1, since: 0 })
    expect(first.found.versions).not.toEqual([])
    await place.trino.rows(`DROP TABLE ${table}`)
    await make()
    const second = await look(first.next)
    expect(second.found.position).toBe(first.found.position)
    expect(second.found.versions.map(({ version }) => version)).toEqual(
      first.found.versions.map(({ version }) => version),
    )
    expect((await look(second.next)).found).toMatchObject({ versions: [], position: first.found.position })
  })
})
