import { rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../errors.js'
import type { JsonObject } from '../../json.js'
import { snakeCase } from '../../lakehouse/column-names.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { ingest } from '../../operators/ingest.js'
import { failureOf, type TestContext, TestProject } from './operator-context.js'

const project = new TestProject()
let lakehouse: Lakehouse
let tables = 0

beforeAll(async () => {
  lakehouse = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
})

afterAll(async () => {
  await lakehouse.close()
  project.remove()
})

type From = Parameters<typeof ingest.run>[0]['from']

function context(): TestContext {
  return project.context({}, { lakehouse: () => Promise.resolve(lakehouse) })
}

/** Ingests into a table of its own and returns the rows. */
async function rowsOf(from: From): Promise<JsonObject[]> {
  tables += 1
  const to = `bronze.t${tables}`
  await ingest.run({ from, to }, context())
  const { rows } = await lakehouse.query(`SELECT * EXCLUDE (_ingested_at, _run_id, _source) FROM ${to} ORDER BY ALL`, {
    maxRows: 100,
  })
  return rows
}

/** Ingests what cannot be ingested: returns the error, having seen that no table was made. */
async function refusal(from: From): Promise<Error> {
  tables += 1
  const to = `bronze.t${tables}`
  const error = await failureOf(ingest.run({ from, to }, context()))
  expect(isSluiceError(error), `a coded error, not ${String(error.stack)}`).toBe(true)
  expect((await lakehouse.tables()).map(({ table }) => table)).not.toContain(to)
  return error
}

describe('columns', () => {
  const HEADER = 'Order ID,Amount (EUR),Crédit,2024,Discount %\n'

  it('are named in snake case when asked to, some of them otherwise', async () => {
    project.write('n/a.csv', `${HEADER}1,2.50,x,4,5\n`)
    const columns = { 'Amount (EUR)': 'VARCHAR' }
    const from: From = { files: 'n/a.csv', names: 'snake_case', rename: { 'Amount (EUR)': 'amount' }, columns }
    expect(await rowsOf(from)).toEqual([{ order_id: 1, amount: '2.50', credit: 'x', _2024: 4, discount: 5 }])
    const own = await lakehouse.query(`SELECT _source FROM bronze.t${tables}`, { maxRows: 1 })
    expect(own.rows).toEqual([{ _source: 'dags/n/a.csv' }])
    expect(await rowsOf({ files: 'n/a.csv', names: 'snake_case' })).toMatchObject([{ amount_eur: 2.5 }])
  })

  it('are renamed in other formats, too', async () => {
    project.write('n/b.ndjson', '{"Order ID": 1, "plain": 2}\n')
    expect(await rowsOf({ files: 'n/b.ndjson', rename: { 'Order ID': 'id' } })).toEqual([{ id: 1, plain: 2 }])
  })

  it('that no table can hold are refused with the way to name them', async () => {
    project.write('n/c.csv', `${HEADER}1,2,3,4,5\n`)
    const error = await refusal({ files: 'n/c.csv' })
    expect(error).toMatchObject({
      code: 'SCHEMA_MISMATCH',
      hint: expect.stringContaining('`names: snake_case` or `rename`'),
    })
  })

  it.each<[header: string, from: Partial<From>, message: RegExp]>([
    [
      'Order ID,x',
      { rename: { 'Oder ID': 'id' } },
      /lacks the column "Oder ID" of `rename`; did you mean "Order ID"\?/,
    ],
    ['Order ID,x', { rename: { nothing: 'id' } }, /there are "Order ID", "x"/],
    ['Order ID,order_id', { names: 'snake_case' }, /two columns that are called order_id: "Order ID" and "order_id"/],
    ['x,%', { names: 'snake_case' }, /has the column "%", which has no letter and no digit/],
  ])('%s with %j are refused', async (header, from, message) => {
    project.write('n/d.csv', `${header}\n1,2\n`)
    expect(await refusal({ files: 'n/d.csv', ...from })).toMatchObject({ code: 'SCHEMA_MISMATCH', message })
  })

  it.each([
    ['Order ID', 'order_id'],
    ['orderID', 'order_id'],
    ['HTTPStatus2xx', 'http_status2xx'],
    [' -Größe in m²- ', 'große_in_m2'],
    ['Ελληνικά', 'ελληνικά'],
    ['ガス 料金', 'ガス_料金'],
    ['__x__', 'x'],
    ['2024 Q1', '_2024_q1'],
    ['€', ''],
  ])('%j is %j in snake case', (name, expected) => {
    expect(snakeCase(name)).toBe(expected)
  })

  it('may not be given one name twice', () => {
    const from = { files: 'x.csv', rename: { a: 'same', b: 'Same' } }
    expect(ingest.problems?.({ from, to: 'a.b' }, () => false)).toMatchObject([{ path: ['from', 'rename', 'b'] }])
  })
})

describe('the formats', () => {
  it('are CSV, with types as declared or sniffed', async () => {
    project.write('f/a.csv', 'id,day,name\n1,2026-01-01,"x, ""y""\nz"\n2,,é\n')
    expect(await rowsOf({ files: 'f/a.csv' })).toEqual(
      [
        { id: '1', day: '2026-01-01', name: 'x, "y"\nz' },
        { id: '2', day: null, name: 'é' },
      ].map((row) => ({ ...row, id: expect.toSatisfy((id) => String(id) === row.id) })),
    )
    const types = `SELECT typeof(id) AS id, typeof(day) AS day, typeof(name) AS name FROM bronze.t${tables} LIMIT 1`
    expect((await lakehouse.query(types, { maxRows: 1 })).rows).toEqual([
      { id: 'BIGINT', day: 'DATE', name: 'VARCHAR' },
    ])
    expect(
      await rowsOf({ files: 'f/a.csv', columns: { id: 'VARCHAR', day: 'VARCHAR', name: 'VARCHAR' } }),
    ).toMatchObject([
      { id: '1', day: '2026-01-01' },
      { id: '2', day: null },
    ])
  })

  it('are CSV with a byte order mark, another delimiter, another NULL, no header, compressed', async () => {
    project.write('f/b.csv.gz', gzipSync('\ufeffa;b\n1;NA\nNA;2\n'))
    expect(
      await rowsOf({ files: 'f/b.csv.gz', delimiter: ';', null_value: 'NA', columns: { a: 'INTEGER', b: 'INTEGER' } }),
    ).toEqual([
      { a: 1, b: null },
      { a: null, b: 2 },
    ])
    project.write('f/c.tsv', 'x\t1\ny\t2\n')
    expect(await rowsOf({ files: 'f/c.tsv', header: false, columns: { name: 'VARCHAR', n: 'INTEGER' } })).toEqual([
      { name: 'x', n: 1 },
      { name: 'y', n: 2 },
    ])
  })

  it('are NDJSON, JSON and Parquet', async () => {
    const rows = [
      { id: 1, name: 'x' },
      { id: 2, name: 'y' },
    ]
    project.write('f/d.ndjson', rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    project.write('f/d.json', JSON.stringify(rows))
    const columnData = [
      { name: 'id', data: [1, 2], type: 'INT32' as const },
      { name: 'name', data: ['x', 'y'], type: 'STRING' as const },
    ]
    project.write('f/d.parquet', new Uint8Array(parquetWriteBuffer({ columnData })))
    for (const files of ['f/d.ndjson', 'f/d.json', 'f/d.parquet']) {
      const found = await rowsOf({ files })
      expect(
        found.map(({ id, name }) => ({ id: Number(id), name })),
        files,
      ).toEqual(rows)
    }
  })
})

describe('each row', () => {
  it('knows its file, its run and the instant of the write', async () => {
    project.write('many/b.csv', 'id\n2\n')
    project.write('many/a.csv', 'id\n1\n')
    const result = await ingest.run({ from: { files: 'many/*.csv' }, to: 'bronze.origin' }, context())
    expect(result.outputs).toMatchObject({ files: 2, rows_added: 2 })
    const { rows } = await lakehouse.query(
      'SELECT _source, _run_id, epoch_ms(_ingested_at) AS at FROM bronze.origin ORDER BY 1',
      { maxRows: 10 },
    )
    expect(rows.map((row) => ({ ...row, at: Number(row.at) }))).toEqual([
      { _source: 'dags/many/a.csv', _run_id: 'run-1', at: Date.UTC(2026, 0, 2, 6) },
      { _source: 'dags/many/b.csv', _run_id: 'run-1', at: Date.UTC(2026, 0, 2, 6) },
    ])
  })
})

describe('what cannot be read', () => {
  it.each<[string, string | Uint8Array, Partial<From>, RegExp]>([
    [
      'a row with too few fields',
      'id,name,day\n1,x,2026-01-01\n2,y\n3,z,2026-01-03\n',
      {},
      /^dags\/bad\/bad\.csv, line 3: 2 fields, but the first row has 3\.$/,
    ],
    [
      'a row with too many fields',
      'id,name\n1,x\n2,y,z\n',
      {},
      /^dags\/bad\/bad\.csv, line 3: 3 fields, but the first row has 2\.$/,
    ],
    [
      'a ragged row after a quoted line end',
      'id,name\r\n1,"x, ""y""\r\nz"\r\n\r\n2\r\n',
      {},
      /, line 5: 1 field, but the first row has 2\.$/,
    ],
    [
      'a value of another type',
      'id\n1\ntwo\n',
      { columns: { id: 'BIGINT' } },
      /^dags\/bad\/bad\.csv, line 3: .*column "id".*"two" to 'BIGINT'\.?$/,
    ],
    [
      'text that is not UTF-8',
      Buffer.from([...Buffer.from('id,name\n1,'), 0xe9, 0x0a]),
      {},
      /^dags\/bad\/bad\.csv, line 2: Invalid unicode/,
    ],
    [
      'a quote without an end',
      'id,name\n1,"x\n2,y\n',
      { columns: { id: 'BIGINT', name: 'VARCHAR' } },
      /^dags\/bad\/bad\.csv, line 2: a quote without an end\.$/,
    ],
    ['a type that does not exist', 'id\n1\n', { columns: { id: 'NUMBERS' } }, /NUMBERS/],
    ['other columns than declared', 'id\n1\n', { columns: { id: 'BIGINT', name: 'VARCHAR' } }, /column/i],
    ['nothing at all', '', {}, /^dags\/bad\/bad\.csv is empty \(0 bytes\)/],
  ])('is named with its place: %s', async (_, content, from, message) => {
    project.write('bad/bad.csv', content)
    expect((await refusal({ files: 'bad/bad.csv', ...from })).message).toMatch(message)
  })

  it.each<[string, string]>([
    ['bad.ndjson', '{"id":1}\n{"id":\n'],
    ['bad.json', '{"id":'],
    ['bad.parquet', 'PAR1 not at all'],
    ['bad.csv.gz', 'not gzip'],
  ])('is named: %s', async (name, content) => {
    project.write(`bad/${name}`, content)
    expect((await refusal({ files: `bad/${name}` })).message).toContain(name)
  })

  it('is found among many files, also in a compressed one', async () => {
    project.write('ragged/a.csv', 'id,name\n1,x\n')
    project.write('ragged/b.csv.gz', gzipSync('id,name\n1,x\n2\n'))
    expect((await refusal({ files: 'ragged/*' })).message).toMatch(/^dags\/ragged\/b\.csv\.gz, line 3: 1 field/)
  })

  it('is told from another delimiter', async () => {
    project.write('semicolons/a.csv', 'a;b\n1;"2\n')
    expect((await refusal({ files: 'semicolons/a.csv' })).message).toContain('a;b')
  })

  it('includes a folder without a match, which leaves no table', async () => {
    expect(await refusal({ files: 'nowhere/*.csv' })).toMatchObject({ code: 'FILES_NOT_FOUND' })
  })
})

describe('several files', () => {
  it('may lack columns that others have', async () => {
    project.write('grown/2025.csv', 'id\n1\n')
    project.write('grown/2026.csv', 'name,id\nx,2\n')
    const rows = await rowsOf({ files: 'grown/*.csv', columns: { id: 'INTEGER', name: 'VARCHAR' } })
    expect(rows).toEqual([
      { id: 1, name: null },
      { id: 2, name: 'x' },
    ])
  })

  it('may be empty in part, which is said', async () => {
    project.write('part/a.csv', '')
    project.write('part/b.csv', 'id\n1\n')
    const ctx = context()
    const result = await ingest.run({ from: { files: 'part/*.csv' }, to: 'bronze.part' }, ctx)
    expect(result.outputs).toMatchObject({ files: 1, rows_added: 1 })
    expect(ctx.lines).toContain('warn Passed over because they are empty: dags/part/a.csv')
  })

  it('do not empty a table by being empty all', async () => {
    const run = () => ingest.run({ from: { files: 'all/*.csv' }, to: 'bronze.kept' }, context())
    for (const name of ['a', 'b']) project.write(`all/${name}.csv`, 'id\n1\n')
    await run()
    for (const name of ['a', 'b']) project.write(`all/${name}.csv`, '')
    expect((await failureOf(run())).message).toMatch(/^All 2 files are empty/)
    expect((await lakehouse.query('SELECT id FROM bronze.kept', { maxRows: 5 })).rows.length).toBe(2)
  })
})

describe('a second run', () => {
  it('with append adds the rows of all files, with overwrite replaces them', async () => {
    project.write('again/a.csv', 'id\n1\n')
    const run = (mode: 'append' | 'overwrite') =>
      ingest.run({ from: { files: 'again/*.csv' }, to: 'bronze.again', mode }, context())
    const count = async () =>
      Number((await lakehouse.query('SELECT count(*) AS n FROM bronze.again', { maxRows: 1 })).rows[0]?.n)
    await run('append')
    await run('append')
    expect(await count()).toBe(2)
    await run('overwrite')
    expect(await count()).toBe(1)
  })

  it('is not hindered by a file that has gone', async () => {
    project.write('gone/a.csv', 'id\n1\n')
    project.write('gone/b.csv', 'id\n2\n')
    await ingest.run({ from: { files: 'gone/*.csv' }, to: 'bronze.gone' }, context())
    rmSync(`${project.dags}/gone/a.csv`)
    const result = await ingest.run({ from: { files: 'gone/*.csv' }, to: 'bronze.gone' }, context())
    expect(result.outputs).toMatchObject({ files: 1 })
  })
})
