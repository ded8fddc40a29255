import type { Json, JsonSchema } from '../json.js'
import type { Operator } from './operator.js'

/** The reference page of one operator in Markdown: its own docs, then a table of its keys made from its schema. */
export function operatorPage(operator: Operator): string {
  const rows = keyRows(operator.schema, '')
  return [
    `# ${operator.type}`,
    `${operator.summary}.`,
    operator.docs.trim(),
    '## Keys',
    ['| key | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n'),
    ...(operator.shortSchema === undefined ? [] : [shortForm(operator.shortSchema)]),
    NOTE,
    '',
  ].join('\n\n')
}

/** The page that lists all operators. */
export function operatorIndex(operators: Iterable<Operator>): string {
  const rows = [...operators].map(({ type, summary, weight, writesTable }) => {
    return `| [\`${type}\`](${type}.md) | ${summary} | ${writesTable ? 'yes' : ''} | ${weight} |`
  })
  return [
    '# Operators',
    'A task has exactly one operator: the key that says what it does. All other keys of a task are common to all operators.',
    ['| operator | what it does | writes a table | weight |', '|---|---|---|---|', ...rows].join('\n'),
    'A `heavy` operator has a worker’s slot for itself; `light` ones may share one. [Write your own](../../guides/write-an-operator.md).',
    NOTE,
    '',
  ].join('\n\n')
}

const NOTE = '<!-- Made from the operators themselves: npx vitest run tests/operators/reference.test.ts -u -->'

function shortForm(schema: JsonSchema): string {
  return `**Short form**: ${typeOf(schema)} in place of the map${schema.title === undefined ? '' : `, for \`${String(schema.title).toLowerCase()}\``}.`
}

function keyRows(schema: JsonSchema, prefix: string): string[] {
  const required = Array.isArray(schema.required) ? schema.required : []
  return Object.entries(asSchema(schema.properties)).flatMap(([name, value]) => {
    const property = asSchema(value)
    const key = `${prefix}${name}`
    const mark = required.includes(name) ? ', **required**' : ''
    const row = `| \`${key}\`${mark} | ${typeOf(property)} | ${defaultOf(property)} | ${meaning(property)} |`
    return [row, ...(property.properties === undefined ? [] : keyRows(property, `${key}.`))]
  })
}

function meaning(schema: JsonSchema): string {
  const template = schema['x-template'] === 'none' ? ' No templates.' : ''
  const examples = Array.isArray(schema.examples) ? schema.examples : []
  const shown = examples.length === 0 ? '' : ` E.g. ${examples.map((example) => code(example)).join(', ')}.`
  return cell(`${String(schema.description ?? schema.title ?? '')}${template}${shown}`)
}

function typeOf(schema: JsonSchema): string {
  const options = Array.isArray(schema.anyOf) ? schema.anyOf : []
  if (options.length > 0) return [...new Set(options.map((option) => typeOf(asSchema(option))))].join(' or ')
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => code(value)).join(', ')
  if (Array.isArray(schema.type)) return schema.type.join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(asSchema(schema.items))}`
  if (schema.type === 'object' && schema.properties === undefined && schema.additionalProperties !== undefined) {
    return `map of ${typeOf(asSchema(schema.additionalProperties))}`
  }
  if (schema.type === 'object') return 'map'
  if (schema['x-file'] === true) return 'file'
  return typeof schema.type === 'string' ? schema.type : 'any'
}

function defaultOf(schema: JsonSchema): string {
  return schema.default === undefined ? '' : code(schema.default)
}

function code(value: Json): string {
  return `\`${cell(typeof value === 'string' ? value : JSON.stringify(value))}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\t', '\\t').replaceAll('\n', ' ')
}

function asSchema(value: Json | undefined): JsonSchema {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
}
