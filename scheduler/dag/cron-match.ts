import type { CronFields, DayRule, WeekdayRule } from './cron-fields.js'
import { DAY_MS, type Wall } from './zone.js'

/**
 * Wall times that match a cron expression, on a calendar without zones. A pattern that matches any day at all does so within
 * 40 years: the longest wait is for a 29 February on a certain day of the week, over a century without a leap day.
 */
const DAYS_LIMIT = 41 * 366

/** The first match at or after `wall`, a whole second; null when no day ever matches. */
export function nextMatch(fields: CronFields, wall: Wall): Wall | null {
  const today = Math.floor(wall / DAY_MS)
  if (matchesDay(fields, today)) {
    const time = timeFrom(fields, Math.ceil((wall - today * DAY_MS) / 1_000))
    if (time !== null) return today * DAY_MS + time * 1_000
  }
  const day = findDay(fields, today, 1)
  return day === null ? null : day * DAY_MS + clock(first(fields.hours), first(fields.minutes), first(fields.seconds))
}

/** The last match at or before `wall`; null when no day ever matches. */
export function previousMatch(fields: CronFields, wall: Wall): Wall | null {
  const today = Math.floor(wall / DAY_MS)
  if (matchesDay(fields, today)) {
    const time = timeUpTo(fields, Math.floor((wall - today * DAY_MS) / 1_000))
    if (time !== null) return today * DAY_MS + time * 1_000
  }
  const day = findDay(fields, today, -1)
  return day === null ? null : day * DAY_MS + clock(last(fields.hours), last(fields.minutes), last(fields.seconds))
}

/** The next day (in days since 1970) that matches, going by `step` from the one after `from`. */
function findDay(fields: CronFields, from: number, step: 1 | -1): number | null {
  for (let day = from + step; Math.abs(day - from) <= DAYS_LIMIT; day += step) {
    if (matchesDay(fields, day)) return day
    const date = new Date(day * DAY_MS)
    if (fields.months.includes(date.getUTCMonth() + 1)) continue
    // on to the edge of the month: the step leads out of it
    day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + (step === 1 ? 1 : 0), step === 1 ? 0 : 1) / DAY_MS
  }
  return null
}

function matchesDay(fields: CronFields, day: number): boolean {
  const { months, limitsDays, days, limitsWeekdays, weekdays } = fields
  const date = new Date(day * DAY_MS)
  const month = date.getUTCMonth() + 1
  if (!months.includes(month)) return false
  if (!limitsDays && !limitsWeekdays) return true
  const length = new Date(Date.UTC(date.getUTCFullYear(), month, 0)).getUTCDate()
  const dayOfMonth = date.getUTCDate()
  const weekday = date.getUTCDay()
  const byDay = limitsDays && days.some((rule) => dayRuled(rule, dayOfMonth, weekday, length))
  return byDay || (limitsWeekdays && weekdays.some((rule) => weekdayRuled(rule, dayOfMonth, weekday, length)))
}

function dayRuled(rule: DayRule, day: number, weekday: number, length: number): boolean {
  const target = rule.day === 'last' ? length : rule.day
  if (!rule.nearestWeekday) return day === target
  if (weekday === 0 || weekday === 6 || target > length) return false
  if (day === target) return true
  // the target is a Saturday just after this Friday, or a Sunday just before this Monday
  const friday = weekday === 5 && (day === target - 1 || (day === target - 2 && target === length))
  const monday = weekday === 1 && (day === target + 1 || (day === target + 2 && target === 1))
  return friday || monday
}

function weekdayRuled(rule: WeekdayRule, day: number, weekday: number, length: number): boolean {
  if (rule.weekday !== weekday) return false
  if (rule.nth === null) return true
  return rule.nth === 'last' ? day + 7 > length : Math.ceil(day / 7) === rule.nth
}

/** The first matching second of the day at or after `from`; null when the day has none left. */
function timeFrom({ hours, minutes, seconds }: CronFields, from: number): number | null {
  const [hour, minute, second] = [Math.floor(from / 3_600), Math.floor(from / 60) % 60, from % 60]
  for (const h of hours) {
    if (h < hour) continue
    if (h > hour) return clock(h, first(minutes), first(seconds)) / 1_000
    for (const m of minutes) {
      if (m < minute) continue
      if (m > minute) return clock(h, m, first(seconds)) / 1_000
      for (const s of seconds) if (s >= second) return clock(h, m, s) / 1_000
    }
  }
  return null
}

/** The last matching second of the day at or before `to`. */
function timeUpTo({ hours, minutes, seconds }: CronFields, to: number): number | null {
  const [hour, minute, second] = [Math.floor(to / 3_600), Math.floor(to / 60) % 60, to % 60]
  for (const h of hours.toReversed()) {
    if (h > hour) continue
    if (h < hour) return clock(h, last(minutes), last(seconds)) / 1_000
    for (const m of minutes.toReversed()) {
      if (m > minute) continue
      if (m < minute) return clock(h, m, last(seconds)) / 1_000
      for (const s of seconds.toReversed()) if (s <= second) return clock(h, m, s) / 1_000
    }
  }
  return null
}

/** milliseconds since midnight */
function clock(hour: number, minute: number, second: number): number {
  return ((hour * 60 + minute) * 60 + second) * 1_000
}

function first(values: readonly number[]): number {
  return values[0] ?? 0
}

function last(values: readonly number[]): number {
  return values.at(-1) ?? 0
}
