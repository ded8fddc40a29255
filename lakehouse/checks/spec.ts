import { DURATION_PATTERN, parseDuration } from '../../duration.js'
import type { Json, JsonObject, JsonSchema } from '../../json.js'
import type { Check } from '../lakehouse.js'
import { TABLE_NAME_EXPECTS, TABLE_NAME_PATTERN } from '../names.js'

/** The kinds of check, each the key under which YAML writes its options. */
export const CHECK_KINDS = [
  'not_null',
  'unique',
  'accepted_values',
  'range',
  'matches',
  'row_count',
  'relationship',
  'freshness',
  'expression',
] as const
export type CheckKind = (typeof CHECK_KINDS)[number]

const column: JsonSchema = { type: 'string', minLength: 1, description: 'Name of a column.' }
const columns: JsonSchema = {
  anyOf: [column, { type: 'array', items: column, minItems: 1, description: 'Names of columns.' }],
}
const bound: JsonSchema = {
  type: ['number', 'string'],
  description: 'A number, or a date or timestamp as text.',
}
const rows: JsonSchema = { type: 'integer', minimum: 0, description: 'Number of rows.' }
const maxAge: JsonSchema = {
  type: 'string',
  pattern: DURATION_PATTERN,
  description: 'A duration such as `24h`.',
  'x-expects': 'a duration with a unit, such as 30m, 24h or 7d',
}

/** May come by a template, and is then judged as the check runs. */
const otherTable: JsonSchema = {
  type: 'string',
  pattern: `${TABLE_NAME_PATTERN}|\\{\\{`,
  description: 'The other table, `schema.table`.',
  'x-table': true,
  'x-expects': TABLE_NAME_EXPECTS,
}

/** What may stand below each kind; `title` is the sentence completion shows. */
export const CHECK_OPTION_SCHEMAS: Record<CheckKind, JsonSchema> = {
  not_null: { title: 'Columns that hold no NULL', ...columns },
  unique: { title: 'Columns whose values, taken together, occur once', ...columns },
  accepted_values: {
    title: 'A column that holds only these values (NULL passes)',
    ...object({ column, values: { type: 'array', minItems: 1, items: { type: ['string', 'number', 'boolean'] } } }, [
      'column',
      'values',
    ]),
  },
  range: {
    title: 'A column whose values lie between min and max, both included (NULL passes)',
    ...object({ column, min: bound, max: bound }, ['column']),
    anyOf: [{ required: ['min'] }, { required: ['max'] }],
  },
  matches: {
    title: 'A column whose text matches a regular expression from end to end (NULL passes)',
    ...object({ column, pattern: { type: 'string', minLength: 1, 'x-template': 'none' } }, ['column', 'pattern']),
  },
  row_count: {
    title: 'How many rows there are',
    ...object({ min: rows, max: rows, equals: rows }, []),
    minProperties: 1,
  },
  relationship: {
    title: 'A column whose values all occur in a field of another table (NULL passes)',
    ...object({ column, to: otherTable, field: column }, ['column', 'to', 'field']),
  },
  freshness: {
    title: 'The greatest age of the newest row, or of the last commit when no column is named',
    anyOf: [maxAge, object({ column, max_age: maxAge }, ['max_age'])],
  },
  expression: {
    title: 'A SQL condition that holds for every row',
    anyOf: [
      { type: 'string', minLength: 1, 'x-template': 'sql' },
      object({ sql: { type: 'string', minLength: 1, 'x-template': 'sql' } }, ['sql']),
    ],
  },
}

/** One entry of a `checks` list: exactly one kind, and beside it a severity and a name. */
const CHECK_SCHEMA: JsonSchema = {
  type: 'object',
  title: 'Check',
  description: 'One check: a kind with its options, and optionally a severity and a name.',
  additionalProperties: false,
  properties: {
    ...CHECK_OPTION_SCHEMAS,
    severity: {
      enum: ['error', 'warn'],
      default: 'error',
      description: '`error` refuses the write, `warn` only records.',
    },
    name: { type: 'string', minLength: 1, maxLength: 200, description: 'How pages and logs name the check.' },
  },
  'x-one-of-keys': [...CHECK_KINDS],
  oneOf: CHECK_KINDS.map((kind) => ({ required: [kind] })),
}

/** A `checks` list, for the task key and for operators that take one. */
export const CHECKS_SCHEMA: JsonSchema = {
  type: 'array',
  title: 'Checks',
  description: 'Conditions on the rows, tested before they are published.',
  items: CHECK_SCHEMA,
}

/**
 * Turns a `checks` list as written into checks to execute. Options come out in one form per kind: `not_null` and `unique`
 * as a list of columns, `freshness` as `{ column?, max_age }`, `expression` as `{ sql }`, the others as written.
 * @param list valid against CHECKS_SCHEMA; anything else is a defect of the caller and throws
 */
export function parseChecks(list: Json): Check[] {
  if (!Array.isArray(list)) throw new TypeError('checks must be a list')
  return list.map((entry) => {
    if (entry === null || typeof entry !== 'object' || Array.isArray(entry))
      throw new TypeError('a check must be a map')
    const kind = CHECK_KINDS.find((known) => Object.hasOwn(entry, known))
    if (kind === undefined) throw new TypeError(`a check needs one of ${CHECK_KINDS.join(', ')}`)
    const options = normalOptions(kind, entry[kind] ?? null)
    return {
      kind,
      options,
      severity: entry.severity === 'warn' ? 'warn' : 'error',
      name: typeof entry.name === 'string' ? entry.name : checkName(kind, options),
    }
  })
}

/** The greatest age a freshness check allows, in milliseconds. */
export function freshnessMaxAgeMs(options: Json): number {
  const maxAge = typeof options === 'object' && options !== null && !Array.isArray(options) ? options.max_age : options
  const ms = typeof maxAge === 'string' ? parseDuration(maxAge) : null
  if (ms === null) throw new TypeError(`freshness needs a duration, not ${JSON.stringify(options)}`)
  return ms
}

function normalOptions(kind: CheckKind, options: Json): Json {
  if (kind === 'not_null' || kind === 'unique') return typeof options === 'string' ? [options] : options
  if (kind === 'freshness' && typeof options === 'string') return { max_age: options }
  if (kind === 'expression' && typeof options === 'string') return { sql: options }
  return options
}

function checkName(kind: CheckKind, options: Json): string {
  if (Array.isArray(options)) return `${kind} ${options.join(', ')}`
  const map: JsonObject = typeof options === 'object' && options !== null ? options : {}
  if (kind === 'expression') return `expression ${shortened(String(map.sql))}`
  if (kind === 'freshness')
    return `freshness ${[map.column, map.max_age].filter((part) => part !== undefined).join(' ')}`
  if (kind === 'row_count') {
    return `row_count ${Object.entries(map)
      .map(([key, value]) => `${key} ${value}`)
      .join(' ')}`
  }
  return `${kind} ${map.column}`
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`
}

function object(properties: JsonSchema, required: string[]): JsonSchema {
  return { type: 'object', additionalProperties: false, properties, required }
}
