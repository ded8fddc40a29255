import { describe, expect, it } from 'vitest'
import { missedLine } from '../../cli/commands/resume.js'
import { formatProblem } from '../../cli/output/problems.js'
import { formatRun } from '../../cli/output/run-tables.js'
import { stateWord } from '../../cli/output/states.js'
import { harmless, paint, shownWidth } from '../../cli/output/style.js'
import { formatTable } from '../../cli/output/table.js'
import { type Terminal, wantsColour } from '../../cli/output/terminal.js'
import { elapsed, shortDuration, shortInstant } from '../../cli/output/time.js'
import { TASK_STATES } from '../../scheduler/core/model.js'

const plain: Terminal = {
  print: () => {},
  complain: () => {},
  coloured: false,
  errorsColoured: false,
  live: false,
  width: 60,
}

describe('tables', () => {
  it('show control characters of names, and keep our colours', () => {
    const cells = [`a\r\nBcc: x\u001b]0;t\u0007\u001b[2J`, paint('failed', 'red', true)]
    const [, line] = formatTable([{ title: 'FILE' }, { title: 'STATE' }], [cells], false).split('\n')
    expect(line).toBe('a\\x0d\\x0aBcc: x\\x1b]0;t\\x07\\x1b[2J  \u001b[31mfailed\u001b[0m')
  })

  it('align by what is seen, not by colour codes', () => {
    const columns = [{ title: 'DAG' }, { title: 'ROWS', align: 'right' }, { title: 'STATE' }] as const
    const rows = [
      ['sales', '12', paint('✔ success', 'green', true)],
      ['long_name', '1,205', 'failed'],
    ]
    const lines = formatTable(columns, rows, true)
      .split('\n')
      .map((line) => line.replace(/\u001b\[\d+m/g, ''))
    expect(lines).toEqual(['DAG         ROWS  STATE', 'sales         12  ✔ success', 'long_name  1,205  failed'])
  })

  it('carry no escape codes when plain', () => {
    expect(formatTable([{ title: 'A' }], [[stateWord('failed', false)]], false)).toBe('A\nfailed')
  })

  it('measure text without its colours', () => {
    expect(shownWidth(paint('✔ ok', 'green', true))).toBe(4)
  })
})

describe('states', () => {
  it('have a glyph and their word each', () => {
    const shown = TASK_STATES.map((state) => stateWord(state, true))
    expect(new Set(shown.map((text) => text.replace(/\u001b\[\d+m/g, '').split(' ')[0])).size).toBe(TASK_STATES.length)
    for (const [index, state] of TASK_STATES.entries()) expect(shown[index]).toContain(state)
  })
})

describe('text from outside', () => {
  it('cannot steer the terminal', () => {
    expect(harmless('a\u001b]0;title\u0007b\rc\nd')).toBe('a\\x1b]0;title\\x07b\\x0dc\\x0ad')
    expect(harmless('a\u202eb')).toBe('a\\u202eb')
    expect(harmless('a\nb\u009b2J', true)).toBe('a\nb\\x9b2J')
  })

  it('cannot steer it as the reason of a run either', () => {
    const run = { run: 'a-20260101T000000Z', state: 'cancelled', reason: 'x\u001b]0;t\u0007\u202e' } as const
    expect(formatRun(run, '3 s', plain)).toBe(
      `a-20260101T000000Z  ${stateWord('cancelled', false)}  3 s  x\\x1b]0;t\\x07\\u202e`,
    )
    expect(formatRun({ ...run, reason: '' }, '', plain)).toBe(`a-20260101T000000Z  ${stateWord('cancelled', false)}`)
    expect(harmless('tab\tstays, é too')).toBe('tab\tstays, é too')
  })
})

describe('colour', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [false, { FORCE_COLOR: '1' }, true],
    [false, { FORCE_COLOR: '0' }, false],
    [true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('on a terminal: %s, with %o: %s', (live, env, expected) => {
    expect(wantsColour(live, env)).toBe(expected)
  })
})

describe('time', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [12_340, '12.3 s'],
    [59_960, '1 m 0 s'],
    [2_472_000, '41 m 12 s'],
    [11_100_000, '3 h 5 m'],
  ])('%d ms is %s', (ms, text) => {
    expect(shortDuration(ms)).toBe(text)
  })

  it('goes on while a task lasts', () => {
    expect(elapsed('2026-01-01T00:00:00.000Z', null, Date.UTC(2026, 0, 1, 0, 0, 5))).toBe('5.0 s')
    expect(elapsed(null, null, 0)).toBe('')
  })

  it('says its zone', () => {
    expect(shortInstant('2026-03-29T01:30:15.250Z')).toBe('2026-03-29 01:30:15Z')
    expect(shortInstant(null)).toBe('-')
  })
})

describe('a problem', () => {
  const problem = {
    file: 'sales.yaml',
    line: 3,
    column: 5,
    path: 'tasks.a',
    severity: 'error',
    message: 'unknown key `nedds`',
    hint: 'did you mean `needs`?',
  } as const

  it('shows its line, a caret and what to do', () => {
    expect(formatProblem(problem, '    nedds: [b]', plain)).toBe(
      [
        'sales.yaml:3:5 error: unknown key `nedds`',
        '  3 |     nedds: [b]',
        '    |     ^',
        '  hint: did you mean `needs`?',
      ].join('\n'),
    )
  })

  it('cuts a long line around the caret', () => {
    const text = formatProblem({ ...problem, column: 5_001 }, `${'x'.repeat(5_000)}!${'y'.repeat(5_000)}`, plain)
    const [, line = '', caret = ''] = text.split('\n')
    expect(line.length).toBeLessThanOrEqual(60)
    expect(line[caret.indexOf('^')]).toBe('!')
  })

  it('shows no line where there is none to show', () => {
    expect(formatProblem({ ...problem, file: 'a\r\nb.yaml', hint: '' }, null, plain)).toContain('a\\x0d\\x0ab.yaml:3:5')
    expect(formatProblem({ ...problem, hint: '' }, null, plain)).toBe('sales.yaml:3:5 error: unknown key `nedds`')
  })
})

describe('what a pause has missed', () => {
  const [first_due, last_due] = ['2026-11-22T01:50:00.000Z', '2026-11-22T01:56:00.000Z']
  const range = 'due 2026-11-22 01:50:00Z to 2026-11-22 01:56:00Z'

  it.each([
    [0, 0, true, 'Nothing was missed.'],
    [1, 1, true, '1 run missed while it was paused, due 2026-11-22 01:50:00Z: it is made now.'],
    [7, 7, true, `7 runs missed while it was paused, ${range}: all are made now.`],
    [7, 1, true, `7 runs missed while it was paused, ${range}: 1 of them is made now.`],
    [7, 3, true, `7 runs missed while it was paused, ${range}: 3 of them are made now.`],
    [7, 0, true, `7 runs missed while it was paused, ${range}: none of them is made up for.`],
    [7, 3, false, `7 runs missed while it was paused, ${range}: 3 of them would be made now.`],
  ])('%i slots of which %i are made', (slots, makes, done, line) => {
    expect(missedLine({ slots, makes, first_due, last_due }, done)).toBe(line)
  })
})
