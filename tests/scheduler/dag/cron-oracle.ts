/**
 * When cron expressions are due, by the rule alone (docs/guides/time.md): the wall clock of a zone is read at every minute
 * of some years, and each expression is held against what it shows. Shares nothing with the code it judges: it parses by
 * itself, knows no gaps and no repeated hours, and asks for no next instant.
 */

const MINUTE = 60_000
const QUARTER = 15 * MINUTE
const DAY_MINUTES = 1_440

/** What a zone's clock shows at each minute from `from` on, in minutes since 1970 as if it were UTC. */
export interface Scan {
  from: number
  walls: Int32Array
  /** days (since 1970) that the clock has shown */
  days: Set<number>
}

/** The offset is asked for at each quarter of an hour, and at each minute of one in which it changes. */
export function scanZone(timezone: string, from: number, to: number): Scan {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' })
  const walls = new Int32Array((to - from) / MINUTE)
  const days = new Set<number>()
  let offset = offsetMinutes(format, from)
  for (let quarter = from; quarter < to; quarter += QUARTER) {
    const after = offsetMinutes(format, quarter + QUARTER)
    for (let instant = quarter; instant < quarter + QUARTER; instant += MINUTE) {
      if (after !== offset) offset = offsetMinutes(format, instant)
      const wall = instant / MINUTE + offset
      walls[(instant - from) / MINUTE] = wall
      days.add(Math.floor(wall / DAY_MINUTES))
    }
    offset = after
  }
  return { from, walls, days }
}

function offsetMinutes(format: Intl.DateTimeFormat, instant: number): number {
  const match = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(instant))
  if (match === null) throw new Error('the offset cannot be read')
  const [, sign, hours = '0', minutes = '0'] = match
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
}

interface Pattern {
  seconds: number[]
  minute: boolean[]
  hour: boolean[]
  isDay: (day: number) => boolean
  follows: boolean
}

/** The due instants in `[from + 2 days, end of the scan)`; the two days are for what the clock has shown before. */
export function dueByTheClock(cron: string, scan: Scan): number[] {
  const pattern = read(cron)
  const found: number[] = []
  let furthest = (scan.walls[0] ?? 0) - 1
  for (let index = 0; index < scan.walls.length; index++) {
    const wall = scan.walls[index] ?? 0
    const instant = scan.from + index * MINUTE
    if (pattern.follows) {
      if (matches(pattern, wall)) for (const second of pattern.seconds) found.push(instant + second * 1_000)
      continue
    }
    // what the clock has jumped over fires now, once, unless the whole day is missing
    let jumped = false
    for (let passed = furthest + 1; passed < wall; passed++) {
      jumped ||= scan.days.has(Math.floor(passed / DAY_MINUTES)) && matches(pattern, passed)
    }
    if (jumped) found.push(instant)
    if (wall > furthest && matches(pattern, wall)) {
      for (const second of pattern.seconds) if (!jumped || second > 0) found.push(instant + second * 1_000)
    }
    furthest = Math.max(furthest, wall)
  }
  const begin = scan.from + 2 * DAY_MINUTES * MINUTE
  return found.filter((instant) => instant >= begin)
}

function matches({ minute, hour, isDay }: Pattern, wall: number): boolean {
  return (
    minute[wall % 60] === true && hour[Math.floor(wall / 60) % 24] === true && isDay(Math.floor(wall / DAY_MINUTES))
  )
}

function read(cron: string): Pattern {
  const fields = cron.split(' ')
  if (fields.length === 5) fields.unshift('0')
  const [second = '', minute = '', hour = '', day = '', month = '', weekday = ''] = fields
  const months = flags(month, 1, 12)
  const weekdays = flags(weekday.replaceAll('7', '0'), 0, 6)
  const known = new Map<number, boolean>()
  const isDay = (number: number) => {
    const date = new Date(number * DAY_MINUTES * MINUTE)
    if (months[date.getUTCMonth() + 1] !== true) return false
    const byWeekday = weekdays[date.getUTCDay()] === true
    if (day === '*') return byWeekday
    const byDay = isDayOfMonth(day, date)
    return weekday === '*' ? byDay : byDay || byWeekday
  }
  return {
    seconds: flags(second, 0, 59).flatMap((on, value) => (on ? value : [])),
    minute: flags(minute, 0, 59),
    hour: flags(hour, 0, 23),
    isDay: (number) => {
      const before = known.get(number)
      if (before !== undefined) return before
      known.set(number, isDay(number))
      return known.get(number) === true
    },
    follows: [second, minute, hour].some((field) => field.startsWith('*')),
  }
}

function isDayOfMonth(field: string, date: Date): boolean {
  const tomorrow = new Date(date.getTime() + DAY_MINUTES * MINUTE)
  if (field === 'L') return tomorrow.getUTCDate() === 1
  return flags(field, 1, 31)[date.getUTCDate()] === true
}

function flags(field: string, least: number, most: number): boolean[] {
  const on: boolean[] = Array.from({ length: most + 1 }, () => false)
  for (const part of field.split(',')) {
    const [range = '', step = '1'] = part.split('/')
    const [from = '', to = from] = range === '*' ? [String(least), String(most)] : range.split('-')
    for (let value = Number(from); value <= Number(to); value += Number(step)) on[value] = true
  }
  return on
}

/** Zones with every kind of change: gaps and repeats of an hour and of half an hour, at midnight, of a day, and none. */
export const ZONES: readonly { timezone: string; year: number }[] = [
  { timezone: 'UTC', year: 2025 },
  { timezone: 'Europe/Berlin', year: 2025 },
  { timezone: 'Europe/London', year: 2025 },
  { timezone: 'America/New_York', year: 2025 },
  { timezone: 'America/Sao_Paulo', year: 2017 },
  { timezone: 'America/St_Johns', year: 2010 },
  { timezone: 'Africa/Cairo', year: 2024 },
  { timezone: 'Africa/Casablanca', year: 2025 },
  { timezone: 'Asia/Kathmandu', year: 2025 },
  { timezone: 'Australia/Lord_Howe', year: 2025 },
  { timezone: 'Pacific/Apia', year: 2010 },
  { timezone: 'Pacific/Chatham', year: 2025 },
]
export const YEARS = 3

/** Expressions that are due at most some times a day. */
export const SPARSE: readonly string[] = [
  ...['0 0 * * *', '30 0 * * *', '0 1 * * *', '30 1 * * *', '0 2 * * *', '30 2 * * *', '15 2 * * *', '0 3 * * *'],
  ...['59 23 * * *', '45 23 * * *', '0,30 2 * * *', '15,45 1 * * *', '10,40 0 * * *', '0 2,3 * * *', '30 1,2,3 * * *'],
  ...['0-30/10 2 * * *', '5-55/25 1 * * *', '20 0-4/2 * * *', '0 0-3 * * *', '30 22-23 * * *', '0 12 * * *'],
  ...['0 6 * * 1-5', '0 6 * * 0', '0 6 * * 7', '30 2 * * 0', '30 1 * * 0', '0 0 * * 6', '0 9 * * 1,3,5'],
  ...['0 0 1 * *', '30 2 1 * *', '0 0 15 * *', '0 0 31 * *', '0 6 L * *', '30 23 L * *', '0 0 29 2 *', '0 6 30 12 *'],
  ...['0 0 1 1 *', '0 12 1 */3 *', '0 0 1 * 1', '0 0 13 * 5', '30 2 25-31 10 0', '15 3 * 3,10 *', '0 0 */10 * *'],
  ...['30 15 2 * * *', '0,30 0 3 * * *', '10-50/20 59 1 * * *', '0 0 0 1 * *', '59 59 23 * * *'],
]
/** Those that follow the clock, and others due often. */
export const DENSE: readonly string[] = [
  ...[
    '* * * * *',
    '*/5 * * * *',
    '*/7 * * * *',
    '0 * * * *',
    '30 * * * *',
    '*/30 2 * * *',
    '* 1-3 * * 0',
    '0 */6 * * *',
  ],
  ...['0-59 * 29 * *', '0-59/15 0-23 * * *', '*/20 30 * * * *', '0 */15 0-4 * * *'],
]
