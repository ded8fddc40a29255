import type { Dag, ParamSpec } from '../../scheduler/dag/model.js'
import type { TriggerFields } from '../routes/trigger-request.js'
import { count } from './numbers.js'
import { instantFromText } from './wall-instant.js'

/** One parameter as a form shows it. */
export function fieldView(name: string, spec: ParamSpec, value: string, error: string) {
  const choices = (spec.type === 'array' ? undefined : spec.enum)?.map((choice) => {
    const text = typeof choice === 'string' ? choice : JSON.stringify(choice)
    return { value: text, label: text, chosen: text === value }
  })
  return {
    id: `p-${name}`,
    input: `param.${name}`,
    label: spec.title ?? name,
    kind: kindText(spec),
    // kinds of control, one of them true
    isChoice: choices !== undefined,
    isBox: choices === undefined && spec.type === 'boolean',
    isList: choices === undefined && spec.type === 'array',
    isText: choices === undefined && spec.type !== 'boolean' && spec.type !== 'array',
    choices: choices ?? [],
    optional: spec.default !== undefined || value === '',
    checked: value === 'true',
    value,
    numeric: spec.type === 'integer' || spec.type === 'number' || spec.type === 'date',
    placeholder: spec.type === 'date' ? 'YYYY-MM-DD' : '',
    description: spec.description ?? '',
    error,
  }
}

/** `integer, 1 to 5,000,000`; `list of numbers`; `date, required` */
function kindText(spec: ParamSpec): string {
  const base = spec.type === 'array' ? `list of ${spec.items ?? 'string'}s` : spec.type
  const { minimum, maximum } = spec
  const bounds =
    minimum !== undefined && maximum !== undefined
      ? `${count(minimum)} to ${count(maximum)}`
      : minimum !== undefined
        ? `at least ${count(minimum)}`
        : maximum !== undefined
          ? `at most ${count(maximum)}`
          : ''
  const required = spec.default === undefined ? 'required' : ''
  return [base, bounds, required].filter((part) => part !== '').join(', ')
}

/** The command line that does the same; only what differs from the defaults. */
export function shellCommand(dag: Dag, fields: TriggerFields, timezone: string): string {
  const parts = [`npx sluice trigger ${quoted(dag.id)}`]
  for (const [name, spec] of Object.entries(dag.params)) {
    const value = (fields.params[name] ?? '').trim()
    const standard = spec.default === undefined ? '' : textOfDefault(spec)
    if (value === standard || value === '') continue
    parts.push(`--param ${quoted(`${name}=${spec.type === 'array' ? listValue(value) : value}`)}`)
  }
  if (fields.interval === 'other') {
    const [start, end] = [instantFromText(fields.start, timezone), instantFromText(fields.end, timezone)]
    if (start !== null && end !== null)
      parts.push(`--interval ${new Date(start).toISOString()}/${new Date(end).toISOString()}`)
  }
  if (fields.tasks === 'some') for (const task of fields.chosen) parts.push(`--task ${quoted(task)}`)
  if (fields.noChecks) parts.push('--no-checks')
  return parts.join(' \\\n  ')
}

function textOfDefault(spec: ParamSpec): string {
  if (Array.isArray(spec.default)) return spec.default.map((item) => String(item)).join('\n')
  return typeof spec.default === 'string' ? spec.default : JSON.stringify(spec.default)
}

function listValue(text: string): string {
  const items = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  return JSON.stringify(items.map((item) => (/^-?\d+(\.\d+)?$/.test(item.trim()) ? Number(item) : item.trim())))
}

/** A word that a POSIX shell takes as it is. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./:=@,+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
