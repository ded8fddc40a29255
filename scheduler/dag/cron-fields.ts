import { listed } from './suggest.js'

/** A cron expression taken apart. Lists are sorted and hold each value once. */
export interface CronFields {
  seconds: number[]
  minutes: number[]
  hours: number[]
  /** 1 to 12 */
  months: number[]
  /** false for `*`: any day of the month */
  limitsDays: boolean
  days: DayRule[]
  /** false for `*`: any day of the week */
  limitsWeekdays: boolean
  weekdays: WeekdayRule[]
  /** a `*` in second, minute or hour: it follows the clock through changes, instead of naming wall times of a day */
  followsClock: boolean
}

/** A day of the month: itself, the weekday (Monday to Friday) nearest to it, or the last day or weekday of the month. */
export interface DayRule {
  /** 1 to 31; `last` for L */
  day: number | 'last'
  nearestWeekday: boolean
}

/** 0 is Sunday; `nth` is 1 to 5 or the last one of the month, null for each. */
export interface WeekdayRule {
  weekday: number
  nth: number | 'last' | null
}

interface Field {
  name: string
  least: number
  most: number
  /** names of its values, the first standing for `least` */
  names: readonly string[]
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const SECOND: Field = { name: 'second', least: 0, most: 59, names: [] }
const MINUTE: Field = { name: 'minute', least: 0, most: 59, names: [] }
const HOUR: Field = { name: 'hour', least: 0, most: 23, names: [] }
const DAY: Field = { name: 'day-of-month', least: 1, most: 31, names: [] }
const MONTH: Field = { name: 'month', least: 1, most: 12, names: MONTHS }
/** 7 is Sunday too */
const WEEKDAY: Field = { name: 'day-of-week', least: 0, most: 7, names: WEEKDAYS }

const SHORTHANDS: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** What is wrong with a cron text, as the rest of a sentence that begins with it. */
export class CronSyntaxError extends Error {
  constructor(
    message: string,
    /** what to do about it; '' when the message says all */
    readonly hint: string,
  ) {
    super(message)
    this.name = 'CronSyntaxError'
  }
}

/**
 * Reads a cron expression: five fields `minute hour day-of-month month day-of-week`, or six with the second first, or a
 * shorthand such as `@daily`. A field is `*` or a list of values, ranges `a-b` and steps `*\/n`, `a-b/n`; months and days of
 * the week may be named; `?` is `*`. A day of the month may be `L` (the last), `15W` (the weekday nearest to it) or `LW`, a day
 * of the week `5#2` (the second Friday) or `5L` (the last one).
 * @throws CronSyntaxError
 */
export function parseCron(text: string): CronFields {
  const words = text.trim().split(/\s+/)
  const fields = words[0]?.startsWith('@') ? shorthand(words.join(' ')).split(' ') : words
  if (fields.length !== 5 && fields.length !== 6) throw wrongCount(text.trim() === '' ? 0 : fields.length)
  const [second, minute, hour, day, month, weekday] = (fields.length === 5 ? ['0', ...fields] : fields) as Six
  const clock = [second, minute, hour]
  return {
    seconds: values(second, SECOND),
    minutes: values(minute, MINUTE),
    hours: values(hour, HOUR),
    months: values(month, MONTH),
    limitsDays: !isAny(day),
    days: isAny(day) ? [] : day.split(',').flatMap(dayRules),
    limitsWeekdays: !isAny(weekday),
    weekdays: isAny(weekday) ? [] : weekday.split(',').flatMap(weekdayRules),
    followsClock: clock.some((field) => field.includes('*') || field.includes('?')),
  }
}

type Six = [string, string, string, string, string, string]

function shorthand(text: string): string {
  const fields = SHORTHANDS[text.toLowerCase()]
  if (fields !== undefined) return fields
  throw new CronSyntaxError('is not a shorthand', `there are ${listed(Object.keys(SHORTHANDS), 'and')}`)
}

function wrongCount(count: number): CronSyntaxError {
  const found = count === 0 ? 'nothing' : `${count} field${count === 1 ? '' : 's'}`
  const expected = 'not the five `minute hour day-of-month month day-of-week`, or six with the second first'
  return new CronSyntaxError(`has ${found}, ${expected}`, 'for example "0 6 * * *" (every day at 06:00) or @daily')
}

function isAny(text: string): boolean {
  return text === '*' || text === '?'
}

function values(text: string, field: Field): number[] {
  return sorted(text.split(',').flatMap((part) => partValues(part, field)))
}

function partValues(part: string, field: Field): number[] {
  const [range = '', step, ...more] = part.split('/')
  if (more.length > 0) throw notUnderstood(part, field)
  const by = step === undefined ? 1 : stepOf(step, part, field)
  const [from, to] = isAny(range) ? [field.least, Math.min(field.most, lastOf(field))] : rangeOf(range, field)
  if (step !== undefined && from === to && !range.includes('-')) {
    throw notUnderstood(part, field, `write ${from}-${lastOf(field)}/${step}`)
  }
  const found: number[] = []
  for (let value = from; value <= to; value += by) found.push(value)
  return found
}

/** `*` in day-of-week ends on Saturday: the 7 is another name of the 0. */
function lastOf(field: Field): number {
  return field === WEEKDAY ? 6 : field.most
}

function stepOf(step: string, part: string, field: Field): number {
  const by = /^\d{1,2}$/.test(step) ? Number(step) : 0
  if (by === 0) throw notUnderstood(part, field, 'a step is a whole number above zero')
  return by
}

function rangeOf(range: string, field: Field): [number, number] {
  const [first = '', last, ...more] = range.split('-')
  if (more.length > 0) throw notUnderstood(range, field)
  const from = numberIn(first, field)
  if (last === undefined) return [from, from]
  const to = numberIn(last, field)
  // Friday to Sunday: here the 0 is a 7
  if (field === WEEKDAY && to === 0 && from > 0) return [from, 7]
  if (from > to) throw notUnderstood(range, field, `write it as two: ${first}-${lastOf(field)},${field.least}-${last}`)
  return [from, to]
}

function numberIn(text: string, field: Field): number {
  const named = field.names.indexOf(text.toUpperCase())
  if (named >= 0) return named + field.least
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  if (value >= field.least && value <= field.most) return value
  throw notUnderstood(text, field)
}

function dayRules(part: string): DayRule[] {
  const match = /^(L|\d{1,2})(W?)$/i.exec(part)
  if (match === null || !/[LW]/i.test(part)) return partValues(part, DAY).map((day) => ({ day, nearestWeekday: false }))
  const [, day = '', nearest = ''] = match
  return [{ day: /^L$/i.test(day) ? 'last' : numberIn(day, DAY), nearestWeekday: nearest !== '' }]
}

function weekdayRules(part: string): WeekdayRule[] {
  const match = /^(\w{1,3})#([1-5])$/.exec(part) ?? /^(\d|[A-Z]{3})(L)$/i.exec(part)
  if (match === null) return partValues(part, WEEKDAY).map((value) => ({ weekday: value % 7, nth: null }))
  const [, day = '', nth = ''] = match
  return [{ weekday: numberIn(day, WEEKDAY) % 7, nth: /^L$/i.test(nth) ? 'last' : Number(nth) }]
}

function notUnderstood(part: string, field: Field, hint = ''): CronSyntaxError {
  const names = field.names.length === 0 ? '' : ` or ${field.names[0]} to ${field.names.at(-1)}`
  const expected = `${field.least} to ${field.most}${names}`
  return new CronSyntaxError(`has \`${part}\` where the ${field.name} goes, which is ${expected}`, hint)
}

function sorted(found: readonly number[]): number[] {
  return [...new Set(found)].sort((a, b) => a - b)
}
