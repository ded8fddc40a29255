import { afterAll, describe, expect, it } from 'vitest'
import { TRINO_FUNCTIONS } from '../../lakehouse/engines/duckdb/trino-functions.js'
import { sourceText } from '../source-files.js'
import { PORTABLE } from '../stack/differential-queries.js'
import { Lake } from './subject.js'

const lake = new Lake()
afterAll(() => lake.remove())

/** Each with what Trino answers; the stack suite asks Trino itself. */
const ANSWERS: [string, unknown][] = [
  [`date_diff('month', DATE '2026-01-15', DATE '2026-03-14')`, 1],
  [`date_add('hour', 5, TIMESTAMP '2026-01-01 22:00:00')`, '2026-01-02T03:00:00'],
  [`date_format(TIMESTAMP '2026-01-02 13:04:05', '%H:%i:%s')`, '13:04:05'],
  [`regexp_replace('John Smith', '(\\w+) (\\w+)', '$2 $1')`, 'Smith John'],
  [`regexp_replace('a1b2', '\\d')`, 'ab'],
  [`regexp_extract('abc', '\\d')`, null],
  [`regexp_extract('k=v', '(\\w)=(\\w)', 2)`, 'v'],
  [`json_extract_scalar('{"a": {"b": 1}}', '$.a')`, null],
  [`json_extract_scalar('{"a": {"b": 1}}', '$.a.b')`, '1'],
  ["day_of_week(DATE '2026-01-04')", 7],
  ['element_at(ARRAY[1, 2, 3], -1)', 3],
  ['cardinality(sequence(1, 9, 4))', 3],
  ['array_remove(ARRAY[1, NULL, 2, 1], 1)', [null, 2]],
  ['array_remove(ARRAY[1, NULL], CAST(NULL AS INTEGER))', null],
  ['array_union(ARRAY[2, NULL, 1, 2], ARRAY[3, 1, NULL])', [2, null, 1, 3]],
  ['array_except(ARRAY[3, 1, NULL, 3, 2], ARRAY[2])', [3, 1, null]],
  ['array_max(ARRAY[1, NULL])', null],
  ['array_position(ARRAY[1, 2], 9)', 0],
  ['arrays_overlap(ARRAY[1, NULL], ARRAY[2])', null],
  ["from_base('-101', 2)", -5],
  ["element_at(split_to_map('a=1;b=2;', ';', '='), 'b')", '2'],
  [`json_size('{"l": [1, 2, 3]}', '$.l')`, 3],
  [`json_format(json_parse('{"a": [1, 2.50],  "b": null}'))`, '{"a":[1,2.5],"b":null}'],
  ["url_extract_path('https://x.org:80/a/b%20c?q=1#f')", '/a/b c'],
  ["url_extract_host('no url')", null],
  ["to_unixtime(with_timezone(TIMESTAMP '2026-03-29 02:30:00', 'Europe/Paris'))", 1774747800],
]

/** What Trino refuses. */
const REFUSED: [string, RegExp][] = [
  ["from_base('12', 2)", /Not a valid base-2 number: 12/],
  ["from_base('', 10)", /Not a valid base-10 number/],
  ["split_to_map('a=1;b=2=3', ';', '=')", /Key-value delimiter must appear exactly once/],
]

/** Forms that DuckDB has and Trino has not, which a macro of the same name must not hide. */
const OWN: [string, unknown][] = [
  [`regexp_replace('aXbX', 'x', '-', 'i')`, 'a-bX'],
  [`regexp_replace('aXbX', 'x', '-', 'gi')`, 'a-b-'],
  [`CAST(date_add(DATE '2026-01-01', INTERVAL 1 DAY) AS DATE)`, '2026-01-02'],
]

describe("Trino's functions on DuckDB", () => {
  it.each([...ANSWERS, ...OWN])('%s', async (expression, answer) => {
    expect(await lake.rows(`SELECT ${expression} AS answer`)).toEqual([[answer]])
  })

  it.each(REFUSED)('%s is refused', async (expression, said) => {
    await expect(lake.rows(`SELECT ${expression} AS answer`)).rejects.toThrow(said)
  })

  it('take a column of any name', async () => {
    const sql = 'SELECT array_remove(ARRAY[1, 2], one) AS r FROM (SELECT 2 AS one)'
    expect(await lake.rows(sql)).toEqual([[[1]]])
  })

  const guide = sourceText('docs/guides/portable-sql.md')
  const table = /\| for \| functions \|\n(.*?)\n\n/s.exec(guide)?.[1] ?? ''
  const listed = [...table.matchAll(/`([a-z_0-9]+)/g)].map(([, name]) => name ?? '')

  it('are all asked of Trino too, as far as the guide lists them', () => {
    expect(listed.length).toBeGreaterThan(60)
    const queries = Object.values(PORTABLE).flat().join('\n')
    expect(listed.filter((name) => !new RegExp(`\\b${name}\\(`).test(queries))).toEqual([])
  })

  it('are all in the guide', () => {
    const made = [...TRINO_FUNCTIONS.matchAll(/^CREATE MACRO ([a-z_0-9]+)/gm)].map(([, name]) => name ?? '')
    expect(made.length).toBeGreaterThan(60)
    expect(made.filter((name) => !name.startsWith('sluice_') && !listed.includes(name))).toEqual([])
  })
})
