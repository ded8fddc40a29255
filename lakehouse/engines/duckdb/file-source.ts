import { columnNames } from '../../column-names.js'
import type { WriteSource } from '../../lakehouse.js'
import { identifier, literal } from '../../sql.js'

type Files = Extract<WriteSource, { kind: 'files' }>

/** The columns that carry a row's file until `_source` is made of it; no file can have columns of these names. */
const FILE = 'sluice file'
const ORIGIN = 'sluice origin'

/** A SELECT of the rows of files, with the columns that say where they came from. */
export function filesSelect(source: Files): string {
  const list = (texts: string[]) => `[${texts.map(literal).join(', ')}]`
  return `SELECT files.* EXCLUDE (${identifier(FILE)})${casts(source)},
    make_timestamptz(${source.ingestedAt} * 1000) AS _ingested_at,
    ${identifier(ORIGIN)} AS _source,
    ${literal(source.runId)} AS _run_id
  FROM ${reader(source)} AS files
  JOIN (SELECT unnest(${list(source.paths)}) AS ${identifier(FILE)}, unnest(${list(source.origins)}) AS ${identifier(ORIGIN)})
  USING (${identifier(FILE)})`
}

const OWN_COLUMNS = ['_ingested_at', '_source', '_run_id']

/**
 * The same rows with the columns of the files under the names they have in the table.
 * @param columns of `select`, as the engine tells them
 * @throws SluiceError SCHEMA_MISMATCH, see `columnNames`
 */
export function renamed<Column extends { name: string }>(
  table: string,
  select: string,
  columns: Column[],
  { naming }: Files,
): { select: string; columns: Column[] } {
  if (naming === undefined) return { select, columns }
  const own = columns.slice(-OWN_COLUMNS.length)
  const read = columns.slice(0, -OWN_COLUMNS.length)
  const names = columnNames(
    table,
    read.map(({ name }) => name),
    naming,
  )
  const named = read.map((column, place) => ({ ...column, name: names[place] ?? column.name }))
  const expressions = read.map(({ name }, place) => `${identifier(name)} AS ${identifier(names[place] ?? name)}`)
  return {
    select: `SELECT ${[...expressions, ...own.map(({ name }) => identifier(name))].join(', ')} FROM (${select})`,
    columns: [...named, ...own],
  }
}

/** A Parquet file says itself which types it has, unless another is wanted. */
function casts({ format, columns }: Files): string {
  if (format !== 'parquet' || columns === null || Object.keys(columns).length === 0) return ''
  const replaced = Object.entries(columns).map(([name, type]) => {
    return `CAST(${identifier(name)} AS ${type}) AS ${identifier(name)}`
  })
  return ` REPLACE (${replaced.join(', ')})`
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
