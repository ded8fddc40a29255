import { parseDuration } from '../../duration.js'
import { isObject, type JsonObject } from '../../json.js'
import { cronProblem } from './cron.js'
import type { Report } from './report.js'
import { isTimezone, nextDue } from './schedule.js'
import { type Calendars, isDate, scheduleOf, timezoneOf, writtenCrons, writtenSkips } from './schedule-spec.js'
import { startInstant } from './start.js'
import { didYouMean } from './suggest.js'
import { TRIGGER_KEYS } from './trigger-spec.js'

const SHORTEST_EVERY_MS = 1_000
/** Where a schedule without `start` is looked at from, to see whether it is ever due. */
const LONG_AGO = Date.UTC(2000, 0, 1)

/**
 * What the schema cannot say about when a DAG runs.
 * @param calendars those of `sluice.yaml`; null when they are not known, so that any name is accepted
 */
export function checkSchedule(dag: JsonObject, calendars: Calendars | null, report: Report): void {
  checkBounds(dag, report)
  if (dag.catchup !== undefined) checkCatchup(dag, report)
  const { schedule } = dag
  if (schedule === undefined || !report.isGood(['schedule'])) return
  for (const { cron, path } of writtenCrons(schedule)) {
    const problem = cronProblem(cron)
    if (problem === null) continue
    report.error(path, 'value', `the schedule \`${cron.slice(0, 100)}\` ${problem.message}`, problem.hint)
  }
  if (isObject(schedule)) checkMap(schedule as JsonObject, report)
  checkSkips(dag, calendars, report)
  if (report.isGood(['schedule']) && report.isGood(['start']) && report.isGood(['end']))
    checkEverDue(dag, calendars, report)
}

function checkMap(schedule: JsonObject, report: Report): void {
  const { cron, every, timezone } = schedule
  const triggered = TRIGGER_KEYS.some((key) => schedule[key] !== undefined)
  if (cron !== undefined && every !== undefined) {
    report.error(['schedule'], 'key', '`schedule` has both `cron` and `every`', 'leave one of them')
  } else if (cron === undefined && every === undefined) {
    const ofTime = (['timezone', 'skip', 'business_days'] as const).find((key) => schedule[key] !== undefined)
    if (!triggered) {
      const hint = 'for example { cron: "0 6 * * *" }, { every: 15m } or { tables: [silver.sales] }'
      report.error(['schedule'], 'key', '`schedule` needs `cron` or `every`, or something else that starts runs', hint)
    } else if (ofTime !== undefined) {
      const message = `\`${ofTime}\` is about time, but \`schedule\` has no \`cron\` or \`every\``
      report.error(['schedule', ofTime], 'key', message, 'remove it')
    }
  }
  if (typeof every === 'string') {
    const ms = parseDuration(every)
    const hint = 'write each unit once, the greatest first: 1h30m'
    if (ms === null)
      report.error(['schedule', 'every'], 'value', `\`every\` is not a duration: ${every.slice(0, 50)}`, hint)
    else if (ms < SHORTEST_EVERY_MS || ms % 1_000 !== 0) {
      report.error(
        ['schedule', 'every'],
        'value',
        '`every` must be whole seconds, at least one',
        'for example 30s or 15m',
      )
    }
  }
  if (typeof timezone === 'string' && !isTimezone(timezone)) {
    const hint = didYouMean(timezone, Intl.supportedValuesOf('timeZone')) || 'write a name such as Europe/Paris'
    report.error(['schedule', 'timezone'], 'value', `there is no time zone \`${timezone.slice(0, 100)}\``, hint)
  }
}

function checkSkips({ schedule }: JsonObject, calendars: Calendars | null, report: Report): void {
  for (const { entry, path } of writtenSkips(schedule)) {
    if (isDate(entry)) {
      if (startInstant(entry, 'UTC') === null)
        report.error(path, 'value', `\`skip\` names a day that does not exist: ${entry}`)
    } else if (calendars !== null && !Object.hasOwn(calendars, entry)) {
      const hint = didYouMean(entry, Object.keys(calendars)) || 'define it: `calendars: { name: [2026-12-25] }`'
      report.error(path, 'value', `there is no calendar \`${entry.slice(0, 100)}\` in sluice.yaml`, hint)
    }
  }
}

function checkBounds(dag: JsonObject, report: Report): void {
  for (const key of ['start', 'end'] as const) {
    const text = dag[key]
    if (typeof text !== 'string' || !report.isGood([key]) || startInstant(text, 'UTC') !== null) continue
    const hint = 'is the month or the day out of range?'
    report.error([key], 'value', `\`${key}\` is a day that does not exist: ${text}`, hint)
  }
}

function checkCatchup(dag: JsonObject, report: Report): void {
  const { catchup } = dag
  if (!report.isGood(['catchup']) || !isObject(catchup) || typeof catchup.window !== 'string') return
  if ((parseDuration(catchup.window) ?? 0) > 0) return
  const message = `\`window\` is not a duration longer than nothing: ${catchup.window.slice(0, 50)}`
  report.error(['catchup', 'window'], 'value', message, 'for example 7d')
}

/** An interval needs two due instants: from the first at or after `start` to one that `end` still lets be. */
function checkEverDue(dag: JsonObject, calendars: Calendars | null, report: Report): void {
  const schedule = scheduleOf(dag, calendars ?? {})
  if (schedule === null) return
  const { skip, businessDays, end } = schedule
  // without days left out and without an end each expression that is accepted fires, and looking for its first time is slow
  if (skip.length === 0 && !businessDays && end === null) return
  const timezone = timezoneOf(dag.schedule)
  const start = typeof dag.start === 'string' ? startInstant(dag.start, timezone) : null
  const first = nextDue({ ...schedule, end: null }, (start ?? LONG_AGO) - 1)
  if (first === null) {
    report.error(
      ['schedule'],
      'value',
      'the schedule never fires: its calendar leaves out every day it is due',
      'correct `skip` or `business_days`',
    )
  } else if (end !== null && nextDue(schedule, first) === null) {
    report.error(
      ['end'],
      'value',
      'the schedule never fires: no interval lies between `start` and `end`',
      'the first interval begins at or after `start`, the last one ends at or before `end`',
    )
  }
}
