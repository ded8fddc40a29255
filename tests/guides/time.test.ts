import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../package-root.js'
import { latestInterval } from '../../scheduler/commands/trigger.js'
import type { Catchup } from '../../scheduler/dag/model.js'
import * as timetable from '../../scheduler/dag/schedule.js'
import { missedSlots } from '../../scheduler/loop/catchup.js'
import { cronSchedule, dag, task } from '../scheduler/core/dags.js'

const page = readFileSync(join(PACKAGE_ROOT, 'docs/guides/time.md'), 'utf8')
const { dueTicks, intervalOf } = timetable
const HOUR = 3_600_000
const at = (text: string) => Date.parse(text)

/** `02:30` in Berlin of each due instant of one of its days. */
function dues(cron: string, day: string, timezone = 'Europe/Berlin'): { local: string; utc: string }[] {
  const noon = at(`${day}T12:00Z`)
  const local = (instant: number) =>
    new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' }).format(instant)
  return dueTicks(cronSchedule(cron, timezone), noon - 36 * HOUR, noon + 36 * HOUR, 1_000)
    .filter((instant) => local(instant).startsWith(day))
    .map((instant) => ({ local: local(instant).slice(11), utc: `${new Date(instant).toISOString().slice(11, 16)}Z` }))
}

/** The cells of the row of the page that begins with this schedule, in the nth table that has one. */
function row(cron: string, table: number): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith(`| \`${cron}\` |`))
  return (rows[table] ?? '')
    .split('|')
    .slice(2, -1)
    .map((cell) => cell.trim())
}

describe('the guide to time says what Sluice does', () => {
  it('about the intervals of runs in Paris', () => {
    const daily = dag('a', [task('t')], { schedule: cronSchedule('0 6 * * *', 'Europe/Paris') })
    expect(page).toContain('in the afternoon of 20 November that of run A')
    expect(latestInterval(timetable, daily, at('2026-11-20T14:00Z'))).toEqual({
      start: at('2026-11-19T05:00Z'),
      end: at('2026-11-20T05:00Z'),
    })
    const byHand = dag('b', [task('t')], { schedule: null })
    expect(latestInterval(timetable, byHand, at('2026-11-20T14:00Z'))).toEqual({
      start: at('2026-11-20T14:00Z'),
      end: at('2026-11-20T14:00Z'),
    })
  })

  it('about the gap of 29 March 2026', () => {
    const days = ['2026-03-28', '2026-03-29', '2026-03-30']
    const half = days.map((day) => dues('30 2 * * *', day))
    expect(half.map((found) => found.length)).toEqual([1, 1, 1])
    for (const [index, { local, utc }] of half.flat().entries()) {
      expect(row('30 2 * * *', 0)[index]).toContain(`${local} (${utc})`)
    }
    const both = days.map((day) => dues('0 2,3 * * *', day).map(({ local }) => local))
    expect(both).toEqual([['02:00', '03:00'], ['03:00'], ['02:00', '03:00']])
    expect(row('0 2,3 * * *', 0)).toEqual([
      '02:00 and 03:00',
      '03:00 (01:00Z), once: both meet there',
      '02:00 and 03:00',
    ])
    expect(days.map((day) => dues('*/30 2 * * *', day).length)).toEqual([2, 0, 2])
    expect(row('*/30 2 * * *', 0)[1]).toContain('none')
    const hourly = days.map((day) => `${dues('0 * * * *', day).length} runs`)
    expect(row('0 * * * *', 0)).toEqual(hourly)
  })

  it('about the repeated hour of 25 October 2026', () => {
    const day = '2026-10-25'
    expect(dues('30 2 * * *', day)).toEqual([{ local: '02:30', utc: '00:30Z' }])
    expect(row('30 2 * * *', 1)[0]).toContain('02:30 (00:30Z), once')
    const wild = dues('*/30 2 * * *', day)
    expect(wild.map(({ utc }) => utc)).toEqual(['00:00Z', '00:30Z', '01:00Z', '01:30Z'])
    expect(row('*/30 2 * * *', 1)[0]).toBe(`${wild.map(({ local }) => local).join(', ')} (00:00Z to 01:30Z)`)
    expect(row('0 * * * *', 1)).toEqual([`${dues('0 * * * *', day).length} runs`])
  })

  it('about the intervals around the gap', () => {
    const schedule = cronSchedule('30 2 * * *', 'Europe/Berlin')
    const length = (due: string) => {
      const { start, end } = intervalOf(schedule, at(due))
      return (end - start) / HOUR
    }
    expect([length('2026-03-29T01:00Z'), length('2026-03-30T00:30Z')]).toEqual([23.5, 23.5])
    expect(page).toContain('an interval of 23 hours and 30 minutes')
  })

  it('about the day that Apia did not have', () => {
    expect(dues('0 6 * * *', '2011-12-29', 'Pacific/Apia')).toHaveLength(1)
    expect(dues('0 6 * * *', '2011-12-30', 'Pacific/Apia')).toHaveLength(0)
    expect(page).toContain('In Apia, 30 December 2011 did not exist')
  })

  it('about Paris, and about a Monday', () => {
    const due = at('2026-11-20T05:00Z')
    const paris = cronSchedule('0 6 * * *', 'Europe/Paris')
    expect(intervalOf(paris, due)).toEqual({ start: at('2026-11-19T05:00Z'), end: due })
    const business = cronSchedule('0 6 * * *', 'UTC', { businessDays: true })
    expect(intervalOf(business, at('2026-11-23T06:00Z')).start).toBe(at('2026-11-20T06:00Z'))
    expect(page).toContain('the\nrun of Monday, 23 November 2026 takes everything since Friday, the 20th')
  })

  it('about thirty days of downtime', () => {
    const now = at('2026-11-20T05:00Z')
    const makes = (catchup: Catchup) => {
      const every = dag('every', [task('a')], { schedule: cronSchedule('*/5 * * * *'), catchup })
      return missedSlots(timetable, every, now - 30 * 24 * HOUR + 300_000, now, 100_000)
    }
    expect(makes('all')).toMatchObject({ count: 8_640, makes: 8_640 })
    expect(page).toContain('are 8,640 runs with `all`, and one with `false`')
  })
})
