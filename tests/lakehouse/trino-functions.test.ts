import { afterAll, describe, expect, it } from 'vitest'
import { TRINO_FUNCTIONS } from '../../lakehouse/engines/duckdb/trino-functions.js'
import { sourceText } from '../source-files.js'
import { EDGES } from '../stack/differential-edges.js'
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
  ["concat('a', NULL)", null],
  ["concat('a', 'b', 'c')", 'abc'],
  ['concat(ARRAY[1], ARRAY[2, NULL])', [1, 2, null]],
  ['greatest(1, CAST(NULL AS INTEGER), 3)', null],
  ["least('b', 'a')", 'a'],
  ["split_part('a-b', '-', 3)", null],
  ["split('a,b,c', ',', 2)", ['a', 'b,c']],
  ["replace('banana', 'an')", 'ba'],
  ['array_distinct(ARRAY[3, 1, NULL, 3])', [3, 1, null]],
  ['array_intersect(ARRAY[2, 1], ARRAY[1, 2, 2])', [1, 2]],
  ['array_union(ARRAY[1], CAST(NULL AS INTEGER[]))', null],
  ["array_join(ARRAY[1, NULL], ',', 'none')", '1,none'],
  ["array_join(ARRAY[CAST(NULL AS INTEGER)], ',')", ''],
  ['sequence(3, 1)', [3, 2, 1]],
  ['slice(ARRAY[1, 2, 3], -1, 2)', [3]],
  ['slice(ARRAY[1], -2, 2)', []],
  ["millisecond(TIMESTAMP '2026-01-01 00:00:01.250')", 250],
  ["date_format(TIMESTAMP '2026-01-01 15:00:01', '%l|%x-%v|%r|%i%%M')", '3|2026-01|03:00:01 PM|00%M'],
  [`json_extract_scalar('{"a b": {"c.d": 7}}', '$["a b"]["c.d"]')`, '7'],
  [`json_array_length('{"a": 1}')`, null],
  [`json_array_contains('[1, "x"]', 'x')`, true],
  ["url_encode('a b*c~')", 'a+b*c%7E'],
  ["url_decode('a%20b+c')", 'a b c'],
  ["url_extract_path('http://x.org/a+b')", '/a+b'],
  ["url_extract_parameter('http://x.org/?a=1%20b&c', 'a')", '1 b'],
  ["from_utf8(from_base64url(to_base64url(to_utf8('a?>😀x'))))", 'a?>😀x'],
  ['to_base(-255, 16)', '-ff'],
  ['width_bucket(3.0, 10, 0, 5)', 4],
  ["regexp_position('äbc', 'b|c')", 2],
]

/** What Trino refuses. */
const REFUSED: [string, RegExp][] = [
  ["from_base('12', 2)", /Not a valid base-2 number: 12/],
  ["from_base('', 10)", /Not a valid base-10 number/],
  ['width_bucket(nan(), 0, 1, 2)', /operand must not be NaN/],
  ['trim_array(ARRAY[1], 2)', /size must not exceed array cardinality 1: 2/],
  ["split_to_map('a=1;b=2=3', ';', '=')", /Key-value delimiter must appear exactly once/],
]

/** Forms that DuckDB has and Trino has not, which a macro of the same name must not hide. */
const OWN: [string, unknown][] = [
  [`regexp_replace('aXbX', 'x', '-', 'i')`, 'a-bX'],
  [`regexp_replace('aXbX', 'x', '-', 'gi')`, 'a-b-'],
  ["concat('a')", 'a'],
  ["concat('a', 1, true)", 'a1true'],
  ["split_part('a-b', '-', -1)", 'b'],
  ["replace('banana', 'an', 'o')", 'booa'],
  ['greatest(5)', 5],
  ['to_base(5, 2, 8)', '00000101'],
  [`json_array_length('{"a": [1]}', '$.a')`, 1],
  ['random() < 1', true],
  [`CAST(date_add(DATE '2026-01-01', INTERVAL 1 DAY) AS DATE)`, '2026-01-02'],
]

describe("Trino's functions on DuckDB", () => {
  it.each([...ANSWERS, ...OWN])('%s', async (expression, answer) => {
    expect(await lake.rows(`SELECT ${expression} AS answer`)).toEqual([[answer]])
  })

  it.each(REFUSED)('%s is refused', async (expression, said) => {
    await expect(lake.rows(`SELECT ${expression} AS answer`)).rejects.toThrow(said)
  })

  it('take an aggregate, a window and a group', async () => {
    const values = '(VALUES (1, 2), (3, NULL)) t(a, b)'
    expect(await lake.rows(`SELECT greatest(max(a), max(b)) FROM ${values}`)).toEqual([[3]])
    expect(await lake.rows(`SELECT greatest(a, lag(a, 1, 9) OVER (ORDER BY a)) FROM ${values}`)).toEqual([[9], [3]])
    const grouped = `SELECT concat(a, '-', b) FROM ${values} GROUP BY concat(a, '-', b) ORDER BY 1`
    expect(await lake.rows(grouped)).toEqual([['1-2'], [null]])
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
    const queries = [PORTABLE, EDGES].flatMap((asked) => Object.values(asked).flat()).join('\n')
    expect(listed.filter((name) => !new RegExp(`\\b${name}\\(`).test(queries))).toEqual([])
  })

  it('are all in the guide', () => {
    const made = [...TRINO_FUNCTIONS.matchAll(/^CREATE MACRO ([a-z_0-9]+)/gm)].map(([, name]) => name ?? '')
    expect(made.length).toBeGreaterThan(60)
    expect(made.filter((name) => !name.startsWith('sluice_') && !listed.includes(name))).toEqual([])
  })
})
