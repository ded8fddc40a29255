import { createContext, runInContext } from 'node:vm'
import { codeOf } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { ParamSpec } from './model.js'
import { oneOfValues, shown } from './phrases.js'
import { didYouMean, listed } from './suggest.js'

/**
 * A pattern of a DAG may be one that takes for ever on some texts: then it counts as no match. It gets a second, longer try,
 * because on a busy machine a quick one may not get its turn in the first.
 */
const PATTERN_TIMEOUTS_MS = [50, 400]
const LONGEST_TEXT = 10_000

export type ResolvedParams = { params: JsonObject } | { problems: { param: string; message: string; hint: string }[] }

/**
 * The parameters of a run: what was given, and the defaults for the rest.
 * @returns every problem at once: unknown names, values that do not fit, and those that are missing
 */
export function resolveParams(specs: Readonly<Record<string, ParamSpec>>, given: JsonObject): ResolvedParams {
  const names = Object.keys(specs)
  const problems = Object.keys(given)
    .filter((name) => !Object.hasOwn(specs, name))
    .map((name) => ({
      param: name,
      message: `there is no parameter \`${name}\``,
      hint: didYouMean(name, names) || (names.length === 0 ? 'the DAG has none' : `there are ${listed(names, 'and')}`),
    }))
  const params: JsonObject = {}
  for (const [name, spec] of Object.entries(specs)) {
    const value = Object.hasOwn(given, name) ? given[name] : spec.default
    if (value === undefined) {
      problems.push({
        param: name,
        message: `the parameter \`${name}\` is missing`,
        hint: `it has no default; give ${a(spec)}`,
      })
      continue
    }
    const problem = isDefault(spec, value) ? null : paramProblem(`\`${name}\``, spec, value)
    if (problem !== null) problems.push({ param: name, ...problem })
    params[name] = value
  }
  return problems.length > 0 ? { problems } : { params }
}

/** Reads a text from a form or a command line (`--param k=v`) as a value of the parameter's type; as it is when it does not fit. */
export function paramFromText(spec: ParamSpec, text: string): Json {
  if (spec.type === 'array') {
    if (text.trim().startsWith('[')) return jsonOr(text, text)
    const items = text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
    return items.map((item) => scalarFromText(spec.items ?? 'string', item))
  }
  return scalarFromText(spec.type, text)
}

/** What is wrong with a value of a parameter; null when it fits. `null` fits only as the declared default. */
export function paramProblem(name: string, spec: ParamSpec, value: Json): { message: string; hint: string } | null {
  if (spec.type === 'array') return arrayProblem(name, spec, value)
  return scalarProblem(name, spec, spec.type, value)
}

/** What contradicts itself in a declaration; null when nothing does. */
export function specProblem(spec: ParamSpec): { key: keyof ParamSpec; message: string; hint: string } | null {
  const isNumber = spec.type === 'integer' || spec.type === 'number'
  const isText = spec.type === 'string' || (spec.type === 'array' && (spec.items ?? 'string') === 'string')
  for (const key of ['minimum', 'maximum'] as const) {
    if (spec[key] !== undefined && !isNumber)
      return { key, message: `\`${key}\` belongs to numbers, not to ${a(spec)}`, hint: '' }
  }
  if (spec.minimum !== undefined && spec.maximum !== undefined && spec.minimum > spec.maximum) {
    return { key: 'maximum', message: `\`maximum\` ${spec.maximum} is less than \`minimum\` ${spec.minimum}`, hint: '' }
  }
  if (spec.items !== undefined && spec.type !== 'array') {
    return { key: 'items', message: `\`items\` belongs to arrays, not to ${a(spec)}`, hint: '' }
  }
  if (spec.pattern !== undefined) {
    if (!isText) return { key: 'pattern', message: `\`pattern\` belongs to text, not to ${a(spec)}`, hint: '' }
    if (!isRegExp(spec.pattern)) return { key: 'pattern', message: '`pattern` is not a regular expression', hint: '' }
  }
  const { enum: accepted, ...free } = spec
  const item: ParamSpec = spec.type === 'array' ? { ...free, type: spec.items ?? 'string' } : free
  for (const value of accepted ?? []) {
    const problem = scalarProblem('an entry of `enum`', item, item.type, value)
    if (problem !== null) return { key: 'enum', ...problem }
  }
  if (spec.default === undefined || spec.default === null) return null
  const problem = paramProblem('`default`', spec, spec.default)
  return problem === null ? null : { key: 'default', ...problem }
}

function isDefault(spec: ParamSpec, value: Json): boolean {
  return value === null && spec.default === null
}

function arrayProblem(name: string, spec: ParamSpec, value: Json): { message: string; hint: string } | null {
  if (!Array.isArray(value)) return { message: `${name} must be a list, not ${shown(value)}`, hint: '' }
  for (const [index, item] of value.entries()) {
    const problem = scalarProblem(`item ${index + 1} of ${name}`, spec, spec.items ?? 'string', item)
    if (problem !== null) return problem
  }
  return null
}

function scalarProblem(
  name: string,
  spec: ParamSpec,
  type: ParamSpec['type'],
  value: Json,
): { message: string; hint: string } | null {
  const wrong = (wanted: string, hint = '') => ({ message: `${name} must be ${wanted}, not ${shown(value)}`, hint })
  if (type === 'boolean' && typeof value !== 'boolean') return wrong('true or false')
  if (type === 'integer' && !Number.isSafeInteger(value)) return wrong('a whole number')
  if (type === 'number' && (typeof value !== 'number' || !Number.isFinite(value))) return wrong('a number')
  if (type === 'string' && typeof value !== 'string') {
    return wrong('text', typeof value === 'number' || typeof value === 'boolean' ? `put it in quotes: "${value}"` : '')
  }
  if (type === 'date' && !isDate(value)) return wrong('a date such as 2026-01-31')
  if (typeof value === 'string' && value.length > LONGEST_TEXT)
    return wrong(`text of at most ${LONGEST_TEXT} characters`)
  if (spec.enum !== undefined && !spec.enum.includes(value)) return oneOfValues(name, spec.enum, value)
  if (typeof value === 'number' && value < (spec.minimum ?? value)) return wrong(`at least ${spec.minimum}`)
  if (typeof value === 'number' && value > (spec.maximum ?? value)) return wrong(`at most ${spec.maximum}`)
  if (type === 'string' && spec.pattern !== undefined && !matchesWhole(spec.pattern, String(value))) {
    return wrong(`text that matches ${spec.pattern} as a whole`)
  }
  return null
}

function a(spec: ParamSpec): string {
  return spec.type === 'integer' || spec.type === 'array' ? `an ${spec.type}` : `a ${spec.type}`
}

function isDate(value: Json): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false
  const at = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(value)
}

function scalarFromText(type: ParamSpec['type'], text: string): Json {
  if (type === 'boolean')
    return /^(true|yes|on|1)$/i.test(text) ? true : /^(false|no|off|0|)$/i.test(text) ? false : text
  if (type !== 'integer' && type !== 'number') return text
  return /^\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*$/.test(text) ? Number(text) : text
}

function jsonOr(text: string, otherwise: Json): Json {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}

function isRegExp(pattern: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u') instanceof RegExp
  } catch {
    return false
  }
}

/** In a context of its own only because that is how a regular expression can be stopped. */
const matcher = createContext({ pattern: '', text: '' })

function matchesWhole(pattern: string, text: string): boolean {
  matcher.pattern = `^(?:${pattern})$`
  matcher.text = text
  for (const timeout of PATTERN_TIMEOUTS_MS) {
    try {
      return runInContext('new RegExp(pattern, "u").test(text)', matcher, { timeout }) === true
    } catch (error) {
      if (codeOf(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    }
  }
  return false
}
