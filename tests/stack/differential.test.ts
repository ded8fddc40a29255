import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../json.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from '../lakehouse/subject.js'
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

async function answer(lakehouse: Lakehouse, sql: string): Promise<Json> {
  const { rows } = await lakehouse.query(sql, { maxRows: 1_000 })
  return rows.map((row) => comparable(row))
}

describe('both engines give the same result', () => {
  it('for sixty queries and more', () => {
    expect(Object.values(PORTABLE).flat().length).toBeGreaterThanOrEqual(60)
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
