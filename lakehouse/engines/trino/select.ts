import { SluiceError } from '../../../errors.js'
import { isObject } from '../../../json.js'
import { qualified, type TrinoNames, type TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'
import { parseTrinoType, type TrinoType } from './types.js'

/** What a SELECT gives. */
export interface SelectColumns {
  /** the text with Trino's names, without a semicolon at the end */
  sql: string
  columns: { name: string; type: TrinoType }[]
}

/** What a SELECT reads. */
export interface SelectInputs {
  /** tables of the lakehouse */
  tables: TrinoTable[]
  /** tables of other catalogs, as Trino names them */
  foreign: string[]
}

interface ReadOptions {
  signal?: AbortSignal | undefined
  /** start of error sentences: `The SQL` */
  subject?: string
}

export interface TableRead {
  table: string
  version: number
  rows: number | null
}

/**
 * Reads a SELECT without running it: its columns and the tables it reads.
 * @throws SluiceError SQL_NOT_A_SELECT; TrinoError with the place in the author's text
 */
export async function readSelect(
  session: TrinoSession,
  names: TrinoNames,
  sql: string,
  options: ReadOptions = {},
): Promise<SelectColumns & SelectInputs> {
  const [columns, inputs] = await Promise.all([
    readColumns(session, names, sql, options),
    readInputs(session, names, sql, options),
  ])
  return { ...columns, ...inputs }
}

/** The first half of `readSelect`. */
export async function readColumns(
  session: TrinoSession,
  names: TrinoNames,
  sql: string,
  { signal, subject = 'The SQL' }: ReadOptions = {},
): Promise<SelectColumns> {
  const { sql: rewritten, place } = names.rewrite(sql)
  const text = assertSelect(rewritten, subject)
  const rows = await session.rows('DESCRIBE OUTPUT statement', { subject, signal, place, prepared: text })
  const columns = rows.map((row) => ({ name: String(row['Column Name']), type: parseTrinoType(String(row.Type)) }))
  return { sql: text, columns }
}

/** The second half of `readSelect`. */
export async function readInputs(
  session: TrinoSession,
  names: TrinoNames,
  sql: string,
  { signal, subject = 'The SQL' }: ReadOptions = {},
): Promise<SelectInputs> {
  const rewritten = names.rewrite(sql)
  const text = assertSelect(rewritten.sql, subject)
  const place = (line: number, column: number) => rewritten.place(line - 1, column)
  const rows = await session.rows(`EXPLAIN (TYPE IO, FORMAT JSON)\n${text}`, { subject, signal, place })
  return inputsOf(rows[0]?.['Query Plan'], names, subject)
}

/**
 * The versions that tables have now.
 * @returns one entry for each table, in their order
 */
export async function currentVersions(
  session: TrinoSession,
  tables: TrinoTable[],
  signal?: AbortSignal,
): Promise<TableRead[]> {
  const found = await standings(session, tables, signal)
  return tables.map((table, index) => ({ table: table.label, version: found[index]?.version ?? 0, rows: null }))
}

/** How far a table is. */
export interface Standing {
  /** the one that is read */
  version: number
  /** the highest that was ever made: more than `version` where somebody has set Iceberg's `main` back to an older snapshot */
  newest: number
}

/**
 * Each entry of Iceberg's metadata log tells the snapshot that was current at its time, so the youngest tells that of now. The
 * highest number may be that of one which `main` was set back from.
 * @returns one entry for each table, in their order
 */
export async function standings(
  session: TrinoSession,
  tables: TrinoTable[],
  signal?: AbortSignal,
): Promise<Standing[]> {
  if (tables.length === 0) return []
  const selects = tables.map((table, index) => {
    return table.format === 'iceberg'
      ? `SELECT ${index} AS place, ${ICEBERG_CURRENT} AS version, max(latest_sequence_number) AS newest FROM ${qualified(table, 'metadata_log_entries')}`
      : `SELECT ${index} AS place, max(version) AS version, max(version) AS newest FROM ${qualified(table, 'history')}`
  })
  const rows = await session.rows(selects.join(' UNION ALL '), { signal, subject: 'Looking up table versions' })
  const found = new Map(rows.map((row) => [Number(row.place), row]))
  return tables.map((_, index) => {
    const { version, newest } = found.get(index) ?? {}
    return { version: Number(version ?? 0), newest: Number(newest ?? 0) }
  })
}

/** Among Iceberg's `$metadata_log_entries`: the number of the snapshot that is read now. */
export const ICEBERG_CURRENT = `max_by(latest_sequence_number, "timestamp")`

function inputsOf(plan: unknown, names: TrinoNames, subject: string): SelectInputs {
  const parsed: unknown = JSON.parse(String(plan))
  const found = new Map<string, TrinoTable>()
  const foreign = new Set<string>()
  const { inputTableColumnInfos: inputs = [], outputTable } = (parsed ?? {}) as {
    inputTableColumnInfos?: { table: { catalog: string; schemaTable: { schema: string; table: string } } }[]
    outputTable?: unknown
  }
  if (isObject(outputTable as never)) throw notASelect(subject, 'writes a table')
  for (const { table } of inputs) {
    const { schema, table: name } = table.schemaTable
    const known = names.known(table.catalog, schema, name)
    if (known !== null && schema !== 'information_schema') found.set(known.label, known)
    else foreign.add(`${table.catalog}.${schema}.${name}`)
  }
  return { tables: [...found.values()], foreign: [...foreign] }
}

/** What may come before the first word of a statement. */
const LEADING = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()*/
const TRAILING = /[\s;]+$/

/** Trino's grammar lets a query begin with these words only, and lets nothing that changes data stand inside one. */
const QUERY_WORDS = new Set(['select', 'with', 'values', 'table'])

/** It asks about tables instead of reading them. */
export function isShow(sql: string): boolean {
  return /^(show|describe|desc)\b/i.test(sql.replace(LEADING, ''))
}

/**
 * Refuses statements that are known not to be queries; whatever else is wrong is left for Trino to tell.
 * @returns the text without a semicolon at the end
 * @throws SluiceError SQL_NOT_A_SELECT
 */
export function assertSelect(sql: string, subject = 'The SQL'): string {
  const text = sql.replace(TRAILING, '')
  const start = text.replace(LEADING, '')
  const word = /^[A-Za-z]+/.exec(start)?.[0].toLowerCase() ?? ''
  if (start === '') throw notASelect(subject, 'is empty')
  // what is no word at all is a slip, and Trino says best where
  if (word !== '' && !QUERY_WORDS.has(word) && STATEMENT_WORDS.has(word)) {
    throw notASelect(subject, `is ${word.toUpperCase()}, not a SELECT`)
  }
  return text
}

const STATEMENT_WORDS = new Set(
  'alter analyze call comment commit create deallocate delete deny desc describe drop execute explain grant insert merge prepare refresh reset revoke rollback set show start truncate update use'.split(
    ' ',
  ),
)

function notASelect(subject: string, sentence: string): SluiceError {
  const message = `${subject} ${sentence}; expected exactly one SELECT.`
  return new SluiceError('SQL_NOT_A_SELECT', message, {
    retryable: false,
    hint: 'Write one SELECT; Sluice does the write. DDL and procedures go into `statement`.',
  })
}
