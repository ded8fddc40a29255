import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dueTicks, intervalOf, nextDue, previousDue } from '../../../scheduler/dag/schedule.js'
import { cronSchedule, everySchedule } from '../core/dags.js'

const at = (text: string) => Date.parse(text)
const iso = (instants: number[]) => instants.map((instant) => new Date(instant).toISOString().slice(0, 16))
const MINUTE = 60_000
const DAY = 1_440 * MINUTE

describe('a schedule of several crons', () => {
  const schedule = cronSchedule(['0 6 * * MON-FRI', '0 9 * * SAT', '0 6 * * FRI'])

  it('is due whenever one of them is, once where two meet', () => {
    expect(iso(dueTicks(schedule, at('2026-11-19T00:00Z'), at('2026-11-24T00:00Z'), 10))).toEqual([
      '2026-11-19T06:00',
      '2026-11-20T06:00',
      '2026-11-21T09:00',
      '2026-11-23T06:00',
    ])
    expect(previousDue(schedule, at('2026-11-23T05:59Z'))).toBe(at('2026-11-21T09:00Z'))
  })
})

describe('every', () => {
  it('counts from its anchor, before it too', () => {
    const schedule = everySchedule(45 * MINUTE, { anchor: at('2026-01-01T00:10Z') })
    expect(iso(dueTicks(schedule, at('2026-01-01T00:00Z'), at('2026-01-01T02:00Z'), 10))).toEqual([
      '2026-01-01T00:10',
      '2026-01-01T00:55',
      '2026-01-01T01:40',
    ])
    expect(previousDue(schedule, at('2026-01-01T00:09Z'))).toBe(at('2025-12-31T23:25Z'))
    expect(previousDue(schedule, at('2026-01-01T00:10Z'))).toBe(at('2026-01-01T00:10Z'))
  })

  it('is real time, whatever clocks do', () => {
    const schedule = everySchedule(DAY, { timezone: 'Europe/Berlin' })
    const ticks = dueTicks(schedule, at('2026-03-27T00:00Z'), at('2026-03-31T00:00Z'), 10)
    expect(ticks.map((tick) => tick % DAY)).toEqual([0, 0, 0, 0])
  })
})

describe('a calendar', () => {
  it('has no run on days it leaves out, and the next interval reaches back over them', () => {
    const schedule = cronSchedule('0 6 * * *', 'Europe/Paris', { skip: ['2026-12-25', '2026-12-26'] })
    const ticks = dueTicks(schedule, at('2026-12-24T00:00Z'), at('2026-12-29T00:00Z'), 10)
    expect(iso(ticks)).toEqual(['2026-12-24T05:00', '2026-12-27T05:00', '2026-12-28T05:00'])
    expect(intervalOf(schedule, at('2026-12-27T05:00Z'))).toEqual({
      start: at('2026-12-24T05:00Z'),
      end: at('2026-12-27T05:00Z'),
    })
  })

  it('knows the days of its own zone', () => {
    const skipping = (timezone: string) => cronSchedule('30 23 * * *', timezone, { skip: ['2026-12-25'] })
    expect(nextDue(skipping('UTC'), at('2026-12-25T00:00Z'))).toBe(at('2026-12-26T23:30Z'))
    // half past eleven at night in New York is the next day in UTC
    expect(nextDue(skipping('America/New_York'), at('2026-12-25T12:00Z'))).toBe(at('2026-12-27T04:30Z'))
  })

  it('of business days leaves weekends to Monday', () => {
    const schedule = cronSchedule('*/30 * * * *', 'Asia/Tokyo', { businessDays: true })
    // Friday 20 November 2026, 23:30 in Tokyo
    const friday = at('2026-11-20T14:30Z')
    expect(nextDue(schedule, friday)).toBe(at('2026-11-22T15:00Z'))
    expect(previousDue(schedule, at('2026-11-22T14:59Z'))).toBe(friday)
    expect(intervalOf(schedule, at('2026-11-22T15:00Z')).start).toBe(friday)
    const every = everySchedule(8 * 60 * MINUTE, { businessDays: true })
    expect(nextDue(every, at('2026-11-20T16:00Z'))).toBe(at('2026-11-23T00:00Z'))
  })

  it('that leaves out every due day has none', () => {
    const schedule = cronSchedule('0 6 * * 0', 'UTC', { businessDays: true })
    expect(nextDue(schedule, at('2026-01-01T00:00Z'))).toBeNull()
    expect(previousDue(schedule, at('2026-01-01T00:00Z'))).toBeNull()
  })
})

describe('an end', () => {
  const schedule = cronSchedule('0 0 * * *', 'UTC', { end: at('2026-02-01T00:00Z') })

  it('lets the interval be that ends with it, and none after', () => {
    expect(nextDue(schedule, at('2026-01-31T00:00Z'))).toBe(at('2026-02-01T00:00Z'))
    expect(nextDue(schedule, at('2026-02-01T00:00Z'))).toBeNull()
    expect(previousDue(schedule, at('2026-06-01T00:00Z'))).toBe(at('2026-02-01T00:00Z'))
  })
})

describe('days of the month and of the week', () => {
  it.each([
    ['0 0 15W * *', ['2026-01-15', '2026-02-16', '2026-03-16', '2026-04-15', '2026-05-15']],
    ['0 0 1W * *', ['2026-01-01', '2026-02-02', '2026-03-02', '2026-04-01', '2026-05-01']],
    ['0 0 31W * *', ['2026-01-30', '2026-03-31', '2026-05-29', '2026-07-31', '2026-08-31']],
    ['0 0 LW * *', ['2026-01-30', '2026-02-27', '2026-03-31', '2026-04-30', '2026-05-29']],
    ['0 0 L * *', ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30', '2026-05-31']],
    ['0 0 * * FRI#2', ['2026-01-09', '2026-02-13', '2026-03-13', '2026-04-10', '2026-05-08']],
    ['0 0 * * 5L', ['2026-01-30', '2026-02-27', '2026-03-27', '2026-04-24', '2026-05-29']],
    ['0 0 * * 1#5', ['2026-03-30', '2026-06-29', '2026-08-31', '2026-11-30', '2027-03-29']],
    ['0 0 29 2 *', ['2028-02-29', '2032-02-29', '2036-02-29', '2040-02-29', '2044-02-29']],
    ['0 0 * 2 4#5', ['2052-02-29', '2080-02-29', '2120-02-29', '2148-02-29', '2176-02-29']],
  ])('%s', (cron, days) => {
    const ticks = dueTicks(cronSchedule(cron), at('2026-01-01T00:00Z'), at('2200-01-01T00:00Z'), 5)
    expect(iso(ticks).map((text) => text.slice(0, 10))).toEqual(days)
    expect(previousDue(cronSchedule(cron), (ticks[1] ?? 0) - 1)).toBe(ticks[0])
  })
})

it('tiles, whichever way one looks', () => {
  const schedules = fc.record({
    crons: fc.constantFrom<string[]>(
      ['*/15 * * * *'],
      ['30 2 * * *', '0 12 * * 0'],
      ['*/20 30 1-3 * * *'],
      ['0 0 1 * *'],
    ),
    everyMs: fc.constantFrom<number | null>(null, null, 45 * MINUTE, 7 * 60 * MINUTE),
    timezone: fc.constantFrom('UTC', 'Europe/Berlin', 'Pacific/Apia', 'Australia/Lord_Howe'),
    businessDays: fc.boolean(),
    skip: fc.constantFrom<string[]>([], ['2026-03-29'], ['2026-10-25', '2026-10-26']),
  })
  const day = fc.constantFrom('2026-03-28', '2026-10-24', '2026-04-04', '2011-12-29', '2026-06-01')
  fc.assert(
    fc.property(schedules, day, fc.nat(3 * 1_440), ({ crons, ...set }, date, minutes) => {
      const schedule = cronSchedule(crons, set.timezone, set)
      const after = at(`${date}T00:00Z`) + minutes * MINUTE
      const first = nextDue(schedule, after) ?? 0
      const second = nextDue(schedule, first) ?? 0
      expect(first).toBeGreaterThan(after)
      expect(second).toBeGreaterThan(first)
      expect(previousDue(schedule, second - 1)).toBe(first)
      expect(previousDue(schedule, first)).toBe(first)
      expect(intervalOf(schedule, second)).toEqual({ start: first, end: second })
    }),
    { numRuns: 500 },
  )
})
