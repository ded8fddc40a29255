import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cronProblem } from '../../../scheduler/dag/cron.js'
import {
  dueTicks,
  intervalOf,
  isTimezone,
  latestInterval,
  nextDue,
  previousDue,
} from '../../../scheduler/dag/schedule.js'
import { startInstant } from '../../../scheduler/dag/start.js'
import { cronSchedule } from '../core/dags.js'

const at = (text: string) => Date.parse(text)
const ticks = (cron: string, timezone: string, from: string, to: string) =>
  dueTicks(cronSchedule(cron, timezone), at(from), at(to), 1_000).map((due) => new Date(due).toISOString().slice(5, 16))

describe('when clocks change', () => {
  // Berlin: 02:00 to 03:00 does not exist on 29 March 2026 (01:00Z), and comes twice on 25 October 2026 (00:00Z to 02:00Z)
  it.each([
    ['30 2 * * *', ['03-28T01:30', '03-29T01:00', '03-30T00:30']],
    ['0,30 2 * * *', ['03-28T01:00', '03-28T01:30', '03-29T01:00', '03-30T00:00', '03-30T00:30']],
    ['0-30/30 2 * * *', ['03-28T01:00', '03-28T01:30', '03-29T01:00', '03-30T00:00', '03-30T00:30']],
    ['0 2,3 * * *', ['03-28T01:00', '03-28T02:00', '03-29T01:00', '03-30T00:00', '03-30T01:00']],
    ['*/30 2 * * *', ['03-28T01:00', '03-28T01:30', '03-30T00:00', '03-30T00:30']],
    ['0 */12 * * *', ['03-28T11:00', '03-28T23:00', '03-29T10:00', '03-29T22:00', '03-30T10:00']],
  ])('a gap: %s', (cron, expected) => {
    expect(ticks(cron, 'Europe/Berlin', '2026-03-28T00:00Z', '2026-03-30T12:00Z')).toEqual(expected)
  })

  it.each([
    ['30 2 * * *', ['10-24T00:30', '10-25T00:30', '10-26T01:30']],
    ['0,30 2 * * *', ['10-24T00:00', '10-24T00:30', '10-25T00:00', '10-25T00:30', '10-26T01:00', '10-26T01:30']],
    ['15-45/30 2 * * *', ['10-24T00:15', '10-24T00:45', '10-25T00:15', '10-25T00:45', '10-26T01:15', '10-26T01:45']],
    ['*/30 2 25 * *', ['10-25T00:00', '10-25T00:30', '10-25T01:00', '10-25T01:30']],
    ['30 * 25 10 *', undefined],
  ])('a repeated hour: %s', (cron, expected) => {
    const found = ticks(cron, 'Europe/Berlin', '2026-10-24T00:00Z', '2026-10-26T12:00Z')
    if (expected === undefined) expect(found).toHaveLength(25)
    else expect(found).toEqual(expected)
  })

  it('a gap of half an hour, and one at midnight', () => {
    expect(ticks('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T20:00Z', '2026-10-05T00:00Z')).toEqual([
      '10-03T15:30',
      '10-04T15:15',
    ])
    expect(ticks('0 0 * * *', 'America/Sao_Paulo', '2018-11-03T00:00Z', '2018-11-06T00:00Z')).toEqual([
      '11-03T03:00',
      '11-04T03:00',
      '11-05T02:00',
    ])
  })

  it('a day that does not exist has no run', () => {
    expect(ticks('0 6 * * *', 'Pacific/Apia', '2011-12-28T00:00Z', '2012-01-01T00:00Z')).toEqual([
      '12-28T16:00',
      '12-29T16:00',
      '12-30T16:00',
      '12-31T16:00',
    ])
    expect(nextDue(cronSchedule('0 6 30 12 *', 'Pacific/Apia'), at('2011-12-01T00:00Z'))).toBe(at('2012-12-29T16:00Z'))
  })
})

describe('schedules', () => {
  it('take either day of month or day of week when both are restricted', () => {
    expect(ticks('0 0 1 * 1', 'UTC', '2026-01-01T00:00Z', '2026-01-13T00:00Z')).toEqual([
      '01-01T00:00',
      '01-05T00:00',
      '01-12T00:00',
    ])
  })

  it('are due strictly after, and at or before', () => {
    const schedule = cronSchedule('0 6 * * *')
    const due = at('2026-01-02T06:00Z')
    expect(nextDue(schedule, due)).toBe(due + 86_400_000)
    expect(nextDue(schedule, due - 1)).toBe(due)
    expect(previousDue(schedule, due)).toBe(due)
    expect(previousDue(schedule, due - 1)).toBe(due - 86_400_000)
    expect(intervalOf(schedule, due)).toEqual({ start: due - 86_400_000, end: due })
    expect(latestInterval(schedule, due + 5)).toEqual({ start: due - 86_400_000, end: due })
  })

  it('count from, exclude to, and keep to the limit', () => {
    const schedule = cronSchedule('@hourly')
    const [from, to] = [at('2026-01-01T00:00Z'), at('2026-01-01T03:00Z')]
    expect(dueTicks(schedule, from, to, 10)).toEqual([from, from + 3_600_000, from + 7_200_000])
    expect(dueTicks(schedule, from, to, 2)).toHaveLength(2)
  })

  it.each([
    ['0 0 31 2 *', /never fires/],
    ['* * * *', /^has 4 fields, not the five/],
    ['* * * * * * *', /^has 7 fields/],
    ['', /has nothing/],
    ['60 * * * *', /has `60` where the minute goes, which is 0 to 59/],
    ['0 * * * * 8', /where the day-of-week goes, which is 0 to 7 or SUN to SAT/],
    ['@reboot', /is not a shorthand/],
    ['0 0 * * 8', /has `8` where the day-of-week/],
    ['0 0 * JUNE *', /has `JUNE` where the month goes/],
    ['*/0 * * * *', /where the minute goes/],
    ['0 5/2 * * *', /where the hour goes.* \(write 5-23\/2\)/],
    ['0 22-2 * * *', /where the hour goes.* \(write it as two: 22-23,0-2\)/],
    ['0 0 32 * *', /has `32` where the day-of-month/],
    ['0 0 L-3 * *', /has `L` where the day-of-month/],
    ['0 0 , * *', /has `` where the day-of-month/],
    ['2026-01-01T00:00:00Z', /has 1 field,/],
  ])('%s is refused', (cron, expected) => {
    const problem = cronProblem(cron)
    expect(`${problem?.message} (${problem?.hint})`).toMatch(expected)
  })

  it.each([
    '0 0 29 2 *',
    '0 6 * * MON-FRI',
    '@daily',
    ' 5  4 * * sun ',
    '0 0 L * *',
    '0 0 15W * *',
    '0 9 * * 1#2',
    '59 23 31 12 7',
    '*/10 0 6 * * MON-FRI',
    '0 0 LW * ?',
    '0 0 * * FRI-SUN',
    '0 0 * jan,jul fril',
  ])('%s is good', (cron) => {
    expect(cronProblem(cron)).toBeNull()
  })

  it('knows time zones by their names only', () => {
    expect(['UTC', 'Europe/Paris', 'America/Argentina/Buenos_Aires'].map(isTimezone)).toEqual([true, true, true])
    expect(['', '+02:00', 'GMT+2', 'Europe/Pariss'].map(isTimezone)).toEqual([false, false, false, false])
  })
})

describe('start', () => {
  it.each([
    ['2026-01-01', 'Europe/Paris', '2025-12-31T23:00:00.000Z'],
    ['2026-07-01', 'America/New_York', '2026-07-01T04:00:00.000Z'],
    ['2018-11-04', 'America/Sao_Paulo', '2018-11-04T03:00:00.000Z'],
    ['2026-01-01T06:00:00Z', 'Europe/Paris', '2026-01-01T06:00:00.000Z'],
    ['2026-01-01T06:00+02:00', 'Europe/Paris', '2026-01-01T04:00:00.000Z'],
  ])('%s in %s', (text, timezone, expected) => {
    expect(new Date(startInstant(text, timezone) ?? Number.NaN).toISOString()).toBe(expected)
  })

  it.each(['2026-02-30', '2026-13-01', '2026-01-01T25:00:00Z'])('%s is no time there is', (text) => {
    expect(startInstant(text, 'UTC')).toBeNull()
  })
})

// ---- against the rule itself, read minute by minute off the clock --------------------------------------------------------

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Sao_Paulo',
  'Africa/Cairo',
]
const MINUTE = 60_000

interface Wall {
  day: string
  minute: number
}

function wallClock(timezone: string): (instant: number) => Wall {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  })
  return (instant) => {
    const part = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]))
    return { day: `${part.year}-${part.month}-${part.day}`, minute: Number(part.hour) * 60 + Number(part.minute) }
  }
}

/** Due instants by the rule of docs/guides/time.md, found by reading the wall clock at every minute. */
function byTheClock(
  minutes: number[],
  hours: number[],
  follows: boolean,
  timezone: string,
  from: number,
  to: number,
): number[] {
  const read = wallClock(timezone)
  const wanted = new Set(hours.flatMap((hour) => minutes.map((minute) => hour * 60 + minute)))
  const found: number[] = []
  const seen = new Set<string>()
  // a day before, for what has been seen in a repeated hour
  let before = read(from - 1_440 * MINUTE)
  for (let instant = from - 1_439 * MINUTE; instant < to; instant += MINUTE) {
    const wall = read(instant)
    const passed: number[] = []
    if (!follows && wall.day === before.day)
      for (let minute = before.minute + 1; minute < wall.minute; minute++) passed.push(minute)
    // a gap over midnight swallows the beginning of the day
    if (!follows && wall.day > before.day) for (let minute = 0; minute < wall.minute; minute++) passed.push(minute)
    const keys = [...passed, wall.minute]
      .filter((minute) => wanted.has(minute))
      .map((minute) => `${wall.day} ${minute}`)
    const fresh = follows ? keys : keys.filter((key) => !seen.has(key))
    for (const key of keys) seen.add(key)
    if (fresh.length > 0 && instant >= from) found.push(instant)
    before = wall
  }
  return found
}

/** Days around the changes of the zones above, and quiet ones. */
const day = fc.constantFrom(
  '2026-03-29',
  '2026-10-25',
  '2026-03-08',
  '2026-11-01',
  '2026-10-04',
  '2026-04-05',
  '2018-11-04',
  '2018-02-18',
  '2026-04-24',
  '2026-10-30',
  '2026-06-01',
)
const numbers = (max: number) => fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 3 })

describe('the rule, minute by minute', () => {
  it('holds for fixed wall times', () => {
    fc.assert(
      fc.property(numbers(59), numbers(23), fc.constantFrom(...ZONES), day, (minutes, hours, timezone, date) => {
        const [from, to] = [at(`${date}T00:00Z`) - 12 * 60 * MINUTE, at(`${date}T00:00Z`) + 36 * 60 * MINUTE]
        const schedule = cronSchedule(`${minutes.join(',')} ${hours.join(',')} * * *`, timezone)
        expect(dueTicks(schedule, from, to, 1_000)).toEqual(byTheClock(minutes, hours, false, timezone, from, to))
      }),
      { numRuns: 60 },
    )
  })

  it('holds for wildcards', () => {
    const every = fc.constantFrom(1, 5, 15, 20, 30)
    fc.assert(
      fc.property(
        every,
        numbers(23),
        fc.boolean(),
        fc.constantFrom(...ZONES),
        day,
        (step, hours, wild, timezone, date) => {
          const [from, to] = [at(`${date}T00:00Z`) - 12 * 60 * MINUTE, at(`${date}T00:00Z`) + 36 * 60 * MINUTE]
          const minutes = Array.from({ length: 60 }, (_, minute) => minute).filter((minute) => minute % step === 0)
          const all = wild ? Array.from({ length: 24 }, (_, hour) => hour) : hours
          const schedule = cronSchedule(`*/${step} ${wild ? '*' : hours.join(',')} * * *`, timezone)
          expect(dueTicks(schedule, from, to, 3_000)).toEqual(byTheClock(minutes, all, true, timezone, from, to))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('makes intervals tile, whichever way one looks', () => {
    const cron = fc.oneof(
      fc.tuple(numbers(59), numbers(23)).map(([minutes, hours]) => `${minutes.join(',')} ${hours.join(',')} * * *`),
      fc.constantFrom('*/15 * * * *', '0 * * * *', '0 0 1 * *', '30 2 * * 0', '0 */6 * * *', '10-50/20 1-3 * * *'),
    )
    fc.assert(
      fc.property(
        cron,
        fc.constantFrom(...ZONES, 'Pacific/Apia'),
        day,
        fc.nat(2 * 1_440),
        (text, timezone, date, offset) => {
          const schedule = cronSchedule(text, timezone)
          const after = at(`${date}T00:00Z`) + (offset - 1_440) * MINUTE
          const first = nextDue(schedule, after) ?? 0
          const second = nextDue(schedule, first) ?? 0
          expect(first).toBeGreaterThan(after)
          expect(second).toBeGreaterThan(first)
          expect(previousDue(schedule, second - 1)).toBe(first)
          expect(previousDue(schedule, first)).toBe(first)
          expect(intervalOf(schedule, second)).toEqual({ start: first, end: second })
        },
      ),
      { numRuns: 300 },
    )
  })
})
