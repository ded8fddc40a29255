import type { Json } from '../../json.js'
import type { QueryResult } from '../../lakehouse/lakehouse.js'
import { harmless, paint } from './style.js'
import { formatTable } from './table.js'
import type { Terminal } from './terminal.js'

/** Longer cells are cut in tables; csv and json have everything. */
const CELL_WIDTH = 60
const NUMERIC = /INT|DECIMAL|DOUBLE|FLOAT|REAL|NUMERIC/i

/** A result as a table for people: numbers to the right, NULL told from the text NULL. */
export function formatRows({ columns, rows }: QueryResult, out: Terminal): string {
  return formatTable(
    columns.map(({ name, type }) => ({ title: harmless(name), align: NUMERIC.test(type) ? 'right' : 'left' })),
    rows.map((row) => columns.map(({ name }) => cell(row[name] ?? null, out.coloured))),
    out.coloured,
  )
}

/** RFC 4180: CRLF is optional there and left out here; NULL is an empty field, an empty text is `""`. */
export function formatCsv({ columns, rows }: QueryResult): string {
  const lines = rows.map((row) => columns.map(({ name }) => csvField(row[name] ?? null)).join(','))
  return [columns.map(({ name }) => csvField(name)).join(','), ...lines].join('\n')
}

function cell(value: Json, coloured: boolean): string {
  if (value === null) return paint('NULL', 'grey', coloured)
  const text = harmless(typeof value === 'string' ? value : JSON.stringify(value))
  const characters = [...text]
  return characters.length <= CELL_WIDTH ? text : `${characters.slice(0, CELL_WIDTH - 1).join('')}…`
}

function csvField(value: Json): string {
  if (value === null) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
