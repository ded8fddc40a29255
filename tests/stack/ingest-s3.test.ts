import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import type { IngestSource } from '../../operators/ingest/source-schema.js'
import { ingest } from '../../operators/ingest.js'
import { waitFor } from '../../operators/wait-for.js'
import { failureOf, TestProject } from '../operators/operator-context.js'
import { S3Place } from './s3-place.js'

const project = new TestProject()
let place: S3Place
let lakehouse: Lakehouse
let tables = 0
const object = (key: string) => `${place.location}/${key}`

beforeAll(async () => {
  place = new S3Place()
  lakehouse = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
  const store = place.open()
  const put = (key: string, content: string | Buffer) => store.put(key, Buffer.from(content))
  await put('landing/a.csv', 'id,name\n1,one\n')
  await put('landing/b.csv', 'id,name\n2,two\n')
  await put('landing/empty.csv', '')
  await put('landing/deep/c.csv', 'id,name\n3,three\n')
  await put('landing/.hidden.csv', 'id,name\n9,nine\n')
  await put('landing/', '')
  await put('landing/[odd] {key}, é.csv', 'id,name\n4,four\n')
  await put('lines/x.ndjson.gz', gzipSync('{"id": 5, "name": "five"}\n'))
  await put('lines/one.json', '[{"id": 6, "name": "six"}]')
  await put('broken/x.csv', 'id,name\n1,one\n2,two,too\n')
  await store.close()
})
afterAll(async () => {
  await lakehouse.close()
  await place.remove()
  project.remove()
})

const context = () =>
  project.context(
    {},
    { connections: { minio: place.connection, crm: { type: 'http' } }, lakehouse: () => Promise.resolve(lakehouse) },
  )

async function ingested(files: string | string[], set: IngestSource = {}) {
  const to = `bronze.t${++tables}`
  const from = { connection: 'minio', files, ...set }
  const ctx = context()
  const { outputs } = await ingest.run({ from, to }, ctx)
  const { rows } = await lakehouse.query(`SELECT id, name, _source FROM ${to} ORDER BY id`, { maxRows: 100 })
  return { outputs, rows: rows.map(({ id, name, _source }) => [id, name, _source]), lines: ctx.lines }
}

describe('objects of a bucket', () => {
  it('are waited for by a glob, and nothing of them is downloaded', async () => {
    const config = (file: string) => ({ file: object(file), connection: 'minio' })
    const there = await waitFor.run(config('landing/deep/*.csv'), context())
    expect(there.outputs).toMatchObject({ file: object('landing/deep/c.csv'), count: 1, bytes: 16 })
    const waits = await waitFor.run(config('later/*.csv'), context())
    expect(waits.deferred?.waitsFor).toMatchObject({ kind: 'look', condition: config('later/*.csv') })
    const look = () => waitFor.look?.(config('later/*.csv'), {}, context())
    expect(await look()).toMatchObject({ met: null })
    const store = place.open()
    await store.put('later/d.csv', Buffer.from('id\n'))
    await store.close()
    expect(await look()).toMatchObject({ met: { count: 1 } })
    const unknown = waitFor.run({ ...config('later/*.csv'), connection: 'nowhere' }, context())
    expect(await failureOf(unknown)).toMatchObject({ code: 'CONNECTION_UNKNOWN' })
  })

  it('are read by a glob, and each row says which one it came from', async () => {
    const { rows, outputs, lines } = await ingested(object('landing/*.csv'))
    expect(rows).toEqual([
      [1, 'one', object('landing/a.csv')],
      [2, 'two', object('landing/b.csv')],
      [4, 'four', object('landing/[odd] {key}, é.csv')],
    ])
    expect(outputs).toMatchObject({ files: 3, rows_added: 3 })
    expect(lines.join('\n')).toContain(`Passed over because they are empty: ${object('landing/empty.csv')}`)
  })

  it('follow the grammar of local globs', async () => {
    expect((await ingested(object('landing/**/*.csv'))).rows.map(([id]) => id)).toEqual([1, 2, 3, 4])
    expect((await ingested(object('landing/{a,b}.csv'))).rows.map(([id]) => id)).toEqual([1, 2])
    expect((await ingested(object('landing/[ab].csv'))).rows.map(([id]) => id)).toEqual([1, 2])
    const list = [object('landing/b.csv'), object('landing/?.csv')]
    expect((await ingested(list)).rows.map(([id]) => id)).toEqual([1, 2])
  })

  it('are meant literally when they exist', async () => {
    expect((await ingested(object('landing/[odd] {key}, é.csv'))).rows).toEqual([
      [4, 'four', object('landing/[odd] {key}, é.csv')],
    ])
  })

  it('may be compressed, and of any format', async () => {
    expect((await ingested(object('lines/x.*'))).rows).toEqual([[5, 'five', object('lines/x.ndjson.gz')]])
    expect((await ingested(object('lines/one.json'))).rows).toEqual([[6, 'six', object('lines/one.json')]])
    expect((await ingested(object('landing/a.csv'), { columns: { id: 'VARCHAR' } })).rows[0]?.[0]).toBe('1')
  })

  it.each([
    ['nothing', () => object('nothing/*.csv'), 'FILES_NOT_FOUND', 'No object matches'],
    ['a prefix without a glob', () => object('landing'), 'FILES_NOT_FOUND', 'No object matches'],
    ['a local path', () => 'data/x.csv', 'OPERATOR_FAILED', 'not of the form s3://bucket/key'],
    ['a bucket that is not there', () => 's3://sluice-no-such-bucket/*.csv', 'BUCKET_UNKNOWN', 'no bucket'],
    ['a file that is broken', () => object('broken/*.csv'), 'FILE_INVALID', 'broken/x.csv, line 3'],
    ['different formats', () => object('l*/*'), 'OPERATOR_FAILED', 'the files mix'],
  ])('that are %s fail the task in a sentence', async (_what, files, code, said) => {
    const to = `bronze.t${++tables}`
    const error = await failureOf(ingest.run({ from: { connection: 'minio', files: files() }, to }, context()))
    expect(error).toMatchObject({ code, message: expect.stringContaining(said) })
    expect((await lakehouse.tables()).map(({ table }) => table)).not.toContain(to)
  })

  it('need a connection of type s3', async () => {
    const files = object('landing/a.csv')
    const without = await failureOf(ingest.run({ from: { files }, to: 'bronze.x' }, context()))
    expect(without.message).toContain('which needs `connection`')
    const wrong = await failureOf(ingest.run({ from: { files, connection: 'crm' }, to: 'bronze.x' }, context()))
    expect(wrong).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('of type http') })
  })
})
