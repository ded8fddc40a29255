import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DuckdbSession } from '../../../lakehouse/engines/duckdb/session.js'
import { transformed } from '../../../lakehouse/engines/duckdb/transforms.js'
import { columnType } from '../../../lakehouse/engines/duckdb/types.js'
import { transformOf } from '../../../lakehouse/tables/iceberg/partitions.js'
import { storedType } from '../../../lakehouse/tables/iceberg/schema.js'
import type { TableField } from '../../../lakehouse/tables/schema.js'

let session: DuckdbSession
beforeAll(async () => {
  const connection = { type: 'duckdb' as const, memory_limit: '256MB', threads: 2 }
  session = await DuckdbSession.open({ connection, catalogs: ['lake'], folders: [], files: [], spill: tmpdir() })
})
afterAll(() => session.close())

/** A transform of a value as the engine works it out when it writes. */
async function madeOf(transform: (column: string) => string, value: string): Promise<unknown> {
  const [column] = await session.columns(`SELECT ${value} AS v`)
  const type = column === undefined ? null : columnType(column.type)
  if (type === null) throw new Error(`${value} is of no type`)
  const fields: TableField[] = [{ name: 'v', type: storedType(type), nullable: true, id: 1, metadata: {} }]
  const label = transform('v')
  const sql = transformed(transformOf(label, fields, 'silver.t'), storedType(type), session)
  const [row] = await session.rows(`SELECT ${sql} AS made FROM (SELECT ${value} AS v)`)
  return row?.made
}

const HASH_BITS = 0x7fffffff

describe('bucket', () => {
  // the test values of the specification, Appendix B
  it.each([
    ['int', '34::INTEGER', 2017239379],
    ['long', '34::BIGINT', 2017239379],
    ['decimal', '14.20::DECIMAL(9, 2)', -500754589],
    ['date', `DATE '2017-11-16'`, -653330422],
    ['time', `TIME '22:31:08'`, -662762989],
    ['timestamp', `TIMESTAMP '2017-11-16 22:31:08'`, -2047944441],
    ['a microsecond more', `TIMESTAMP '2017-11-16 22:31:08.000001'`, -1207196810],
    ['timestamptz', `TIMESTAMPTZ '2017-11-16 14:31:08-08:00'`, -2047944441],
    ['string', `'iceberg'`, 1210000089],
    ['uuid', `'f79c3e09-677c-4bbd-a479-3f349cb785e7'::UUID`, 1488055340],
  ])('hashes %s as the specification does', async (_, value, hash) => {
    expect(await madeOf((column) => `bucket(2147483648, ${column})`, value)).toBe(hash & HASH_BITS)
    expect(await madeOf((column) => `bucket(16, ${column})`, value)).toBe((hash & HASH_BITS) % 16)
  })

  it('hashes negative numbers, texts of any length and characters, and keeps NULL', async () => {
    const bucket = (value: string) => madeOf((column) => `bucket(2147483648, ${column})`, value)
    expect(await bucket('0::INTEGER')).toBe(1669671676)
    expect(await bucket('1::BIGINT')).toBe(1392991556)
    expect(await bucket('-1::INTEGER')).toBe(await bucket('-1::BIGINT'))
    expect(await bucket('NULL::BIGINT')).toBeNull()
    for (const text of ['', 'a', 'ab', 'abc', 'é漢😀', 'x'.repeat(10_000)]) {
      expect(await bucket(`'${text}'`)).toBeGreaterThanOrEqual(0)
    }
    const rows = await session.rows(
      `SELECT count(DISTINCT b)::INTEGER AS n, count(b)::INTEGER AS known, count(*)::INTEGER AS n_all FROM (
         SELECT ${transformed(
           transformOf(
             'bucket(7, id)',
             [{ name: 'id', type: 'long', nullable: true, id: 1, metadata: {} }],
             'silver.t',
           ),
           'long',
           session,
         )} AS b FROM (SELECT CASE WHEN range % 10 <> 0 THEN range END AS id FROM range(100_000)))`,
    )
    expect(rows).toEqual([{ n: 7, known: 90_000, n_all: 100_000 }])
  })

  it('is refused for what has no hash', () => {
    expect(() =>
      transformOf('bucket(4, b)', [{ name: 'b', type: 'binary', nullable: true, id: 1, metadata: {} }], 'silver.t'),
    ).toThrow('bucket(4, b), which Sluice reads but does not write')
  })
})

describe('other transforms', () => {
  it.each([
    ['year', `TIMESTAMP '1969-12-31 23:59:59'`, -1],
    ['month', `DATE '1969-12-31'`, -1],
    ['month', `DATE '2026-03-01'`, 56 * 12 + 2],
    ['day', `TIMESTAMPTZ '1970-01-02 00:30:00+01'`, 0],
    ['hour', `TIMESTAMP '1969-12-31 23:59:59.999999'`, -1],
    ['hour', `TIMESTAMPTZ '2026-01-01 00:59:59Z'`, 490896],
  ])('%s of %s', async (transform, value, expected) => {
    expect(await madeOf((column) => `${transform}(${column})`, value)).toBe(expected)
  })

  // the examples of the specification, "Truncate Transform Details"
  it.each([
    ['10', '1::INTEGER', 0],
    ['10', '-1::INTEGER', -10],
    ['10', '-1::BIGINT', -10n],
    ['3', `'iceberg'`, 'ice'],
    ['3', `'é漢😀x'`, 'é漢😀'],
  ])('truncate to %s of %s', async (width, value, expected) => {
    expect(await madeOf((column) => `truncate(${width}, ${column})`, value)).toEqual(expected)
  })

  it('truncates decimals by their unscaled value', async () => {
    expect(String(await madeOf((column) => `truncate(50, ${column})`, '10.65::DECIMAL(9, 2)'))).toBe('10.50')
    expect(String(await madeOf((column) => `truncate(50, ${column})`, '-0.05::DECIMAL(9, 2)'))).toBe('-0.50')
  })
})
