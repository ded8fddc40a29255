import { parseDuration } from '../../duration.js'
import { isObject, type Json, type JsonObject } from '../../json.js'
import type { Catchup, Schedule } from './model.js'
import { DATE_PATTERN, DEFAULT_TIMEZONE } from './schedule-schema.js'
import { startInstant } from './start.js'

/** Days without a run by the name of their calendar, as `sluice.yaml` defines them. */
export type Calendars = Readonly<Record<string, readonly string[]>>

const DATE = new RegExp(DATE_PATTERN)

/** The cron expressions as written, whichever form the schedule has; empty for one without. */
export function writtenCrons(schedule: Json | undefined): { cron: string; path: (string | number)[] }[] {
  const [cron, path] = isObject(schedule) ? [schedule.cron as Json, ['schedule', 'cron']] : [schedule, ['schedule']]
  if (typeof cron === 'string') return [{ cron, path }]
  if (!Array.isArray(cron)) return []
  return cron.flatMap((one, index) => (typeof one === 'string' ? [{ cron: one, path: [...path, index] }] : []))
}

/** The entries of `skip`, with their places. */
export function writtenSkips(schedule: Json | undefined): { entry: string; path: (string | number)[] }[] {
  const skip = isObject(schedule) ? (schedule.skip as Json | undefined) : undefined
  const path = ['schedule', 'skip']
  if (typeof skip === 'string') return [{ entry: skip, path }]
  if (!Array.isArray(skip)) return []
  return skip.flatMap((entry, index) => (typeof entry === 'string' ? [{ entry, path: [...path, index] }] : []))
}

/**
 * Whether an entry of `skip` is written as a day, `2026-12-25`; any other is the name of a calendar. That the day
 * exists is checked elsewhere.
 */
export function isDate(text: string): boolean {
  return DATE.test(text)
}

/** The zone whose wall clock the schedule follows; UTC where it names none or there is no schedule. */
export function timezoneOf(schedule: Json | undefined): string {
  const timezone = isObject(schedule) ? schedule.timezone : undefined
  return typeof timezone === 'string' ? timezone : DEFAULT_TIMEZONE
}

/**
 * The schedule that a DAG file declares; null for none.
 * @param dag a document whose keys about time are good
 * @param calendars where names in `skip` are looked up; an unknown one stands for no day
 */
export function scheduleOf(dag: JsonObject, calendars: Calendars): Schedule | null {
  const { schedule } = dag
  if (schedule === undefined || schedule === null) return null
  const map = isObject(schedule) ? schedule : {}
  // a map may say only what else starts runs
  if (isObject(schedule) && map.cron === undefined && map.every === undefined) return null
  const timezone = timezoneOf(schedule)
  const bound = (key: 'start' | 'end') => (typeof dag[key] === 'string' ? startInstant(dag[key], timezone) : null)
  const skip = writtenSkips(schedule).flatMap(({ entry }) => (isDate(entry) ? entry : (calendars[entry] ?? [])))
  return {
    crons: writtenCrons(schedule).map(({ cron }) => cron.trim()),
    everyMs: typeof map.every === 'string' ? parseDuration(map.every) : null,
    anchor: bound('start') ?? 0,
    timezone,
    skip: [...new Set(skip)].sort(),
    businessDays: map.business_days === true,
    end: bound('end'),
  }
}

/** What the file says of missed runs. */
export function catchupOf(catchup: Json | undefined): Catchup {
  if (catchup === 'last' || catchup === 'all') return catchup
  if (isObject(catchup) && typeof catchup.window === 'string') return { windowMs: parseDuration(catchup.window) ?? 0 }
  return 'none'
}

/** The dates of the named calendars that the schedule uses, as text: what of them belongs to the DAG's version. */
export function usedCalendars(schedule: Json | undefined, calendars: Calendars): string {
  const names = writtenSkips(schedule).flatMap(({ entry }) => (isDate(entry) ? [] : entry))
  return names.map((name) => `${name}: ${(calendars[name] ?? []).join(' ')}`).join('\n')
}
