import type { Instant } from '../../../json.js'
import type { Schedule } from '../../../scheduler/dag/model.js'

/** A second implementation of the schedules that the simulation has: all of them are due on whole seconds. */
export function isDue(schedule: Schedule, at: Instant): boolean {
  return isPlanned(schedule, at) && !isLeftOut(schedule, at)
}

/** True when nothing is due between the two. */
export function isNextDue(schedule: Schedule, tick: Instant, next: Instant): boolean {
  for (let at = tick + 1_000; at < next; at += 1_000) if (isDue(schedule, at)) return false
  return true
}

function isPlanned({ everyMs, anchor, crons }: Schedule, at: Instant): boolean {
  if (everyMs !== null) return (at - anchor) % everyMs === 0
  if (at % 1_000 !== 0) return false
  const second = (at / 1_000) % 60
  return crons.some((cron) => SECONDS_OF[cron]?.includes(second) ?? false)
}

/** no zone of the simulation is off by less than a minute */
const SECONDS_OF: Readonly<Record<string, readonly number[]>> = {
  '*/30 * * * * *': [0, 30],
  '* * * * *': [0],
  '*/45 * * * * *': [0, 45],
  '30 * * * * *': [30],
}

/** Whether the instant falls, by the clock on the wall there, on a day that the calendar leaves out. */
export function isLeftOut({ timezone, skip, businessDays }: Schedule, at: Instant): boolean {
  if (skip.length === 0 && !businessDays) return false
  const day = dayIn(timezone).formatToParts(at)
  const part = (type: string) => day.find((one) => one.type === type)?.value ?? ''
  const isWeekend = part('weekday') === 'Sat' || part('weekday') === 'Sun'
  return (businessDays && isWeekend) || skip.includes(`${part('year')}-${part('month')}-${part('day')}`)
}

const formats = new Map<string, Intl.DateTimeFormat>()

function dayIn(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone)
  if (known !== undefined) return known
  const date = { year: 'numeric', month: '2-digit', day: '2-digit', weekday: 'short' } as const
  const made = new Intl.DateTimeFormat('en', { timeZone, ...date })
  formats.set(timeZone, made)
  return made
}
