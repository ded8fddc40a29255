import type { Request } from 'express'
import type { Instant, JsonObject } from '../../json.js'
import { validateParams } from '../../scheduler/commands/params.js'
import type { ManualRunOptions } from '../../scheduler/core/model.js'
import type { Dag, ParamSpec } from '../../scheduler/dag/model.js'
import { paramFromText } from '../../scheduler/dag/params.js'
import { instantFromText } from '../present/wall-instant.js'

/** What the form sent, as text, so that it can be shown again. */
export interface TriggerFields {
  params: Record<string, string>
  interval: 'latest' | 'other'
  start: string
  end: string
  tasks: 'all' | 'some'
  chosen: string[]
  withNeeds: boolean
  noChecks: boolean
  key: string
}

export type TriggerErrors = Map<string, string>

/**
 * The trigger form as it was sent, so that it can be shown again as it was; nothing is checked yet.
 * @returns the fields, with the value of each parameter as text; a box that is not ticked sends nothing
 */
export function triggerFields(req: Request, dag: Dag): TriggerFields {
  const body = (typeof req.body === 'object' && req.body !== null ? req.body : {}) as Record<string, unknown>
  const text = (name: string) => (typeof body[name] === 'string' ? body[name] : '')
  const params: Record<string, string> = {}
  for (const [name, spec] of Object.entries(dag.params)) {
    const value = text(`param.${name}`)
    params[name] = spec.type === 'boolean' ? (value === '' ? 'false' : 'true') : value
  }
  const chosen = body.task
  return {
    params,
    interval: text('interval') === 'other' ? 'other' : 'latest',
    start: text('start'),
    end: text('end'),
    tasks: text('tasks') === 'some' ? 'some' : 'all',
    chosen: (Array.isArray(chosen) ? chosen : [chosen]).filter((task): task is string => typeof task === 'string'),
    withNeeds: text('with_needs') === '1',
    noChecks: text('no_checks') === '1',
    key: text('key').slice(0, 100),
  }
}

/** The run that the fields ask for, or one sentence for each field that needs a change. */
export function triggerOptions(
  dag: Dag,
  fields: TriggerFields,
  timezone: string,
): { options: ManualRunOptions } | { errors: TriggerErrors } {
  const errors: TriggerErrors = new Map()
  const params = givenParams(dag, fields)
  const checked = validateParams(dag.params, params)
  if ('problems' in checked) for (const { name, message } of checked.problems) errors.set(name, message)
  const interval = fields.interval === 'other' ? intervalOf(fields, timezone, errors) : null
  const onlyTasks = fields.tasks === 'some' ? chosenTasks(dag, fields, errors) : null
  return errors.size > 0 ? { errors } : { options: { params, interval, onlyTasks, noChecks: fields.noChecks } }
}

/** Empty means the default, so an empty field is not given at all. */
function givenParams(dag: Dag, fields: TriggerFields): JsonObject {
  const params: JsonObject = {}
  for (const [name, spec] of Object.entries(dag.params)) {
    const text = fields.params[name] ?? ''
    if (text.trim() === '') continue
    const value = spec.type === 'array' ? paramFromText(spec, listText(text, spec)) : paramFromText(spec, text.trim())
    Object.defineProperty(params, name, { value, enumerable: true })
  }
  return params
}

/** One item a line, as the JSON list that `paramFromText` reads. */
function listText(text: string, spec: ParamSpec): string {
  const items = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const item: ParamSpec = { type: spec.items ?? 'string' }
  return JSON.stringify(items.map((line) => paramFromText(item, line)))
}

function intervalOf(
  fields: TriggerFields,
  timezone: string,
  errors: TriggerErrors,
): { start: Instant; end: Instant } | null {
  const [start, end] = [instantFromText(fields.start, timezone), instantFromText(fields.end, timezone)]
  if (start === null || end === null) {
    errors.set('interval', 'Write both as YYYY-MM-DD HH:MM; the time must exist in the zone of the DAG.')
    return null
  }
  if (start >= end) {
    errors.set('interval', 'The start must lie before the end.')
    return null
  }
  return { start, end }
}

function chosenTasks(dag: Dag, fields: TriggerFields, errors: TriggerErrors): string[] {
  const needs = new Map(dag.tasks.map((task) => [task.id, task.needs]))
  const chosen = new Set(fields.chosen.filter((task) => needs.has(task)))
  if (chosen.size === 0) errors.set('tasks', 'Choose at least one task.')
  // a set may grow while it is gone through
  if (fields.withNeeds) for (const task of chosen) for (const need of needs.get(task) ?? []) chosen.add(need)
  return dag.tasks.map((task) => task.id).filter((task) => chosen.has(task))
}
