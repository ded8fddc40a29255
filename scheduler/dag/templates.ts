import { messageOf, SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { CHECK_OPTION_SCHEMAS } from '../../lakehouse/checks/spec.js'
import type { Operator } from '../../operators/operator.js'
import { isTemplate, parseCondition } from './condition.js'
import type { CheckSpec, Dag, Task } from './model.js'
import { HELPERS, Identifier, isTrue, type TemplateValue } from './template-helpers.js'
import { placesOf, type TemplateMode, type ValuePlace } from './template-place.js'
import { mapSlots, mapTexts, slotsOf } from './template-slots.js'
import { type Expression, parseTemplate } from './template-syntax.js'
import { written } from './template-values.js'
import { pathText } from './tree.js'

/** The names a template may use when an attempt starts (docs/reference/dag.md, "Templates"). Instants are ISO 8601 texts. */
export interface TemplateScope {
  params: JsonObject
  interval: { start: string; end: string }
  run: { id: string; scheduled_at: string }
  dag: { id: string; [key: string]: Json }
  task: { id: string; attempt: number }
  tasks: Record<string, { outputs: JsonObject }>
  /** what started the run; `kind` is there for every run */
  trigger: JsonObject
  vars: Record<string, string>
  /** of a task with `for_each`, the value that this attempt is for */
  item?: Json
}

/** A task as its operator gets it. */
export interface RenderedTask {
  config: JsonObject
  /** text of each file the task names, by the path it is named with */
  files: Record<string, string>
  /** false: the task is to be skipped */
  when: boolean
  /** secrets (`${env:NAME}`) still unresolved */
  env: Record<string, string>
  checks: CheckSpec[]
}

/** Where a template stands, for messages. */
interface Place {
  mode: TemplateMode
  /** such as `task load, sql.query` or `sql/load.sql` */
  name: string
  timezone: string
}

/** `${env:NAME}` or `${file:path}`. */
const SECRET = /\$\{(env|file):/g

/**
 * Renders everything a task's attempt needs.
 * @throws SluiceError CONFIG_RENDER_FAILED (not retryable) naming place and template, e.g. for an output that is not there
 */
export function renderTask(dag: Dag, task: Task, operator: Operator, scope: TemplateScope): RenderedTask {
  const timezone = dag.schedule?.timezone ?? 'UTC'
  const place = (mode: TemplateMode, name: string): Place => ({ mode, name, timezone })
  const when = task.when === null || isTrue(render(task.when, place('condition', `task ${task.id}, when`), scope))
  // what a skipped task would have done may well name what is not there
  if (!when) return { config: {}, files: {}, when, env: {}, checks: [] }
  const files: Record<string, string> = {}
  for (const slot of slotsOf(operator, task.config)) {
    if (slot.file === null) continue
    const text = dag.files[slot.text]
    if (text === undefined)
      throw failed(`task ${task.id}: version ${dag.version} of the DAG holds no file ${slot.text}`)
    files[slot.text] = render(text, place(slot.file, slot.text), scope)
  }
  const config = mapSlots(operator, task.config, (slot) =>
    slot.file === null
      ? render(slot.text, place(slot.mode, `task ${task.id}, ${operator.type}.${pathText(slot.path)}`), scope)
      : slot.text,
  )
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(task.env)) {
    env[name] = renderEnv(value, place('text', `task ${task.id}, env.${name}`), scope)
  }
  return { config, files, when, env, checks: task.checks.map((check) => renderCheck(check)) }

  function renderCheck(check: CheckSpec): CheckSpec {
    const options = mapTexts(check.options, CHECK_OPTION_SCHEMAS[check.kind], (slot) =>
      render(slot.text, place(slot.mode, `task ${task.id}, check ${check.name}`), scope),
    )
    return { ...check, options }
  }
}

/** A secret is named by the DAG file alone: no value that a run brings may name another one. */
function renderEnv(text: string, place: Place, scope: TemplateScope): string {
  const rendered = render(text, place, scope)
  if (countSecrets(rendered) !== countSecrets(text)) {
    throw failed(`${place.name}: a rendered value names a secret; only the DAG file may`)
  }
  return rendered
}

function countSecrets(text: string): number {
  return text.match(SECRET)?.length ?? 0
}

function render(text: string, place: Place, scope: TemplateScope): string {
  if (place.mode === 'condition' && !isTemplate(text)) return String(holds(text, place, scope))
  if (place.mode === 'none' || !text.includes('{{')) return text
  const parsed = parseTemplate(text)
  if ('fault' in parsed)
    throw failed(`${place.name}, line ${parsed.fault.line}: ${parsed.fault.message}`, parsed.fault.hint)
  let rendered = ''
  const places = place.mode === 'shell' ? placesOf(parsed.parts, place.mode) : []
  for (const [index, part] of parsed.parts.entries()) {
    if (part.kind === 'text') rendered += part.text
    else {
      try {
        const value = evaluate(part.expression, scope, place.timezone)
        const standsAt = places[index]
        if (standsAt) checkPlace(value, rendered, standsAt)
        rendered += written(value, place.mode)
      } catch (error) {
        throw failed(`${place.name}, line ${part.line}: ${part.source} ${messageOf(error)}`, undefined, error)
      }
    }
  }
  return rendered
}

/** No value of these alone is more than a word or a number to bash, wherever it stands. */
const HARMLESS = /^[A-Za-z0-9_./:@%+, -]*$/

/**
 * What `sluice check` refuses does not get here, but for a version of a DAG that an older Sluice has accepted. And a list is only
 * known now: `x='a' 'b'` is no assignment any more, it runs `b`; `[ 'a' 'b' ]` may take `a` for an operator.
 */
function checkPlace(value: TemplateValue, before: string, { inside, lost, takesList }: ValuePlace): void {
  const where = inside === null ? lost && `after ${lost}` : `inside ${inside}`
  if (where !== null && !HARMLESS.test(written(value, 'text'))) {
    throw new Error(`stands ${where}, where its value could be more than a word; give it to the command by \`env\``)
  }
  if (!Array.isArray(value) || (takesList && /^[\s(;&|]?$/.test(before.at(-1) ?? ''))) return
  throw new Error(
    takesList
      ? 'is a list, each item a word of its own, and touches the text before it; put a space there, or write `x=({{ … }})`'
      : 'is a list, each item a word of its own, where bash takes one word only; write `x=({{ … }})`, and use the items of that',
  )
}

function holds(text: string, place: Place, scope: TemplateScope): boolean {
  const parsed = parseCondition(text)
  if ('fault' in parsed) throw failed(`${place.name}: ${parsed.fault.message}`, parsed.fault.hint)
  try {
    const value = evaluate(parsed.expression, scope, place.timezone)
    return !(value instanceof Identifier) && isTrue(value)
  } catch (error) {
    throw failed(`${place.name}: \`${text}\` ${messageOf(error)}`, undefined, error)
  }
}

function failed(message: string, hint?: string, cause?: unknown): SluiceError {
  return new SluiceError('CONFIG_RENDER_FAILED', message, { retryable: false, cause, ...(hint && { hint }) })
}

function evaluate(expression: Expression, scope: TemplateScope, timezone: string): TemplateValue {
  if (expression.kind === 'literal') return expression.value
  if (expression.kind === 'name') return lookUp(expression.parts, scope)
  const value = (inner: Expression): Json => {
    const evaluated = evaluate(inner, scope, timezone)
    if (evaluated instanceof Identifier) throw new Error('uses `ident` inside another helper')
    return evaluated
  }
  if (expression.kind === 'list') return expression.items.map(value)
  const helper = Object.hasOwn(HELPERS, expression.helper) ? HELPERS[expression.helper] : undefined
  if (helper === undefined) throw new Error(`calls \`${expression.helper}\`, which is no helper`)
  if (expression.at !== undefined) checkOrder(expression, value)
  return helper.apply(argsOf(expression, value), timezone)
}

/** In a condition, what has no order is not compared in silence: a number that came as text would never be greater. */
function checkOrder({ helper, args }: Extract<Expression, { kind: 'call' }>, value: (inner: Expression) => Json): void {
  if (!['lt', 'le', 'gt', 'ge'].includes(helper)) return
  const kinds = args.map((arg) => kindOf(value(arg)))
  if (kinds[0] === kinds[1] && (kinds[0] === 'a number' || kinds[0] === 'text')) return
  throw new Error(`compares ${kinds.join(' with ')}; only two numbers or two texts have an order`)
}

function kindOf(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return { number: 'a number', string: 'text', boolean: 'a boolean' }[typeof value as string] ?? 'a map'
}

/** As in every language, what stands after the part that decides `and` or `or` is not looked at. */
function argsOf({ helper, args }: Extract<Expression, { kind: 'call' }>, value: (inner: Expression) => Json): Json[] {
  if (helper !== 'and' && helper !== 'or') return args.map(value)
  for (const arg of args) {
    const one = value(arg)
    if (isTrue(one) === (helper === 'or')) return [one]
  }
  return [helper === 'and']
}

/** Own properties only: what every object inherits is no name of a template. */
function lookUp(parts: readonly string[], scope: TemplateScope): Json {
  let value: unknown = scope
  for (const [depth, part] of parts.entries()) {
    const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, part) && !isLength(value, part)
    if (!isThere)
      throw new Error(`names \`${parts.slice(0, depth + 1).join('.')}\`, which is not there${namesIn(value)}`)
    value = (value as Record<string, unknown>)[part]
  }
  return value as Json
}

function isLength(value: object, part: string): boolean {
  return Array.isArray(value) && part === 'length'
}

function namesIn(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ''
  const names = Object.keys(value).slice(0, 20)
  return names.length === 0 ? ' (there are none)' : ` (there are ${names.join(', ')})`
}
