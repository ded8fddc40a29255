import type { Json, JsonObject } from '../../json.js'
import { cronProblem, isTimezone } from './cron.js'
import type { ParamSpec } from './model.js'
import { specProblem } from './params.js'
import { isMap } from './phrases.js'
import type { Report } from './report.js'
import { startInstant } from './start.js'
import { didYouMean } from './suggest.js'

/** Names that JavaScript gives to every object; as ids they would be mistaken for what is always there. */
const RESERVED_IDS: ReadonlySet<string> = new Set(['constructor', 'prototype'])

/** What the schema cannot say about the keys of the DAG itself. */
export function checkDag(dag: JsonObject, report: Report): void {
  if (typeof dag.dag === 'string' && RESERVED_IDS.has(dag.dag)) reserved(['dag'], 'value', dag.dag, report)
  if (isMap(dag.tasks)) {
    for (const id of Object.keys(dag.tasks)) if (RESERVED_IDS.has(id)) reserved(['tasks', id], 'key', id, report)
  }
  checkSchedule(dag.schedule, report)
  if (typeof dag.start === 'string' && report.isGood(['start']) && startInstant(dag.start, 'UTC') === null) {
    report.error(
      ['start'],
      'value',
      `\`start\` is no date there is: ${dag.start}`,
      'is the month or the day out of range?',
    )
  }
  if (isMap(dag.params)) checkParams(dag.params, dag.schedule !== undefined, report)
}

function reserved(path: string[], at: 'key' | 'value', id: string, report: Report): void {
  report.error(path, at, `the id \`${id}\` is reserved`, 'choose another one')
}

function checkSchedule(schedule: Json | undefined, report: Report): void {
  if (schedule === undefined || !report.isGood(['schedule'])) return
  const inMap = isMap(schedule)
  const cron = inMap ? schedule.cron : schedule
  if (typeof cron === 'string') {
    const problem = cronProblem(cron)
    const path = inMap ? ['schedule', 'cron'] : ['schedule']
    if (problem !== null)
      report.error(path, 'value', `the schedule \`${cron.slice(0, 100)}\` ${problem}`, cronHint(cron))
  }
  if (inMap && typeof schedule.timezone === 'string' && !isTimezone(schedule.timezone)) {
    const hint =
      didYouMean(schedule.timezone, Intl.supportedValuesOf('timeZone')) || 'write a name such as Europe/Paris'
    report.error(
      ['schedule', 'timezone'],
      'value',
      `there is no time zone \`${schedule.timezone.slice(0, 100)}\``,
      hint,
    )
  }
}

function cronHint(cron: string): string {
  const fields = cron.trim().split(/\s+/).length
  if (fields === 6 || fields === 7) return 'seconds and years are not supported: leave them out'
  return 'for example "0 6 * * *" (every day at 06:00) or @daily'
}

function checkParams(params: Record<string, unknown>, isScheduled: boolean, report: Report): void {
  for (const [name, spec] of Object.entries(params)) {
    if (!report.isGood(['params', name]) || !isMap(spec)) continue
    const problem = specProblem(spec as unknown as ParamSpec)
    if (problem !== null) report.error(['params', name, problem.key], 'value', problem.message, problem.hint)
    else if (isScheduled && spec.default === undefined) {
      const message = `\`${name}\` has no default, but nobody gives it to a scheduled run`
      report.error(['params', name], 'key', message, 'add `default`')
    }
  }
}
