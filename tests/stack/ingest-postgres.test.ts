import { randomInt, randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { JsonObject } from '../../json.js'
import type { ConnectionConfig } from '../../lakehouse/config.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import type { IngestSource } from '../../operators/ingest/source-schema.js'
import { ingest } from '../../operators/ingest.js'
import { eventually } from '../e2e/eventually.js'
import { failureOf, type TestContext, TestProject } from '../operators/operator-context.js'

const schema = `ingest_${randomUUID().replaceAll('-', '')}`
const project = new TestProject()
let admin: Client
let lakehouse: Lakehouse
let connections: Record<string, ConnectionConfig>

beforeAll(async () => {
  const url = new URL(process.env.PG_DSN ?? 'PG_DSN must name a PostgreSQL server')
  const northwind = {
    type: 'postgres',
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    user: url.username,
    password: url.password,
  }
  connections = { northwind, wrong: { ...northwind, password: 'wrong-secret', host: '127.0.0.1' } }
  connections.nowhere = { ...northwind, port: 9 }
  connections.bucket = { type: 's3' }
  admin = new Client({ connectionString: process.env.PG_DSN })
  await admin.connect()
  await admin.query(`create schema ${schema}; set search_path to ${schema}`)
  lakehouse = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
})
afterAll(async () => {
  await lakehouse.close()
  await admin.query(`drop schema ${schema} cascade`)
  await admin.end()
  project.remove()
})

const context = () => project.context({}, { connections, lakehouse: () => Promise.resolve(lakehouse) })
let tables = 0

async function ingested(from: IngestSource, ctx: TestContext = context()) {
  const to = `bronze.t${++tables}`
  const result = await ingest.run({ from: { connection: 'northwind', ...from }, to }, ctx)
  const { rows } = await lakehouse.query(`SELECT * EXCLUDE (_ingested_at, _run_id) FROM ${to}`, { maxRows: 1_000 })
  const types = Object.fromEntries((await lakehouse.schema(to)).map(({ name, type }) => [name, type]))
  return { rows, types, result, to }
}

describe('a table of PostgreSQL', () => {
  it('comes over with every value as it is', async () => {
    await admin.query(`create type mood as enum ('happy', 'it''s "fine"')`)
    await admin.query(`create domain amount as numeric(12,2)`)
    await admin.query(`create table "Every Type" (
      yes boolean, small smallint, whole integer, big bigint, f real, d double precision,
      price numeric(12,2), huge numeric(38,10), free numeric, dom amount, text text, fixed char(4), day date,
      wall timestamp, at timestamptz, time time, span interval, doc jsonb, raw json, bytes bytea, id uuid, m mood, net inet)`)
    await admin.query(`insert into "Every Type" values
      (true, -32768, 2147483647, 9223372036854775807, 1.1, 0.1, -1234567890.12, 1234567890123456789012345678.0123456789,
       0.3333333333, 12.50, E'é "q", \\n\\\\N', 'ab', '2026-03-29', '2026-03-29 02:30:00.123456', '2026-03-29 02:30:00.123456+02',
       '13:14:15.5', '1 mon 2 days', '{"a": [1, 2.50]}', '{"b":  1}', '\\x00ff10', 'b3a0c9c8-5b0a-4c0e-8f60-1f2e3d4c5b6a', 'it''s "fine"', '10.0.0.0/8')`)
    await admin.query('insert into "Every Type" default values')
    await admin.query(`insert into "Every Type" (text, f, d, bytes, day, at)
      values ('', 'NaN', '-Infinity', '', '0001-01-01', '1969-12-31 23:59:59.999999Z')`)
    const { rows, types, result } = await ingested({ table: `${schema}.Every Type` })
    expect(result.outputs).toMatchObject({ rows_read: 3, rows_added: 3 })
    expect(result.summary).toMatch(/^bronze\.t\d+ v0, \+3 rows from \S+\.Every Type of northwind$/)
    const source = `northwind/${schema}.Every Type`
    expect(rows[0]).toEqual({
      yes: true,
      small: -32768,
      whole: 2147483647,
      big: '9223372036854775807',
      f: expect.closeTo(1.1, 6),
      d: 0.1,
      price: -1234567890.12,
      huge: '1234567890123456789012345678.0123456789',
      free: 0.3333333333,
      dom: 12.5,
      text: 'é "q", \n\\N',
      fixed: 'ab  ',
      day: '2026-03-29',
      wall: '2026-03-29T02:30:00.123456',
      at: '2026-03-29T00:30:00.123456Z',
      time: '13:14:15.5',
      span: 'P1M2D',
      doc: '{"a": [1, 2.50]}',
      raw: '{"b":  1}',
      bytes: Buffer.from([0, 255, 16]).toString('base64'),
      id: 'b3a0c9c8-5b0a-4c0e-8f60-1f2e3d4c5b6a',
      m: 'it\'s "fine"',
      net: '10.0.0.0/8',
      _source: source,
    })
    const nothing = Object.keys(rows[0] ?? {}).map((name) => [name, name === '_source' ? source : null])
    expect(rows[1]).toEqual(Object.fromEntries(nothing))
    expect(rows[2]).toMatchObject({
      text: '',
      f: 'NaN',
      d: '-Infinity',
      bytes: '',
      day: '0001-01-01',
      at: '1969-12-31T23:59:59.999999Z',
    })
    expect(types).toMatchObject({
      small: 'short',
      whole: 'integer',
      big: 'long',
      price: 'decimal(12,2)',
      huge: 'decimal(38,10)',
      free: 'decimal(38,10)',
      dom: 'decimal(12,2)',
      day: 'date',
      wall: 'timestamp_ntz',
      at: 'timestamp',
      bytes: 'binary',
      doc: 'string',
    })
  })

  it('may have no rows, and is then a table with its columns', async () => {
    await admin.query('create table empty (id integer, name text)')
    const { rows, types } = await ingested({ table: `${schema}.empty` })
    expect(rows).toEqual([])
    expect(types).toMatchObject({ id: 'integer', name: 'string' })
  })

  it('comes over through a query, with the modes and checks of any other', async () => {
    const query = 'select n, n * 1.5 as amount from generate_series(1, 5) n'
    const to = 'bronze.merged'
    for (let again = 0; again < 2; again++) {
      await ingest.run({ from: { connection: 'northwind', query }, to, mode: 'merge', keys: ['n'] }, context())
    }
    const { rows } = await lakehouse.query(`select n, amount from ${to} order by n`, { maxRows: 10 })
    expect(rows).toEqual([1, 2, 3, 4, 5].map((n) => ({ n, amount: n * 1.5 })))
  })

  it('is read piece by piece, whatever the size of its rows', async () => {
    const query = `select n, repeat(md5(n::text), case when n <= 5000 then 1 else 320 end) as text
      from generate_series(1, 15000) n`
    const read: number[] = []
    const progress = ({ done }: JsonObject) => void read.push(Number(done))
    const to = 'bronze.large'
    await ingest.run({ from: { connection: 'northwind', query }, to }, { ...context(), progress })
    const wide = read
      .map((done, index) => done - (read[index - 1] ?? 0))
      .filter((_, index) => (read[index] ?? 0) > 8_000)
    expect(read.at(-1)).toBe(15_000)
    // 8 MB in rows of 10 kB, and what a fetch gives too much
    for (const rows of wide) expect(rows).toBeLessThan(1_850)
    const sql = `select count(*) as n, sum(n) as total, sum(length(text)) as bytes from ${to}`
    const { rows } = await lakehouse.query(sql, { maxRows: 1 })
    expect(rows).toEqual([{ n: 15_000, total: 112_507_500, bytes: 5_000 * 32 + 10_000 * 320 * 32 }])
  })

  it('is read as of one instant', async () => {
    await admin.query('create table moving as select n, 0 as round from generate_series(1, 60000) n')
    let round = 0
    const ctx = context()
    const progress = async () => {
      if (round === 0) await admin.query(`update ${schema}.moving set round = ${++round}`)
    }
    const pending: Promise<void>[] = []
    const large = 'bronze.moving'
    const from = { connection: 'northwind', table: `${schema}.moving` }
    await ingest.run({ from, to: large }, { ...ctx, progress: () => void pending.push(progress()) })
    await Promise.all(pending)
    const { rows } = await lakehouse.query(`select count(*) as n, max(round) as newest from ${large}`, { maxRows: 1 })
    expect(rows).toEqual([{ n: 60_000, newest: 0 }])
    expect(round).toBe(1)
  })
})

describe('what cannot be read is refused in a sentence', () => {
  it.each([
    ['a table that is not there', { table: 'no_such_table' }, 'SQL_FAILED', 'no_such_table'],
    ['SQL that is none', { query: 'selec 1' }, 'SQL_FAILED', 'selec'],
    ['a second statement', { query: 'select 1; drop table x' }, 'SQL_FAILED', 'multiple commands'],
    ['a statement that writes', { query: 'delete from pg_class' }, 'SQL_FAILED', 'syntax error'],
    ['a function that writes', { query: `select setval('s', 1)` }, 'SQL_FAILED', ''],
    ['an array', { query: 'select array[1, 2] as tags' }, 'SCHEMA_MISMATCH', 'tags has the type integer[]'],
    ['a range', { query: 'select int4range(1, 2) as span' }, 'SCHEMA_MISMATCH', 'span has the type int4range'],
    ['a numeric that would be rounded', { query: 'select 1/3::numeric as third' }, 'SCHEMA_MISMATCH', 'third'],
    ['two columns of one name', { query: 'select 1 as "Id", 2 as id' }, 'SCHEMA_MISMATCH', 'two columns id'],
    ['a wrong password', { connection: 'wrong', query: 'select 1' }, 'CONNECTION_DENIED', 'connection wrong'],
    ['nobody listening', { connection: 'nowhere', query: 'select 1' }, 'UNREACHABLE', 'connection nowhere'],
    ['a connection of another type', { connection: 'bucket', query: 'select 1' }, 'CONFIG_INVALID', 'of type s3'],
  ])('%s', async (_what, from, code, said) => {
    const to = `bronze.t${++tables}`
    const error = await failureOf(ingest.run({ from: { connection: 'northwind', ...from }, to }, context()))
    expect(error).toMatchObject({ code, message: expect.stringContaining(said) })
    expect(error.message).not.toContain('wrong-secret')
    expect((await lakehouse.tables()).map(({ table }) => table)).not.toContain(to)
  })

  it('a query that is cancelled ends in the database, too', async () => {
    const ctx = context()
    // it waits for a lock that only it asks for: others use the server too
    const key = randomInt(2 ** 31)
    await admin.query('select pg_advisory_lock($1)', [key])
    const from = { connection: 'northwind', query: `select pg_advisory_lock(${key})::text as nothing` }
    const running = failureOf(ingest.run({ from, to: 'bronze.never' }, ctx))
    const active = async () => {
      const sql = `select from pg_locks where locktype = 'advisory' and objid = $1 and not granted`
      return (await admin.query(sql, [key])).rows.length
    }
    await eventually(20_000, async () => ((await active()) === 1 ? true : null))
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await running).toBe(reason)
    await eventually(20_000, async () => ((await active()) === 0 ? true : null))
  })
})
