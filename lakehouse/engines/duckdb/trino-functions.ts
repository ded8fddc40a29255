/** Trino replaces every match and writes groups as `$1`. DuckDB wants its options as constants, so each set of them is spelled out. */
const replaced = (options: string): string => `system.main.regexp_replace(value, pattern, replacement, '${options}')`
const REGEXP_REPLACE = `regexp_replace(value, pattern) AS system.main.regexp_replace(value, pattern, '', 'g'),
  (value, pattern, replacement) AS system.main.regexp_replace(value, pattern, system.main.regexp_replace(replacement, '\\$(\\d)', '\\\\\\1', 'g'), 'g'),
  (value, pattern, replacement, options) AS CASE
    WHEN options LIKE '%g%' AND options LIKE '%i%' THEN ${replaced('gi')}
    WHEN options LIKE '%g%' THEN ${replaced('g')} WHEN options LIKE '%i%' THEN ${replaced('i')} ELSE ${replaced('')} END`

/**
 * Functions that Trino has and DuckDB lacks, or means otherwise, as macros: a query that keeps to docs/guides/portable-sql.md
 * gives the same result on both engines. A macro of a name that DuckDB has comes before it, so each keeps every form that
 * DuckDB takes; `system.main` is DuckDB's own.
 */
const MACROS = [
  // dates and times
  `date_diff(unit, a, b) AS date_sub(unit, a, b)`,
  `date_add(value, span) AS value + span, (unit, n, value) AS value + n * CAST('1 ' || unit AS INTERVAL)`,
  `date_format(value, format) AS strftime(value, sluice_format(format))`,
  `from_unixtime(seconds) AS to_timestamp(seconds)`,
  `to_unixtime(value) AS CAST(epoch(value) AS DOUBLE)`,
  `at_timezone(value, zone) AS CAST(value AS TIMESTAMPTZ)`,
  `from_iso8601_date(value) AS CAST(value AS DATE)`,
  `from_iso8601_timestamp(value) AS CAST(value AS TIMESTAMPTZ)`,
  `day_of_month(value) AS day(value)`,
  `day_of_week(value) AS isodow(value)`,
  `dow(value) AS isodow(value)`,
  `day_of_year(value) AS dayofyear(value)`,
  `doy(value) AS dayofyear(value)`,
  `week_of_year(value) AS week(value)`,
  `year_of_week(value) AS isoyear(value)`,
  `yow(value) AS isoyear(value)`,
  `last_day_of_month(value) AS last_day(value)`,
  // text
  `regexp_like(value, pattern) AS regexp_matches(value, pattern)`,
  `regexp_extract(value, pattern) AS CASE WHEN regexp_matches(value, pattern) THEN system.main.regexp_extract(value, pattern) END, (value, pattern, part) AS CASE WHEN regexp_matches(value, pattern) THEN system.main.regexp_extract(value, pattern, part) END`,
  REGEXP_REPLACE,
  `regexp_count(value, pattern) AS CAST(len(regexp_extract_all(value, pattern)) AS BIGINT)`,
  `regexp_split(value, pattern) AS string_split_regex(value, pattern)`,
  `codepoint(value) AS unicode(value)`,
  `levenshtein_distance(a, b) AS levenshtein(a, b)`,
  `hamming_distance(a, b) AS hamming(a, b)`,
  `to_utf8(value) AS encode(value)`,
  `from_utf8(value) AS decode(value)`,
  `to_hex(value) AS hex(value)`,
  `from_hex(value) AS unhex(value)`,
  // JSON
  `json_extract_scalar(value, path) AS CASE WHEN json_type(value, path) NOT IN ('ARRAY', 'OBJECT') THEN json_extract_string(value, path) END`,
  `json_parse(value) AS CAST(value AS JSON)`,
  `json_format(value) AS CAST(value AS VARCHAR)`,
  // arrays and maps
  `sequence(first, last) AS generate_series(first, last), (first, last, step) AS generate_series(first, last, step)`,
  `element_at(value, place) AS value[place]`,
  `cardinality(value) AS len(value)`,
  `array_join(value, delimiter) AS array_to_string(value, delimiter)`,
  `array_max(value) AS list_max(value)`,
  `array_min(value) AS list_min(value)`,
  `array_sum(value) AS list_sum(value)`,
  `array_remove(value, item) AS list_filter(value, lambda one: one != item)`,
  `array_union(a, b) AS list_distinct(list_concat(a, b))`,
  `array_except(a, b) AS list_distinct(list_filter(a, lambda one: NOT list_contains(b, one)))`,
  `arrays_overlap(a, b) AS list_has_any(a, b)`,
  `slice(value, first, length_) AS list_slice(value, first, first + length_ - 1)`,
  // numbers
  `is_nan(value) AS isnan(value)`,
  `is_infinite(value) AS isinf(value)`,
  `is_finite(value) AS isfinite(value)`,
  `nan() AS CAST('NaN' AS DOUBLE)`,
  `infinity() AS CAST('Infinity' AS DOUBLE)`,
  `truncate(value) AS trunc(value)`,
  `e() AS exp(1.0)`,
  `bitwise_and(a, b) AS a & b`,
  `bitwise_or(a, b) AS a | b`,
  `bitwise_xor(a, b) AS xor(a, b)`,
  `bitwise_not(a) AS ~a`,
  // aggregates
  `approx_distinct(value) AS approx_count_distinct(value)`,
  `approx_percentile(value, share) AS approx_quantile(value, share)`,
  `every(value) AS bool_and(value)`,
  `map_agg(key, value) AS map(list(key), list(value))`,
]

/** MySQL's format letters, which Trino takes, as those of DuckDB. */
const FORMAT = [
  ['%M', '%B'],
  ['%i', '%M'],
  ['%s', '%S'],
  ['%W', '%A'],
  ['%T', '%H:%M:%S'],
  ['%h', '%I'],
  ['%e', '%-d'],
  ['%c', '%-m'],
  ['%k', '%-H'],
].reduce((text, [from, to]) => `replace(${text}, '${from}', '${to}')`, 'format')

/** One text with all statements. */
export const TRINO_FUNCTIONS = [`sluice_format(format) AS ${FORMAT}`, ...MACROS]
  .map((macro) => `CREATE MACRO ${macro};`)
  .join('\n')
