import { Cron } from 'croner'
import { messageOf } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { CronSchedule } from './model.js'
import { remembered } from './remembered.js'

/**
 * When schedules are due (DESIGN 5). The rule, which croner keeps when it is set up as here:
 * - a fixed wall time fires once a day: at the first instant after a gap that swallows it (times that meet there fire
 *   once), and at the first occurrence in a repeated hour;
 * - a `*` in minute or hour follows the clock through both;
 * - a whole missing day (Apia, 2011-12-30) has no run;
 * - day of month and day of week are OR when both are restricted.
 */

/** Half-open: `[start, end)`. */
export interface Interval {
  start: Instant
  end: Instant
}

/** A pattern that fires at all fires after this instant: five fields carry no year, and leap days come every 8 years. */
const BEFORE_ALL_SCHEDULES: Instant = Date.UTC(2000, 0, 1)

/** croner holds about 83 kB per pattern, so only the schedules in use just now stay compiled. */
const COMPILED_LIMIT = 32
const compiled = new Map<string, Cron>()

/** The first due instant after `after` (exclusive); null when there is none. */
export function nextDue(schedule: CronSchedule, after: Instant): Instant | null {
  return compile(schedule).nextRun(new Date(after))?.getTime() ?? null
}

/** The last due instant at or before `atOrBefore`; null when there is none. */
export function previousDue(schedule: CronSchedule, atOrBefore: Instant): Instant | null {
  // croner's bound is exclusive
  return (
    compile(schedule)
      .previousRuns(1, new Date(atOrBefore + 1))[0]
      ?.getTime() ?? null
  )
}

/** The due instants with `from <= due < to`, earliest first, at most `limit`. */
export function dueTicks(schedule: CronSchedule, from: Instant, to: Instant, limit: number): Instant[] {
  const ticks: Instant[] = []
  let due = nextDue(schedule, from - 1)
  while (due !== null && due < to && ticks.length < limit) {
    ticks.push(due)
    due = nextDue(schedule, due)
  }
  return ticks
}

/** The data interval of the run due at `dueAt`: from the due instant before it up to it, so that intervals tile. */
export function intervalOf(schedule: CronSchedule, dueAt: Instant): Interval {
  return { start: previousDue(schedule, dueAt - 1) ?? dueAt, end: dueAt }
}

/** The latest interval that is over at `now`: what a run by hand takes. Null when the schedule was never due. */
export function latestInterval(schedule: CronSchedule, now: Instant): Interval | null {
  const end = previousDue(schedule, now)
  return end === null ? null : intervalOf(schedule, end)
}

/** What is wrong with a cron text, as the rest of a sentence that begins with it; null when it is good. */
export const cronProblem = remembered((cron: string): string | null => {
  const fields = cron.trim().split(/\s+/)
  if (!cron.trim().startsWith('@') && fields.length !== 5) {
    const found = cron.trim() === '' ? 'nothing' : `${fields.length} field${fields.length === 1 ? '' : 's'}`
    return `has ${found}, not the five \`minute hour day-of-month month day-of-week\``
  }
  try {
    const next = nextDue({ cron, timezone: 'UTC' }, BEFORE_ALL_SCHEDULES)
    return next === null ? 'never fires: no date has that day and month' : null
  } catch (error) {
    return `is not a cron expression: ${messageOf(error).replace(/^(CronPattern: )?(Syntax error, )?/, '')}`
  }
})

/** True for the names of time zones that this Node knows, e.g. `Europe/Paris`. */
export const isTimezone = remembered((timezone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
    return timezone !== '' && !/^[+-]/.test(timezone)
  } catch {
    return false
  }
})

function compile(schedule: CronSchedule): Cron {
  const key = `${schedule.timezone}\n${schedule.cron}`
  const known = compiled.get(key)
  if (known !== undefined) {
    compiled.delete(key)
    compiled.set(key, known)
    return known
  }
  const cron = new Cron(withoutSteppedRanges(schedule.cron.trim()), {
    timezone: schedule.timezone,
    mode: '5-part',
    fixedTimeRule: 'no-wildcard',
    paused: true,
  })
  compiled.set(key, cron)
  const oldest = compiled.keys().next()
  if (compiled.size > COMPILED_LIMIT && !oldest.done) compiled.delete(oldest.value)
  return cron
}

/**
 * Writes `0-30/10` in minute and hour as `0,10,20,30`: croner takes any step for a wildcard, but by our rule only a `*`
 * follows the clock. What is out of range stays as it is for croner to refuse.
 */
function withoutSteppedRanges(cron: string): string {
  return cron
    .split(/\s+/)
    .map((field, position) => (position > 1 ? field : field.split(',').map(expandRange).join(',')))
    .join(' ')
}

function expandRange(part: string): string {
  const match = /^(\d{1,2})-(\d{1,2})\/(\d{1,2})$/.exec(part)
  if (match === null) return part
  const [from, to, step] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (step === 0 || from > to || to > 59) return part
  const values: number[] = []
  for (let value = from; value <= to; value += step) values.push(value)
  return values.join(',')
}
