import { describe, expect, it } from 'vitest'
import { formatCsv, formatRows } from '../../cli/output/rows.js'
import type { Terminal } from '../../cli/output/terminal.js'
import type { QueryResult } from '../../lakehouse/lakehouse.js'

const plain: Terminal = {
  print: () => {},
  complain: () => {},
  coloured: false,
  errorsColoured: false,
  live: false,
  width: 80,
}

const result: QueryResult = {
  columns: [
    { name: 'name', type: 'VARCHAR' },
    { name: 'amount', type: 'DECIMAL(38,0)' },
    { name: 'tags', type: 'VARCHAR[]' },
  ],
  rows: [
    { name: 'plain', amount: '12345678901234567890123456789012345678', tags: ['a', 'b'] },
    { name: 'say "hi", you', amount: '-1', tags: [] },
    { name: 'two\nlines\u001b[2J', amount: null, tags: null },
    { name: '', amount: 7, tags: null },
  ],
  truncated: false,
  reads: [],
}

describe('rows', () => {
  it('as a table lose no digits, show NULL and cannot steer the terminal', () => {
    expect(formatRows(result, plain).split('\n')).toEqual([
      'name                                                 amount  tags',
      'plain                12345678901234567890123456789012345678  ["a","b"]',
      'say "hi", you                                            -1  []',
      'two\\x0alines\\x1b[2J                                    NULL  NULL',
      '                                                          7  NULL',
    ])
  })

  it('as csv quote what needs it, and tell NULL from an empty text', () => {
    expect(formatCsv(result)).toBe(
      [
        'name,amount,tags',
        'plain,12345678901234567890123456789012345678,"[""a"",""b""]"',
        '"say ""hi"", you",-1,[]',
        '"two\nlines\u001b[2J",,',
        '"",7,',
      ].join('\n'),
    )
  })

  it('cut a long cell in the table only', () => {
    const long = { ...result, rows: [{ name: 'é'.repeat(200), amount: 1, tags: null }] }
    expect(formatRows(long, plain)).toContain(`${'é'.repeat(59)}…`)
    expect(formatCsv(long)).toContain('é'.repeat(200))
  })
})
