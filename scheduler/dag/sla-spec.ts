import { parseDuration } from '../../duration.js'
import { isObject, type Json, type JsonObject } from '../../json.js'
import { recipientsOf } from './alert-schema.js'
import type { Sla, SlaRule } from './model.js'
import type { Report } from './report.js'
import { SLA_DEFAULTS } from './sla-schema.js'
import type { Path } from './tree.js'

const CLOCK_TIME = /^(\d\d):(\d\d)(?: \+(\d+)d)?$/
const MINUTE_MS = 60_000

/** What the schema cannot say about the deadlines of a DAG and its tasks. */
export function checkSlas(dag: JsonObject, report: Report): void {
  checkSla(dag.sla, ['sla'], report)
  if (!isObject(dag.tasks)) return
  for (const [id, task] of Object.entries(dag.tasks)) {
    if (isObject(task)) checkSla(task.sla, ['tasks', id, 'sla'], report)
  }
}

function checkSla(sla: unknown, path: Path, report: Report): void {
  if (!isObject(sla) || !report.isGood(path)) return
  const { by, within, from } = sla
  if (by === undefined && within === undefined) {
    const hint = 'for example { by: "07:00" } or { within: 1h }'
    report.error(path, 'key', '`sla` names no deadline: it needs `by` or `within`', hint)
  }
  if (typeof within === 'string' && (parseDuration(within) ?? 0) === 0) {
    const message = `\`within\` is not a duration longer than nothing: ${within.slice(0, 50)}`
    report.error([...path, 'within'], 'value', message, 'write each unit once, the greatest first: 1h30m')
  }
  if (from !== undefined && within === undefined) {
    const hint = 'remove it: a clock time counts from the day on which the run was due'
    report.error([...path, 'from'], 'key', '`from` says what `within` counts from, but there is no `within`', hint)
  }
}

/**
 * The deadlines that a file declares for a DAG or a task.
 * @param written the value of `sla`, in which nothing is wrong; undefined for none
 */
export function slasOf(written: Json | undefined): Sla[] {
  if (!isObject(written)) return []
  const sla = { ...SLA_DEFAULTS, ...written } as JsonObject
  const common = {
    afterFailure: sla.after_failure as Sla['afterFailure'],
    earlyWarning: (sla.early_warning ?? null) as Sla['earlyWarning'],
    to: sla.email === undefined && sla.webhook === undefined ? null : recipientsOf(written),
  }
  const slas: Sla[] = []
  if (typeof sla.by === 'string') slas.push({ name: `by ${sla.by}`, rule: byRule(sla.by), ...common })
  if (typeof sla.within === 'string') {
    const from = sla.from === 'start' ? 'start' : 'due'
    const rule: SlaRule = { kind: 'within', withinMs: parseDuration(sla.within) ?? 0, from }
    slas.push({ name: `within ${sla.within}${from === 'start' ? ' from start' : ''}`, rule, ...common })
  }
  return slas
}

function byRule(text: string): SlaRule {
  const [, hours, minutes, days] = CLOCK_TIME.exec(text) ?? []
  const timeOfDayMs = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS
  return { kind: 'by', timeOfDayMs, days: days === undefined ? null : Number(days) }
}
