/** Trino replaces every match and writes groups as `$1`. DuckDB wants its options as constants, so each set of them is spelled out. */
const replaced = (options: string): string => `system.main.regexp_replace(value, pattern, replacement, '${options}')`
const REGEXP_REPLACE = `regexp_replace(value, pattern) AS system.main.regexp_replace(value, pattern, '', 'g'),
  (value, pattern, replacement) AS system.main.regexp_replace(value, pattern, system.main.regexp_replace(replacement, '\\$(\\d)', '\\\\\\1', 'g'), 'g'),
  (value, pattern, replacement, options) AS CASE
    WHEN options LIKE '%g%' AND options LIKE '%i%' THEN ${replaced('gi')}
    WHEN options LIKE '%g%' THEN ${replaced('g')} WHEN options LIKE '%i%' THEN ${replaced('i')} ELSE ${replaced('')} END`

/** The last entry may be empty. Parameters of lambdas are never called like a column: what a query says is put into them as it is. */
const ENTRIES = `list_filter(string_split(value, entries), lambda sluice_one, sluice_at: sluice_one != '' OR sluice_at < len(string_split(value, entries)))`
const SPLIT_TO_MAP = `split_to_map(value, entries, pairs) AS CASE
  WHEN len(list_filter(${ENTRIES}, lambda sluice_one: len(string_split(sluice_one, pairs)) != 2)) > 0
    THEN error('Key-value delimiter must appear exactly once in each entry. Bad input: ' || value)
  ELSE map(list_transform(${ENTRIES}, lambda sluice_one: split_part(sluice_one, pairs, 1)), list_transform(${ENTRIES}, lambda sluice_one: split_part(sluice_one, pairs, 2))) END`

const DIGITS = `list_transform(string_split(ltrim(lower(value), '-'), ''), lambda sluice_one: CAST(strpos('0123456789abcdefghijklmnopqrstuvwxyz', sluice_one) - 1 AS BIGINT))`
const FROM_BASE = `from_base(value, radix) AS CASE
  WHEN NOT regexp_matches(value, '^-?[0-9A-Za-z]+$') OR list_max(${DIGITS}) >= radix
    THEN error('Not a valid base-' || radix || ' number: ' || value)
  ELSE list_reduce(${DIGITS}, lambda sluice_sum, sluice_one: sluice_sum * radix + sluice_one) * CASE WHEN starts_with(value, '-') THEN -1 ELSE 1 END END`

/**
 * What RFC 2396 and Trino take for a URI, and its parts: all NULL for other texts, empty where a URI lacks one, but for the
 * port. One that goes on without a slash after its scheme (`mailto:`) has no other part than its fragment.
 */
const CHARACTER = String.raw`(?:[^\s<>"{}|\\^\x60%#]|%[0-9A-Fa-f]{2})`
const SCHEME = '[A-Za-z][A-Za-z0-9+.-]*'
const HOST = String.raw`\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*`
const AUTHORITY = `^${SCHEME}://(?:[^/?#@]*@)?`
const ofUri = (part: string): string =>
  `CASE WHEN regexp_matches(url, '^${CHARACTER}*(?:#${CHARACTER}*)?$') THEN ${part} END`
const ofPath = (part: string): string =>
  ofUri(`CASE WHEN regexp_matches(url, '^${SCHEME}:[^/]') THEN '' ELSE system.main.url_decode(${part}) END`)
const part = (pattern: string): string => `system.main.regexp_extract(url, '${pattern}', 1)`
const PORT = part(String.raw`${AUTHORITY}(?:${HOST}):(\d+)(?:[/?#]|$)`)
const URLS = [
  `url_extract_protocol(url) AS ${ofUri(part(`^(${SCHEME}):`))}`,
  `url_extract_host(url) AS ${ofUri(part(String.raw`${AUTHORITY}(${HOST})(?::\d*)?(?:[/?#]|$)`))}`,
  `url_extract_port(url) AS ${ofUri(`CAST(nullif(${PORT}, '') AS BIGINT)`)}`,
  `url_extract_path(url) AS ${ofPath(part(`^(?:${SCHEME}:)?(?://[^/?#]*)?([^?#]*)`))}`,
  `url_extract_query(url) AS ${ofPath(part('^[^#?]*[?]([^#]*)'))}`,
  `url_extract_fragment(url) AS ${ofUri(`system.main.url_decode(${part('#(.*)$')})`)}`,
]

/** Trino writes keys that are no plain words as `["a b"]`, DuckDB as `."a b"`. */
const SLUICE_PATH = `sluice_path(path) AS system.main.regexp_replace(path, '\\["([^"]*)"\\]', '."\\1"', 'g')`

/** The first parameter of the name in a URL, decoded; empty where it has no value, NULL where there is none. */
const PARAMETER = `'(?:^|&)' || regexp_escape(name) || '(?:=([^&]*))?(?:&|$)'`
const URL_PARAMETER = `url_extract_parameter(url, name) AS CASE WHEN regexp_matches(${part('^[^#?]*[?]([^#]*)')}, ${PARAMETER})
  THEN ${ofUri(`url_decode(system.main.regexp_extract(${part('^[^#?]*[?]([^#]*)')}, ${PARAMETER}, 1))`)} END`

/** A macro takes a fixed number of parameters, so each number has a form of its own; DuckDB names the macro where there are more. */
const MOST_PARAMETERS = 16
function variadic(name: string, body: (parameters: string[]) => string): string {
  const forms = Array.from({ length: MOST_PARAMETERS }, (_, index) => {
    const parameters = Array.from({ length: index + 1 }, (_, at) => `p${at + 1}`)
    return `(${parameters.join(', ')}) AS ${index === 0 ? `system.main.${name}(p1)` : body(parameters)}`
  })
  return `${name}${forms.join(', ')}`
}
/** A NULL among the values is the result. */
const ofAll = (name: string) =>
  variadic(name, (all) => {
    const known = all.map((one) => `${one} IS NOT NULL`).join(' AND ')
    return `CASE WHEN ${known} THEN system.main.${name}(${all.join(', ')}) END`
  })

/** What both arrays hold, once, in the order of the one with more items. */
const SLUICE_COMMON = `sluice_common(a, b) AS list_filter(a, lambda sluice_one, sluice_at: list_position(a, sluice_one) = sluice_at AND list_position(b, sluice_one) IS NOT NULL)`

/** A place below zero counts from the end; before the beginning there is nothing. */
const START = 'CASE WHEN first < 0 THEN len(value) + first + 1 ELSE first END'
const SLICE = `slice(value, first, size) AS CASE WHEN first < -len(value) THEN list_slice(value, 1, 0) ELSE list_slice(value, ${START}, ${START} + size - 1) END`

/** The last of the parts holds the rest. */
const SPLIT = `split(value, delimiter) AS string_split(value, delimiter),
  (value, delimiter, most) AS CASE WHEN value IS NULL THEN NULL WHEN len(string_split(value, delimiter)) <= most THEN string_split(value, delimiter)
    ELSE list_append(list_slice(string_split(value, delimiter), 1, most - 1), array_to_string(list_slice(string_split(value, delimiter), most, len(string_split(value, delimiter))), delimiter)) END`

/** Buckets are counted from 1 and hold their lower bound; what lies outside is in 0 or in the next after the last. Bounds may fall. */
const WIDTH_BUCKET = `width_bucket(value, bins) AS CASE WHEN value IS NOT NULL THEN CAST(len(list_filter(bins, lambda sluice_one: sluice_one <= value)) AS BIGINT) END,
  (value, low, high, buckets) AS CASE
    WHEN isnan(CAST(value AS DOUBLE)) THEN error('operand must not be NaN')
    WHEN low > high THEN CAST(buckets AS BIGINT) + 1 - sluice_bucket(value, high, low, buckets)
    ELSE sluice_bucket(value, low, high, buckets) END`
const SLUICE_BUCKET = `sluice_bucket(value, low, high, buckets) AS CASE WHEN value < low THEN 0 WHEN value >= high THEN CAST(buckets AS BIGINT) + 1
  ELSE CAST(floor(CAST(buckets AS DOUBLE) * (value - low) / (high - low)) AS BIGINT) + 1 END`

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
  `with_timezone(value, zone) AS timezone(zone, CAST(value AS TIMESTAMP))`,
  `millisecond(value) AS system.main.millisecond(value) % 1000`,
  `current_timezone() AS current_setting('TimeZone')`,
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
  variadic('concat', (all) => all.join(' || ')),
  `split_part(value, delimiter, place) AS CASE WHEN place <= len(string_split(value, delimiter)) THEN system.main.split_part(value, delimiter, place) END`,
  SPLIT,
  `replace(value, part) AS system.main.replace(value, part, ''), (value, part, other) AS system.main.replace(value, part, other)`,
  `regexp_position(value, pattern) AS CASE WHEN regexp_matches(value, pattern) THEN length(string_split_regex(value, pattern)[1]) + 1 WHEN value IS NOT NULL AND pattern IS NOT NULL THEN -1 END`,
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
  `from_base64(value) AS system.main.from_base64(value || system.main.repeat('=', (4 - length(value) % 4) % 4))`,
  `to_base64url(value) AS translate(to_base64(value), '+/', '-_')`,
  `from_base64url(value) AS from_base64(translate(value, '-_', '+/'))`,
  `url_encode(value) AS system.main.replace(system.main.replace(system.main.replace(system.main.url_encode(value), '%20', '+'), '%2A', '*'), '~', '%7E')`,
  `url_decode(value) AS system.main.url_decode(system.main.replace(value, '+', ' '))`,
  SPLIT_TO_MAP,
  ...URLS,
  URL_PARAMETER,
  // JSON
  `json_extract_scalar(value, path) AS CASE WHEN json_type(value, sluice_path(path)) NOT IN ('ARRAY', 'OBJECT') THEN json_extract_string(value, sluice_path(path)) END`,
  `json_parse(value) AS json(value)`,
  `json_format(value) AS CAST(json(value) AS VARCHAR)`,
  `json_array_length(value) AS CASE WHEN json_type(value) = 'ARRAY' THEN CAST(system.main.json_array_length(value) AS BIGINT) END, (value, path) AS system.main.json_array_length(value, path)`,
  `json_array_contains(value, item) AS CASE WHEN json_type(value) = 'ARRAY' AND item IS NOT NULL THEN list_contains(CAST(json_extract(value, '$[*]') AS VARCHAR[]), CAST(to_json(item) AS VARCHAR)) END`,
  `json_size(value, path) AS CASE json_type(value, path) WHEN 'ARRAY' THEN system.main.json_array_length(value, path) WHEN 'OBJECT' THEN len(json_keys(value, path)) ELSE CASE WHEN json_type(value, path) IS NOT NULL THEN 0 END END`,
  // arrays and maps
  `sequence(first, last) AS generate_series(first, last, CASE WHEN first > last THEN -1 ELSE 1 END), (first, last, step) AS generate_series(first, last, step)`,
  `element_at(value, place) AS value[place]`,
  `cardinality(value) AS len(value)`,
  `array_join(value, delimiter) AS CASE WHEN value IS NOT NULL AND delimiter IS NOT NULL THEN coalesce(array_to_string(value, delimiter), '') END, (value, delimiter, missing) AS array_to_string(list_transform(value, lambda sluice_one: coalesce(CAST(sluice_one AS VARCHAR), missing)), delimiter)`,
  `array_distinct(value) AS list_filter(value, lambda sluice_one, sluice_at: list_position(value, sluice_one) = sluice_at)`,
  `array_intersect(a, b) AS CASE WHEN len(a) >= len(b) THEN sluice_common(a, b) WHEN len(a) < len(b) THEN sluice_common(b, a) END`,
  `trim_array(value, n) AS CASE WHEN n > len(value) THEN error('size must not exceed array cardinality ' || len(value) || ': ' || n) ELSE list_slice(value, 1, len(value) - n) END`,
  `dot_product(a, b) AS list_dot_product(a, b)`,
  `euclidean_distance(a, b) AS list_distance(a, b)`,
  `cosine_similarity(a, b) AS list_cosine_similarity(a, b)`,
  // a NULL among the items is unknown to a comparison, and an item like others to a set
  `array_max(value) AS CASE WHEN list_count(value) = len(value) THEN list_max(value) END`,
  `array_min(value) AS CASE WHEN list_count(value) = len(value) THEN list_min(value) END`,
  `array_position(value, item) AS CASE WHEN value IS NOT NULL AND item IS NOT NULL THEN coalesce(list_position(value, item), 0) END`,
  `array_remove(value, item) AS CASE WHEN item IS NOT NULL THEN list_filter(value, lambda sluice_one: sluice_one IS DISTINCT FROM item) END`,
  `array_union(a, b) AS array_distinct(a || b)`,
  `array_except(a, b) AS CASE WHEN len(b) = 0 THEN a WHEN b IS NOT NULL THEN list_filter(a, lambda sluice_one, sluice_at: list_position(a, sluice_one) = sluice_at AND list_position(b, sluice_one) IS NULL) END`,
  `arrays_overlap(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN list_has_any(a, b) THEN true WHEN len(a) = 0 OR len(b) = 0 THEN false WHEN list_count(a) < len(a) OR list_count(b) < len(b) THEN NULL ELSE false END`,
  SLICE,
  // numbers
  ofAll('greatest'),
  ofAll('least'),
  `random() AS system.main.random(), (bound) AS CAST(floor(system.main.random() * bound) AS BIGINT), (low, high) AS low + CAST(floor(system.main.random() * (high - low)) AS BIGINT)`,
  `rand() AS random(), (bound) AS random(bound), (low, high) AS random(low, high)`,
  WIDTH_BUCKET,
  `to_base(value, radix) AS CASE WHEN value < 0 THEN '-' ELSE '' END || lower(system.main.to_base(abs(value), radix)), (value, radix, digits) AS system.main.to_base(value, radix, digits)`,
  `is_nan(value) AS isnan(value)`,
  `is_infinite(value) AS isinf(value)`,
  `is_finite(value) AS isfinite(value)`,
  `nan() AS CAST('NaN' AS DOUBLE)`,
  `infinity() AS CAST('Infinity' AS DOUBLE)`,
  `truncate(value) AS trunc(value), (value, places) AS trunc(value, places)`,
  `e() AS exp(1.0)`,
  `bitwise_and(a, b) AS a & b`,
  `bitwise_or(a, b) AS a | b`,
  `bitwise_xor(a, b) AS xor(a, b)`,
  `bitwise_not(a) AS ~a`,
  FROM_BASE,
  // aggregates
  `approx_distinct(value) AS approx_count_distinct(value)`,
  `approx_percentile(value, share) AS approx_quantile(value, share)`,
  `every(value) AS bool_and(value)`,
  `map_agg(key, value) AS map(list(key), list(value))`,
]

const PERCENT = '\u0001'
/** MySQL's format letters, which Trino takes, as those of DuckDB. */
const FORMAT = [
  ['%%', PERCENT],
  ['%M', '%B'],
  ['%i', '%M'],
  ['%s', '%S'],
  ['%W', '%A'],
  ['%T', '%H:%M:%S'],
  ['%r', '%I:%M:%S %p'],
  ['%h', '%I'],
  ['%l', '%-I'],
  ['%v', '%V'],
  ['%x', '%G'],
  ['%e', '%-d'],
  ['%c', '%-m'],
  ['%k', '%-H'],
  [PERCENT, '%%'],
].reduce((text, [from, to]) => `system.main.replace(${text}, '${from}', '${to}')`, 'format')

/** One text with all statements. */
export const TRINO_FUNCTIONS = [
  `sluice_format(format) AS ${FORMAT}`,
  SLUICE_COMMON,
  SLUICE_BUCKET,
  SLUICE_PATH,
  ...MACROS,
]
  .map((macro) => `CREATE MACRO ${macro};`)
  .join('\n')
