import { describe, expect, it } from 'vitest'
import { jsonValue } from '../../lakehouse/engines/trino/json-values.js'
import { TrinoNames } from '../../lakehouse/engines/trino/names.js'
import { parseLossless, parsePage } from '../../lakehouse/engines/trino/protocol.js'
import { parseCreateTable } from '../../lakehouse/engines/trino/target.js'
import { deltaType, parseTrinoType } from '../../lakehouse/engines/trino/types.js'
import { typeName } from '../../lakehouse/tables/schema.js'

describe('what Trino answers', () => {
  it.each([
    ['[9007199254740993, -9007199254740993, 7]', ['9007199254740993', '-9007199254740993', 7]],
    [
      '[0.9900990099009901, 1.5e-300, 12345678901234567.5]',
      [Number('0.9900990099009901'), 1.5e-300, Number('12345678901234568')],
    ],
    ['{"a \\"9007199254740993\\"": "9007199254740993"}', { 'a "9007199254740993"': '9007199254740993' }],
  ])('is read without loss: %s', (text, value) => {
    expect(parseLossless(text)).toEqual(value)
  })

  it.each([
    ['decimal(10, 2)', '1.50', 1.5],
    ['decimal(38, 2)', '123456789012345678.90', '123456789012345678.90'],
    ['timestamp(6)', '2026-01-01 10:00:00.120000', '2026-01-01T10:00:00.12'],
    ['timestamp(3) with time zone', '2026-07-01 12:00:00.000 Europe/Paris', '2026-07-01T10:00:00Z'],
    ['timestamp(3) with time zone', '2026-01-01 00:30:00.500 +05:30', '2025-12-31T19:00:00.5Z'],
    ['row(a integer, "b c" timestamp(0))', [1, '2026-01-01 00:00:00'], { a: 1, 'b c': '2026-01-01T00:00:00' }],
    ['map(varchar, decimal(3, 1))', { x: '1.0' }, { x: 1 }],
  ])('%s is written as on DuckDB', (type, value, written) => {
    expect(jsonValue(value, parseTrinoType(type))).toEqual(written)
  })

  it('has types of tables', () => {
    const named = (text: string) => {
      const type = deltaType(parseTrinoType(text))
      return type === null ? null : typeName(type)
    }
    expect(named('array(row(id bigint, at timestamp(6) with time zone))')).toBe(
      'array<struct<id: long, at: timestamp>>',
    )
    expect(named('map(varchar(3), decimal(5, 2))')).toBe('map<string, decimal(5,2)>')
    expect(named('row(varchar, integer)')).toBeNull()
    expect(named('interval day to second')).toBeNull()
  })
})

describe('a failure', () => {
  it('tells what it came from, nearest first', () => {
    const conflict = {
      type: 'io.trino.plugin.deltalake.transactionlog.writer.TransactionConflictException',
      cause: null,
    }
    const failureInfo = {
      type: 'io.trino.spi.TrinoException',
      cause: { type: 'dev.failsafe.Outer$Inner', cause: conflict },
    }
    const error = { message: 'no', errorName: 'DELTA_LAKE_BAD_WRITE', errorType: 'EXTERNAL' }
    const causes = (failure: object) => parsePage(JSON.stringify({ id: 'x', error: failure })).error?.causes
    expect(causes({ ...error, failureInfo })).toEqual(['Inner', 'TransactionConflictException'])
    expect(causes(error)).toEqual([])
  })
})

describe('names of catalogs', () => {
  const names = new TrinoNames({ lake: { format: 'iceberg', location: 's3://b/w', trino: 'ice' } })

  it('are put in where a name has three parts, and nowhere else', () => {
    const sql = `SELECT 'lake.a.b' AS lake, lake.x FROM lake.silver.sales -- lake.a.b\nJOIN "lake" . silver.other o ON lake.x = 1.5`
    const expected = `SELECT 'lake.a.b' AS lake, lake.x FROM "ice".silver.sales -- lake.a.b\nJOIN "ice" . silver.other o ON lake.x = 1.5`
    expect(names.rewrite(sql).sql).toBe(expected)
  })

  it('do not move the places of errors', () => {
    const rewritten = names.rewrite('SELECT 1\nFROM lake.a.b, lake.c.d WHERE nope')
    const column = (rewritten.sql.split('\n')[1] ?? '').indexOf('nope') + 1
    expect(rewritten.place(2, column)).toEqual({ line: 2, column: 31 })
  })
})

describe('SHOW CREATE TABLE', () => {
  it('tells columns, partitions and properties, whatever stands in names and comments', () => {
    const found = parseCreateTable(`CREATE TABLE iceberg.silver.sales (
   id bigint NOT NULL COMMENT 'the key, never NOT NULL''s opposite',
   "we, ""ird)" varchar COMMENT 'a (b
WITH (
   c',
   at timestamp(6) with time zone,
   pair row("x y" integer, b array(decimal(10, 2))),
   left interval day to second
)
COMMENT 'made ) WITH (
   format = ''ORC'''
WITH (
   format = 'PARQUET',
   format_version = 2,
   location = 's3://lake/silver/sales, old',
   partitioning = ARRAY['day(at)','"we, ""ird)"'],
   sorted_by = ARRAY['id ASC NULLS FIRST','at DESC NULLS LAST']
)`)
    expect(found.columns.map(({ name, trinoType, field }) => [name, trinoType, field?.nullable])).toEqual([
      ['id', 'bigint', false],
      ['we, "ird)', 'varchar', true],
      ['at', 'timestamp(6) with time zone', true],
      ['pair', 'row("x y" integer, b array(decimal(10, 2)))', true],
      ['left', 'interval day to second', undefined],
    ])
    expect(found.partitioning).toEqual(['day(at)', '"we, ""ird)"'])
    expect(found.properties).toEqual([
      `format = 'PARQUET'`,
      'format_version = 2',
      `sorted_by = ARRAY['id ASC NULLS FIRST','at DESC NULLS LAST']`,
    ])
  })

  it('of a table without properties, and nothing else, is read', () => {
    expect(parseCreateTable('CREATE TABLE memory.default.t (\n   id integer\n)')).toMatchObject({
      columns: [{ name: 'id', trinoType: 'integer' }],
      partitioning: [],
      properties: [],
    })
    expect(() => parseCreateTable('CREATE VIEW a.b.c AS SELECT 1')).toThrow('not a CREATE TABLE')
  })
})
