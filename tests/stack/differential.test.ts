import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../errors.js'
import type { Json } from '../../json.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from '../lakehouse/subject.js'
import { sourceText } from '../source-files.js'
import { DIFFERENCES } from './differential-differences.js'
import { EDGES } from './differential-edges.js'
import { PORTABLE } from './differential-queries.js'
import { TrinoPlace } from './trino-place.js'

const SALES = `SELECT * FROM (VALUES
  (1, 3, CAST(10.50 AS DECIMAL(10, 2)), TIMESTAMP '2026-01-01 08:30:15.250', DATE '2026-01-01', true, 'apple', 1, '{"color": "red", "size": {"w": 3}}', 'new;sale'),
  (2, 1, CAST(0.99 AS DECIMAL(10, 2)), TIMESTAMP '2026-01-15 23:59:59', DATE '2026-01-15', false, NULL, 1, '{"color": "green"}', 'new'),
  (3, 7, CAST(100.00 AS DECIMAL(10, 2)), TIMESTAMP '2026-02-01 00:00:00', DATE '2026-02-01', true, 'pear', 2, '{}', 'old;sale'),
  (4, 2, CAST(5.25 AS DECIMAL(10, 2)), TIMESTAMP '2026-02-28 12:00:00', DATE '2026-02-28', NULL, 'Äpfel', 3, NULL, NULL),
  (5, 2, CAST(7.00 AS DECIMAL(10, 2)), TIMESTAMP '2026-03-01 06:07:08', DATE '2026-03-01', true, 'banana', 9, '{"color": null}', 'x'))
  v(id, amount, price, sold_at, day, ok, note, country_id, extra, tags)`
const COUNTRIES = `SELECT * FROM (VALUES (1, 'France'), (2, 'Peru'), (3, 'Fiji'), (4, 'Chad')) v(country_id, country)`

const place = new TrinoPlace('delta')
let trino: Lakehouse
let duckdb: Lakehouse

beforeAll(async () => {
  const config = place.config
  const embedded = { type: 'duckdb', memory_limit: '512MB' }
  duckdb = await openLakehouse({ ...config, connections: { ...config.connections, embedded } }, 'embedded')
  trino = await place.house()
  // Written by the one engine, and found by the other.
  for (const [table, sql] of [
    ['sales', SALES],
    ['countries', COUNTRIES],
  ] as const) {
    await duckdb.write(writeRequest(place.table(table), { kind: 'select', sql }, { token: table }))
  }
})
afterAll(async () => {
  await duckdb?.close()
  await place.remove()
})

/** Numbers that differ in the last of fifteen digits are the same, whatever type they have. */
function comparable(value: Json): Json {
  if (typeof value === 'number') return Number(value.toPrecision(13))
  if (Array.isArray(value)) return value.map(comparable)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comparable(inner)]))
}

async function answer(lakehouse: Lakehouse, sql: string): Promise<Record<string, Json>[]> {
  const { rows } = await lakehouse.query(sql, { maxRows: 1_000 })
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, comparable(value)])))
}

/** A row of the guide that is of tables and not of expressions. */
const OF_TABLES = 'microseconds of `TIMESTAMP WITH TIME ZONE` in Delta'
/** So many expressions in one query. */
const BATCH = 40

/** What an engine says to an expression: its value, or nothing where it refuses the query. */
async function said(lakehouse: Lakehouse, expression: string): Promise<{ value: Json } | null> {
  try {
    return { value: await answer(lakehouse, `SELECT ${expression} AS x`) }
  } catch (error) {
    if (isSluiceError(error, 'SQL_FAILED')) return null
    throw error
  }
}

describe('both engines give the same result', () => {
  it('for a hundred queries and more', () => {
    expect(Object.values(PORTABLE).flat().length).toBeGreaterThanOrEqual(100)
  })

  for (const [kind, queries] of Object.entries(PORTABLE)) {
    it.each(queries)(`${kind}: %s`, async (query) => {
      const sql = query.replaceAll(/\bS\./g, `lake.${place.schema}.`)
      const [ours, theirs] = await Promise.all([answer(duckdb, sql), answer(trino, sql)])
      expect(ours).not.toEqual([])
      expect(ours).toEqual(theirs)
    })
  }
})

describe('both engines give the same result at the edges', () => {
  it('for a thousand expressions and more', () => {
    expect(Object.values(EDGES).flat().length).toBeGreaterThanOrEqual(1_000)
  })

  it.each(Object.entries(EDGES))('%s', async (_, expressions) => {
    for (let at = 0; at < expressions.length; at += BATCH) {
      const batch = expressions.slice(at, at + BATCH)
      const sql = `SELECT ${batch.map((expression, index) => `${expression} AS x${index}`).join(', ')}`
      const results = await Promise.all([answer(duckdb, sql), answer(trino, sql)])
      const [ours, theirs] = results.map(([row]) => batch.map((expression, index) => [expression, row?.[`x${index}`]]))
      expect(ours).toEqual(theirs)
    }
  })
})

describe('what the guide says to differ', () => {
  const guide = sourceText('docs/guides/portable-sql.md')
  const table = /\| instead of \| write \| because \|\n\|[-|]+\|\n(.*?)\n\n/s.exec(guide)?.[1] ?? ''
  const rows = table.split('\n').map((line) => {
    const [, instead = '', , because = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
    return { instead, because }
  })

  it('is all asked, and nothing else is', () => {
    const asked = rows.map(({ instead }) => instead).filter((instead) => instead !== OF_TABLES)
    expect(Object.keys(DIFFERENCES)).toEqual(asked)
  })

  it.each(Object.entries(DIFFERENCES))('%s', async (instead, expressions) => {
    const neither = rows.find((row) => row.instead === instead)?.because === 'neither engine has it'
    for (const expression of expressions) {
      const [ours, theirs] = await Promise.all([said(duckdb, expression), said(trino, expression)])
      expect(ours === null && theirs === null, expression).toBe(neither)
      if (!neither) expect(ours, expression).not.toEqual(theirs)
    }
  })
})
