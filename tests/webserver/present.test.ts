import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../package-root.js'
import type { RunTask } from '../../scheduler/store/reads/run-page.js'
import { auditView } from '../../webserver/present/audit.js'
import { roundUp } from '../../webserver/present/bars.js'
import { duration, roughDuration } from '../../webserver/present/duration.js'
import { GANTT, ganttBars, timeScale } from '../../webserver/present/gantt.js'
import { highlightSql, highlightYaml } from '../../webserver/present/highlight.js'
import { bytes, count, rowChanges, spread } from '../../webserver/present/numbers.js'
import { problemsView, withWhatRuns } from '../../webserver/present/problems.js'
import { richText } from '../../webserver/present/rich-text.js'
import { scheduleWords } from '../../webserver/present/schedule.js'
import { intervalTwice, runName, timeLine, wallTime } from '../../webserver/present/time.js'
import { instantFromText, offsetWords, textFromInstant } from '../../webserver/present/wall-instant.js'
import { loadViews } from '../../webserver/views.js'
import { cronSchedule } from '../scheduler/core/dags.js'
import { NOW } from './sample-store.js'

describe('durations', () => {
  it.each([
    [0, '0 ms'],
    [-5, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [2_449, '2.4 s'],
    [9_990, '9.9 s'],
    [38_900, '38 s'],
    [59_999, '59 s'],
    [188_000, '3 m 08 s'],
    [3_599_999, '59 m 59 s'],
    [4_260_000, '1 h 11 m'],
    [86_399_999, '23 h 59 m'],
    [921_600_000, '10 d 16 h'],
  ])('%i ms reads %s', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })

  it('in one unit never says more than there is', () => {
    expect([500, 38_000, 59 * 60_000, 7_300_000, 90_000_000].map(roughDuration)).toEqual([
      '500 ms',
      '38 s',
      '59 m',
      '2 h',
      '1 d',
    ])
  })
})

describe('numbers', () => {
  it('have separators and units', () => {
    expect([count(8_412_903), bytes(512), bytes(2_900), bytes(999_600), bytes(18_400_000_000)]).toEqual([
      '8,412,903',
      '512 B',
      '2.9 kB',
      '1.0 MB',
      '18.4 GB',
    ])
    expect(rowChanges({ rowsAdded: 47_980, rowsUpdated: 233, rowsRemoved: 12 })).toBe('+47,980 ~233 −12 rows')
    expect(rowChanges({ rowsAdded: 0, rowsUpdated: 0, rowsRemoved: 0 })).toBe('no rows')
  })

  it('have a middle and a ninth tenth between the least and the most', () => {
    expect(spread([])).toBeNull()
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1 }), (values) => {
        const found = spread(values)
        expect(found).not.toBeNull()
        expect(found?.median).toBeGreaterThanOrEqual(Math.min(...values))
        expect(found?.p90).toBeGreaterThanOrEqual(found?.median ?? 0)
        expect(found?.p90).toBeLessThanOrEqual(Math.max(...values))
      }),
    )
  })

  it('of an axis are round and not below what is drawn', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4e9 }), (ms) => roundUp(ms) >= ms && roundUp(roundUp(ms)) === roundUp(ms)),
    )
  })
})

describe('the bars of a task', () => {
  const scale = timeScale({ from: NOW, to: NOW + 10_000, live: false }, 'UTC')

  it('names no instant whose name would not fit any more', () => {
    const { ticks, tickPath } = timeScale({ from: NOW, to: NOW + 8_300, live: false }, 'America/New_York')
    expect(ticks.map(({ label }) => label)).toEqual([expect.stringMatching(/^\d/), '+2 s', '+4 s', '+6 s'])
    expect(tickPath.match(/M/g)).toHaveLength(5)
  })
  const load = { taskId: 'load', state: 'success', startedAt: NOW + 2_000, endedAt: NOW + 8_000 } as RunTask

  it('of one with items are one, from the first to the last of them', () => {
    const [bar, ...more] = ganttBars(load, [], scale, NOW + 20_000)
    expect(more).toEqual([])
    expect(bar).toMatchObject({ kind: 'bar', state: 'success' })
    expect((bar?.width ?? 0) / GANTT.width).toBeCloseTo(0.6, 1)
  })

  it('are none of one that nothing has tried', () => {
    expect(ganttBars({ ...load, state: 'skipped', startedAt: null }, [], scale, NOW)).toEqual([])
  })
})

describe('time', () => {
  it('is said twice, with the date only where it is needed', () => {
    expect(timeLine(NOW, 'Europe/Paris', NOW)).toBe('06:41 Paris · 05:41Z')
    expect(timeLine(NOW, 'UTC', NOW)).toBe('05:41Z')
    expect(timeLine(NOW - 86_400_000, 'America/New_York', NOW)).toBe('19 Nov 00:41 New York · 05:41Z')
    expect(timeLine(Date.UTC(2026, 10, 20, 23, 30), 'Europe/Paris', NOW)).toBe('21 Nov 00:30 Paris · 20 Nov 23:30Z')
    expect(timeLine(Date.UTC(2025, 0, 1), 'UTC', NOW)).toBe('1 Jan 2025 00:00Z')
    expect(timeLine(Date.UTC(2026, 10, 21, 5), 'Europe/Paris', NOW, { weekday: true })).toBe('Sat 06:00 Paris · 05:00Z')
    expect(intervalTwice(NOW, NOW, 'UTC', NOW)).toEqual({ local: '20 Nov 05:41Z', utc: '' })
  })

  it('has seconds where a schedule has: the runs of one minute have names of their own', () => {
    const due = Date.UTC(2026, 10, 20, 5, 40, 20)
    const [before, byHand] = [due - 20_000, due + 17]
    expect(timeLine(due, 'Europe/Paris', NOW, { seconds: 'due' })).toBe('06:40:20 Paris · 05:40:20Z')
    expect(timeLine(before, 'UTC', NOW, { seconds: 'due' })).toBe('05:40Z')
    expect(timeLine(byHand, 'UTC', NOW, { seconds: 'due' })).toBe('05:40Z')
    expect(runName(due, 'UTC', NOW)).toBe('20 Nov 05:40:20Z')
    expect(intervalTwice(before, due, 'UTC', NOW).local).toBe('20 Nov 05:40:00Z to 20 Nov 05:40:20Z')
  })

  it('is that of the zone, as Intl has it, at every instant', () => {
    const zones = [
      'Europe/Paris',
      'America/New_York',
      'America/St_Johns',
      'Asia/Kathmandu',
      'Pacific/Apia',
      'Africa/Casablanca',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 2_000_000_000 }), (timeZone, seconds) => {
        const instant = seconds * 1000
        const wall = wallTime(instant, timeZone)
        const expected = new Intl.DateTimeFormat('en-GB', {
          timeZone,
          weekday: 'short',
          hour: '2-digit',
          minute: '2-digit',
          second: '2-digit',
          hourCycle: 'h23',
        }).format(instant)
        expect(`${wall.weekday} ${wall.seconds}`).toBe(expected.replace(',', ''))
      }),
      { numRuns: 500 },
    )
  })

  it('is right in the weeks in which a clock changes', () => {
    expect(wallTime(Date.UTC(2026, 2, 29, 0, 59, 59), 'Europe/Paris').seconds).toBe('01:59:59')
    expect(wallTime(Date.UTC(2026, 2, 29, 1), 'Europe/Paris').seconds).toBe('03:00:00')
    expect(wallTime(Date.UTC(2011, 11, 30, 9, 59), 'Pacific/Apia')).toMatchObject({ day: 29, clock: '23:59' })
    expect(wallTime(Date.UTC(2011, 11, 30, 10), 'Pacific/Apia')).toMatchObject({ day: 31, clock: '00:00' })
  })

  it('written into a form is read back, in any zone, except where the clock jumps', () => {
    const zones = ['UTC', 'Europe/Paris', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Apia', 'Australia/Lord_Howe']
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 2e6 }), (zone, minutes) => {
        const instant = Date.UTC(2024, 0, 1) + minutes * 60_000
        const text = textFromInstant(instant, zone)
        const back = instantFromText(text, zone)
        // in a repeated hour one text stands for two instants
        expect(back === null ? null : textFromInstant(back, zone)).toBe(text)
        expect(Math.abs((back ?? 0) - instant)).toBeLessThanOrEqual(3_600_000)
      }),
    )
  })

  it.each([
    ['2026-03-29 02:30', 'Europe/Paris'],
    ['2026-02-30 10:00', 'UTC'],
    ['2026-13-01', 'UTC'],
    ['20.11.2026', 'UTC'],
    ['', 'UTC'],
  ])('%j in %s is no time', (text, zone) => {
    expect(instantFromText(text, zone)).toBeNull()
  })

  it('that comes twice is the first, as for schedules and deadlines', () => {
    expect(instantFromText('2026-10-25 02:30', 'Europe/Paris')).toBe(Date.UTC(2026, 9, 25, 0, 30))
    expect(instantFromText('2026-11-01 01:30', 'America/New_York')).toBe(Date.UTC(2026, 10, 1, 5, 30))
  })

  it('with its own zone is taken as it is', () => {
    expect(instantFromText('2026-11-20T06:00:00+01:00', 'America/New_York')).toBe(Date.UTC(2026, 10, 20, 5))
    expect(offsetWords(NOW, 'Europe/Paris')).toBe('1 h ahead of')
    expect(offsetWords(NOW, 'America/St_Johns')).toBe('3 h 30 m behind')
  })
})

describe('schedules', () => {
  it.each([
    ['0 6 * * *', 'daily at 06:00'],
    ['15 * * * *', 'hourly at :15'],
    ['*/10 * * * *', 'every 10 m'],
    ['* * * * *', 'every minute'],
    ['0 7 * * 1', 'Mon at 07:00'],
    ['30 5 * * 1-5', 'Mon to Fri at 05:30'],
    ['0 22 1 * *', 'monthly, day 1 at 22:00'],
    ['5 */6 * * *', 'every 6 h at :05'],
    ['0 6 1 1 *', '0 6 1 1 *'],
    ['0 6 1 * 1', '0 6 1 * 1'],
    ['0,30 6 * * *', '0,30 6 * * *'],
    ['@daily', '@daily'],
  ])('%s reads %s', (cron, words) => {
    expect(scheduleWords(cronSchedule(cron))).toBe(words)
  })
})

describe('code in colour', () => {
  const text = fc.string({
    unit: fc.constantFrom('select', "'", '"', '--', '/*', '*/', '{{', '}}', '\n', ' ', '#', ':', 'a', '1', '-', '{'),
  })
  const joined = (lines: ReturnType<typeof highlightSql>) =>
    lines.map((line) => line.spans.map((span) => span.text).join('')).join('\n')

  it('is the text itself, cut into spans', () => {
    fc.assert(
      fc.property(text, (source) => {
        for (const lines of [highlightSql(source), highlightYaml(source, true)]) {
          expect(joined(lines)).toBe(source.endsWith('\n') ? source.slice(0, -1) : source)
          expect(lines.map((line) => line.number)).toEqual(lines.map((_, place) => place + 1))
        }
      }),
    )
  })

  it('knows words, strings, comments and templates', () => {
    const kinds = (lines: ReturnType<typeof highlightSql>) =>
      lines.flatMap((line) => line.spans.filter((span) => span.kind !== '').map((span) => [span.kind, span.text]))
    expect(kinds(highlightSql("SELECT 'it''s', {{ x }} -- from"))).toEqual([
      ['k', 'SELECT'],
      ['v', "'it''s'"],
      ['x', '{{ x }}'],
      ['faint', '-- from'],
    ])
    expect(kinds(highlightYaml('dag: a # b\nx: { y: "z" }', true))).toEqual([
      ['k', 'dag'],
      ['faint', ' # b'],
      ['k', 'x'],
      ['k', 'y'],
      ['v', '"z"'],
    ])
  })
})

describe('sentences', () => {
  it('show what stands in backticks as code and lose nothing', () => {
    expect(richText('unknown key `shedule`; ok')).toEqual([
      { text: 'unknown key ', code: false },
      { text: 'shedule', code: true },
      { text: '; ok', code: false },
    ])
    expect(richText('a ` b')).toEqual([{ text: 'a ` b', code: false }])
  })
})

describe('the audit', () => {
  it('links to what each row is about', () => {
    const entry = (action: string, target: string) => ({ id: 1, at: NOW, user: 'a', action, target, detail: {} })
    const { rows } = auditView(
      [
        entry('pause', 'a_dag'),
        entry('cancel', 'a_dag-20261120T050000Z'),
        entry('mark', 'a_dag-20261120T050000Z/b'),
        entry('rollback', 's.t'),
        entry('login', 'a'),
      ],
      9,
      '/audit',
      NOW,
    )
    expect(rows.map((row) => row.href)).toEqual([
      '/dags/a_dag',
      '/runs/a_dag-20261120T050000Z',
      '/runs/a_dag-20261120T050000Z/tasks/b',
      '/tables/s.t',
      '',
    ])
  })
})

describe('files that do not load', () => {
  it('say of each what runs on', () => {
    const problem = { line: 1, column: 1, path: '', severity: 'error', message: 'x', hint: '' } as const
    const files = ['good.yaml', 'never.yml', 'sql/a.sql', 'team/_defaults.yaml', 'secret/']
    const view = problemsView(files.map((file) => ({ ...problem, file })))
    expect(withWhatRuns(view, new Set(['good.yaml']))?.files.map(({ file, note }) => [file, note])).toEqual([
      ['good.yaml', 'Its last good version keeps running.'],
      ['never.yml', 'It was never good, so nothing runs from it.'],
      ['sql/a.sql', 'DAGs that depend on it keep their last good version.'],
      ['team/_defaults.yaml', 'DAGs that depend on it keep their last good version.'],
      ['secret/', 'DAGs that depend on it keep their last good version.'],
    ])
    expect(withWhatRuns(problemsView([]), new Set())).toBe(null)
  })
})

describe('templates', () => {
  const folder = join(PACKAGE_ROOT, 'webserver', 'views')
  const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))

  it('escape everything and quote every attribute', () => {
    const problems = files.flatMap(({ name, text }) => [
      ...(/\{\{\{|\{\{&/.test(text) ? [`${name} prints without escaping`] : []),
      ...[...text.replaceAll(/\{\{>[^}]*\}\}/g, '').matchAll(/\s[\w-]+=(?!")[^\s>]*\{\{/g)].map(
        ([found]) => `${name} has an attribute without quotes: ${found}`,
      ),
      ...(/\sstyle=|<script(?![^>]*nonce)|\son[a-z]+="/.test(text)
        ? [`${name} has a style, a script or a handler`]
        : []),
    ])
    expect(problems).toEqual([])
    expect(files.length).toBeGreaterThan(30)
  })

  it('are strict: a name that the model lacks is an error', () => {
    const views = loadViews()
    expect(() => views('_glyph', {})).toThrow(/name/)
    expect(() => views('none', {})).toThrow('there is no view none')
  })
})
