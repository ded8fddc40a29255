import { isObject, type JsonObject } from '../../json.js'
import type { ParamSpec } from './model.js'
import { specProblem } from './params.js'
import type { Report } from './report.js'
import { checkSchedule } from './schedule-checks.js'
import type { Calendars } from './schedule-spec.js'
import { checkSlas } from './sla-spec.js'

/** Names that JavaScript gives to every object; as ids they would be mistaken for what is always there. */
const RESERVED_IDS: ReadonlySet<string> = new Set(['constructor', 'prototype'])

/** What the schema cannot say about the keys of the DAG itself. */
export function checkDag(dag: JsonObject, calendars: Calendars | null, report: Report): void {
  if (typeof dag.dag === 'string' && RESERVED_IDS.has(dag.dag)) reserved(['dag'], 'value', dag.dag, report)
  if (isObject(dag.tasks)) {
    for (const id of Object.keys(dag.tasks)) if (RESERVED_IDS.has(id)) reserved(['tasks', id], 'key', id, report)
  }
  checkSchedule(dag, calendars, report)
  checkSlas(dag, report)
  checkOverlap(dag, report)
  if (isObject(dag.params)) checkParams(dag.params, runsByItself(dag.schedule), report)
}

/** A delivery to a webhook brings parameters, all other runs that nobody makes by hand do without. */
function runsByItself(schedule: unknown): boolean {
  return schedule !== undefined && !(isObject(schedule) && Object.keys(schedule).every((key) => key === 'webhooks'))
}

/** What may not stand together: a run that `skip` leaves out is neither made up for nor one that a later run may wait for. */
function checkOverlap(dag: JsonObject, report: Report): void {
  if (dag.overlap === undefined || dag.overlap === 'queue' || !report.isGood(['overlap'])) return
  const catchup = dag.catchup
  if (catchup === 'all' || isObject(catchup)) {
    const message = `\`overlap: ${dag.overlap}\` would drop the runs that \`catchup\` makes up for`
    report.error(['overlap'], 'value', message, 'use `overlap: queue`, or `catchup: last`')
  }
  const shared = isObject(dag.defaults) && dag.defaults.depends_on_past === true
  const tasks = isObject(dag.tasks) ? Object.values(dag.tasks) : []
  if (!shared && dag.depends_on_past !== true && !tasks.some((task) => isObject(task) && task.depends_on_past === true))
    return
  const message = `\`overlap: ${dag.overlap}\` ends runs that \`depends_on_past\` waits for`
  report.error(['overlap'], 'value', message, 'use `overlap: queue`')
}

function reserved(path: string[], at: 'key' | 'value', id: string, report: Report): void {
  report.error(path, at, `the id \`${id}\` is reserved`, 'choose another one')
}

function checkParams(params: Record<string, unknown>, isScheduled: boolean, report: Report): void {
  for (const [name, spec] of Object.entries(params)) {
    if (!report.isGood(['params', name]) || !isObject(spec)) continue
    const problem = specProblem(spec as unknown as ParamSpec)
    if (problem !== null) report.error(['params', name, problem.key], 'value', problem.message, problem.hint)
    else if (isScheduled && spec.default === undefined) {
      const message = `\`${name}\` has no default, but nobody gives it to a scheduled run`
      report.error(['params', name], 'key', message, 'add `default`')
    }
  }
}
