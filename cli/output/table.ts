import { onlyColoured, paint, shownWidth } from './style.js'
import type { Terminal } from './terminal.js'

export interface Column {
  title: string
  align?: 'left' | 'right'
}

const GAP = '  '

/** Columns as wide as their widest cell, titles above; cells may carry colour, and names from outside show as
 *  what they are. Numbers belong to the right. */
export function formatTable(columns: readonly Column[], written: readonly string[][], coloured: boolean): string {
  const rows = written.map((cells) => cells.map(onlyColoured))
  const widths = columns.map(({ title }, index) =>
    rows.reduce((width, row) => Math.max(width, shownWidth(row[index] ?? '')), title.length),
  )
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) => pad(cells[index] ?? '', widths[index] ?? 0, align ?? 'left'))
      .join(GAP)
      .trimEnd()
  const titles = line(columns.map(({ title }) => title))
  return [paint(titles, 'grey', coloured), ...rows.map(line)].join('\n')
}

/** Prints formatTable(), coloured as the terminal allows. */
export function printTable(columns: readonly Column[], rows: readonly string[][], out: Terminal): void {
  out.print(formatTable(columns, rows, out.coloured))
}

function pad(cell: string, width: number, align: 'left' | 'right'): string {
  const blanks = ' '.repeat(Math.max(0, width - shownWidth(cell)))
  return align === 'left' ? cell + blanks : blanks + cell
}
