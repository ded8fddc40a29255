import { describe, expect, it } from 'vitest'
import type { Catchup } from '../../../scheduler/dag/model.js'
import * as timetable from '../../../scheduler/dag/schedule.js'
import { dueSlots, firstDue, missedSlots, resumedDue } from '../../../scheduler/loop/catchup.js'
import { dag, everySchedule, NOW, task } from '../core/dags.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const with_ = (catchup: Catchup, set: object = {}) =>
  dag('sales', [task('a')], { schedule: everySchedule(HOUR), catchup, ...set })
const WINDOW = { windowMs: 3 * HOUR }

describe('after downtime', () => {
  it.each([
    ['none', [0]],
    ['last', [0]],
    ['all', [-5, -4, -3, -2, -1, 0]],
    [WINDOW, [-2, -1, 0]],
    [{ windowMs: MINUTE }, [0]],
  ] as [Catchup, number[]][])('%j makes the runs of these hours', (catchup, hours) => {
    const { slots, nextDueAt } = dueSlots(timetable, with_(catchup), NOW - 5 * HOUR, NOW + 10 * MINUTE, 100)
    expect(slots.map(({ dueAt }) => (dueAt - NOW) / HOUR)).toEqual(hours)
    for (const { dueAt, interval } of slots) expect(interval).toEqual({ start: dueAt - HOUR, end: dueAt })
    expect(nextDueAt).toBe(NOW + HOUR)
  })

  it('of 30 days every five minutes, 8,640 slots come in turns, none lost and none doubled', () => {
    const every = with_('all', { schedule: everySchedule(5 * MINUTE) })
    const found = new Set<number>()
    let due: number | null = NOW - 30 * DAY + 5 * MINUTE
    let turns = 0
    for (; due !== null && due <= NOW; turns += 1) {
      const { slots, nextDueAt } = dueSlots(timetable, every, due, NOW, 100)
      for (const { dueAt } of slots) found.add(dueAt)
      expect(slots.length).toBeLessThanOrEqual(100)
      due = nextDueAt
    }
    expect([found.size, turns]).toEqual([8_640, 87])
  })

  it('nothing is due after the end', () => {
    const ended = with_('all', { schedule: everySchedule(HOUR, { end: NOW - 4 * HOUR }) })
    const { slots, nextDueAt } = dueSlots(timetable, ended, NOW - 5 * HOUR, NOW, 100)
    expect([slots.length, nextDueAt]).toEqual([2, null])
  })
})

describe('a new DAG', () => {
  it.each([
    ['none', 1],
    ['last', 0],
    ['all', -9],
    [WINDOW, -3],
  ] as [Catchup, number][])('with %j begins at this hour', (catchup, hour) => {
    expect(firstDue(timetable, with_(catchup, { start: NOW - 10 * HOUR }), NOW, true)).toBe(NOW + hour * HOUR)
  })

  it.each(['none', 'last', 'all', WINDOW] as Catchup[])(
    'with %j and no start, or one to come, begins from there',
    (catchup) => {
      expect(firstDue(timetable, with_(catchup), NOW, true)).toBe(NOW + HOUR)
      expect(firstDue(timetable, with_(catchup, { start: NOW + 5 * MINUTE }), NOW, true)).toBe(NOW + 2 * HOUR)
      expect(firstDue(timetable, with_(catchup, { start: NOW - 10 * HOUR }), NOW, false)).toBe(NOW + HOUR)
    },
  )
})

describe('after a pause', () => {
  it.each([
    ['none', 1, 0],
    ['last', 0, 1],
    ['all', -5, 6],
    [WINDOW, -3, 4],
  ] as [Catchup, number, number][])('%j goes on at this hour, with so many runs', (catchup, hour, makes) => {
    expect(resumedDue(timetable, with_(catchup), NOW - 5 * HOUR, NOW)).toBe(NOW + hour * HOUR)
    const missed = missedSlots(timetable, with_(catchup), NOW - 5 * HOUR, NOW, 1_000)
    expect(missed).toEqual({ count: 6, first: NOW - 5 * HOUR, last: NOW, makes })
    const { slots } = dueSlots(timetable, with_(catchup), NOW + hour * HOUR, NOW, 100)
    expect(slots).toHaveLength(makes)
  })

  it('in which nothing was due nothing changes', () => {
    expect(resumedDue(timetable, with_('all'), NOW + HOUR, NOW)).toBe(NOW + HOUR)
    expect(missedSlots(timetable, with_('all'), NOW + HOUR, NOW, 10)).toMatchObject({ count: 0, makes: 0 })
    expect(missedSlots(timetable, with_('all'), null, NOW, 10)).toMatchObject({ count: 0, makes: 0 })
  })
})
