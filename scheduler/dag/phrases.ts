import type { ErrorObject } from 'ajv/dist/2020.js'
import { isObject } from '../../json.js'
import { asTableName } from '../../lakehouse/names.js'
import { didYouMean, listed } from './suggest.js'

export interface Phrase {
  message: string
  hint: string
}

type Phraser = (name: string, error: ErrorObject) => Phrase

const PHRASES: Record<string, Phraser> = {
  type: (name, error) => {
    const expected = expectation(error.parentSchema) ?? typesText(error.params.type)
    return { message: `${name} must be ${expected}, not ${shown(error.data)}`, hint: typeHint(error) }
  },
  enum: (name, error) => oneOfValues(name, Array.isArray(error.schema) ? error.schema : [], error.data),
  const: (name, error) => {
    const description = isObject(error.parentSchema) ? error.parentSchema.description : ''
    const message = `${name} must be ${plainValue(error.schema)}, not ${shown(error.data)}`
    const word = typeof error.data === 'string' ? booleanHint(error.data) : ''
    return { message, hint: word || (typeof description === 'string' ? description : '') }
  },
  pattern: (name, error) => {
    const expected = expectation(error.parentSchema) ?? `text that matches ${error.params.pattern}`
    return {
      message: `${name} must be ${expected}, not ${shown(error.data)}`,
      hint: unitHint(error) || tableHint(error),
    }
  },
  format: (name, error) => ({
    message: `${name} must be a ${error.params.format}, not ${shown(error.data)}`,
    hint: '',
  }),
  minLength: (name, error) => ({
    message: error.params.limit === 1 ? `${name} is empty` : `${name} needs at least ${error.params.limit} characters`,
    hint: '',
  }),
  maxLength: (name, error) => plain(`${name} has more than ${error.params.limit} characters`),
  minItems: (name, error) => plain(`${name} needs at least ${count(error.params.limit, 'entry', 'entries')}`),
  maxItems: (name, error) => plain(`${name} has more than ${count(error.params.limit, 'entry', 'entries')}`),
  minProperties: (name, error) => plain(`${name} needs at least ${count(error.params.limit, 'entry', 'entries')}`),
  maxProperties: (name, error) => plain(`${name} has more than ${count(error.params.limit, 'entry', 'entries')}`),
  uniqueItems: (name, error) => {
    const twice = Array.isArray(error.data) ? error.data[Number(error.params.j)] : null
    return { message: `${name} has ${plainValue(twice)} twice`, hint: 'remove one of them' }
  },
  minimum: (name, error) => plain(`${name} must be at least ${error.params.limit}, not ${shown(error.data)}`),
  maximum: (name, error) => plain(`${name} must be at most ${error.params.limit}, not ${shown(error.data)}`),
  exclusiveMinimum: (name, error) => plain(`${name} must be greater than ${error.params.limit}`),
  exclusiveMaximum: (name, error) => plain(`${name} must be less than ${error.params.limit}`),
  multipleOf: (name, error) => plain(`${name} must be a multiple of ${error.params.multipleOf}`),
  anyOf: alternatives,
  oneOf: alternatives,
}

/** One sentence for one violated keyword. */
export function phrase(name: string, error: ErrorObject): Phrase {
  const phraser = PHRASES[error.keyword]
  return phraser === undefined ? plain(`${name} ${error.message ?? 'is not valid'}`) : phraser(name, error)
}

/** "must be one of", with the nearest one as a hint. */
export function oneOfValues(name: string, accepted: readonly unknown[], found: unknown): Phrase {
  const words = accepted.map(plainText)
  return {
    message: `${name} must be ${words.length === 1 ? '' : 'one of '}${listed(words)}, not ${shown(found)}`,
    hint:
      typeof found === 'string' ? didYouMean(found, words) || (accepted.includes(false) ? booleanHint(found) : '') : '',
  }
}

/** A value as a sentence shows it: its kind and, when short, itself. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'empty'
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value)}`
  if (typeof value === 'number') return `the number ${value}`
  if (typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'a list' : 'a map'
}

function plain(message: string): Phrase {
  return { message, hint: '' }
}

function alternatives(name: string, error: ErrorObject): Phrase {
  const expected = expectation(error.parentSchema)
  const wanted = expected ?? wantedBy({ anyOf: error.schema }).join(' or ')
  return plain(`${name} must be ${wanted === '' ? 'something else' : wanted}, not ${shown(error.data)}`)
}

/** What each branch of a schema takes, in words, each once. */
function wantedBy(schema: unknown): string[] {
  if (!isObject(schema)) return []
  const expected = expectation(schema)
  if (expected !== null) return [expected]
  if (schema.type !== undefined) return [typesText(schema.type)]
  const branches: unknown[] = Array.isArray(schema.anyOf) ? schema.anyOf : []
  return [...new Set(branches.flatMap(wantedBy))]
}

function expectation(schema: unknown): string | null {
  return isObject(schema) && typeof schema['x-expects'] === 'string' ? schema['x-expects'] : null
}

const TYPE_WORDS: Record<string, string> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  null: 'empty',
}

function typesText(type: unknown): string {
  const types = Array.isArray(type) ? type : String(type ?? '').split(',')
  return types.map((one) => TYPE_WORDS[String(one)] ?? String(one)).join(' or ')
}

/** What turns the value into one of the right type. */
function typeHint(error: ErrorObject): string {
  const types = Array.isArray(error.params.type) ? error.params.type : [error.params.type]
  const { data } = error
  if (typeof data === 'string' && /[{][{]/.test(data)) return 'templates are rendered in text only'
  if (typeof data === 'string' && types.includes('array')) return `write a list: [${data}]`
  if (typeof data === 'string' && (types.includes('integer') || types.includes('number')) && isNumeric(data)) {
    return `remove the quotes: ${data}`
  }
  if (typeof data === 'string' && types.includes('boolean')) return booleanHint(data)
  if ((typeof data === 'number' || typeof data === 'boolean') && types.includes('string')) {
    const pattern: unknown = error.parentSchema?.pattern
    const fits = typeof pattern !== 'string' || new RegExp(pattern, 'u').test(String(data))
    return unitHint(error) || (fits ? `put it in quotes: "${data}"` : '')
  }
  if (data === null) return 'is the indentation below it right?'
  return ''
}

function unitHint(error: ErrorObject): string {
  const isDuration = expectation(error.parentSchema)?.startsWith('a duration') === true
  const number = isDuration && isNumeric(String(error.data)) ? String(error.data) : null
  return number === null ? '' : `did you mean \`${number}s\` (seconds) or \`${number}m\` (minutes)?`
}

function tableHint({ data, parentSchema }: ErrorObject): string {
  const isTable = isObject(parentSchema) && parentSchema['x-table'] === true
  const name = isTable && typeof data === 'string' ? asTableName(data) : null
  return name === null ? '' : `did you mean \`${name}\`?`
}

function isNumeric(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text)
}

function booleanHint(text: string): string {
  if (/^(yes|on|y|true)$/i.test(text)) return 'in YAML 1.2 write true'
  return /^(no|off|n|false)$/i.test(text) ? 'in YAML 1.2 write false' : ''
}

function count(limit: unknown, one: string, many: string): string {
  return limit === 1 ? `one ${one}` : `${limit} ${many}`
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function plainValue(value: unknown): string {
  return `\`${plainText(value)}\``
}
