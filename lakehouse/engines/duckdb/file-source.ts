import type { WriteSource } from '../../lakehouse.js'
import { identifier, literal } from '../../sql.js'

type Files = Extract<WriteSource, { kind: 'files' }>

/** The column that carries a row's file until `_source` is made of it; no file can have a column of this name. */
const FILE = 'sluice file'

/** A SELECT of the rows of files, with the columns that say where they came from. */
export function filesSelect(source: Files): string {
  const folder = literal(`${source.base}/`)
  return `SELECT * EXCLUDE (${identifier(FILE)}),
    make_timestamptz(${source.ingestedAt} * 1000) AS _ingested_at,
    CASE WHEN starts_with(${identifier(FILE)}, ${folder}) THEN substr(${identifier(FILE)}, length(${folder}) + 1)
      ELSE ${identifier(FILE)} END AS _source,
    ${literal(source.runId)} AS _run_id
  FROM ${reader(source)}`
}

function reader(source: Files): string {
  const paths = `[${source.paths.map(literal).join(', ')}]`
  const common = `${paths}, filename = ${literal(FILE)}, union_by_name = true`
  switch (source.format) {
    case 'csv':
      return `read_csv(${[common, ...csvOptions(source)].join(', ')})`
    case 'ndjson':
      return `read_json(${common}, format = 'newline_delimited')`
    case 'json':
      return `read_json(${common})`
    case 'parquet':
      return `read_parquet(${common}, hive_partitioning = false)`
  }
}

/**
 * Declared columns get their types, the others are sniffed over the whole file: a late surprise is no surprise then. The
 * dialect is never sniffed: to make a file with one ragged row fit, the sniffer takes another delimiter or leaves out the
 * rows above it, without a word.
 */
function csvOptions({ columns, options }: Files): string[] {
  const declared = Object.entries(columns ?? {}).map(([name, type]) => `${literal(name)}: ${literal(type)}`)
  const names = Object.keys(columns ?? {}).map(literal)
  const header = options.header ?? true
  return [
    'sample_size = -1',
    'hive_partitioning = false',
    `delim = ${literal(options.delimiter ?? ',')}`,
    `header = ${header}`,
    `quote = '"', escape = '"', comment = '', skip = 0, null_padding = false, strict_mode = true`,
    ...(declared.length === 0 ? [] : [`types = {${declared.join(', ')}}`]),
    ...(declared.length === 0 || header ? [] : [`names = [${names.join(', ')}]`]),
    ...(options.nullValue === undefined ? [] : [`nullstr = ${literal(options.nullValue)}`]),
  ]
}
