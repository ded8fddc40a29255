import { isObject, type Json, type JsonObject, type JsonSchema } from '../../json.js'
import { CHECK_OPTION_SCHEMAS } from '../../lakehouse/checks/spec.js'
import type { Operator } from '../../operators/operator.js'
import { LIMITS } from './guard.js'
import { CHECKS_TEXT, DURATIONS, FILES, HEAD, TEMPLATES, TIME, TRIGGER_RULE_MEANINGS } from './reference-text.js'
import { dagSchema } from './schema.js'
import { SHARED_TASK_KEYS, TASK_KEYS } from './task-schema.js'
import { HELPERS } from './template-helpers.js'

/** The generated reference, by path below the package: the schema for editors and the page for people. */
export function referenceFiles(operators: ReadonlyMap<string, Operator>): Record<string, string> {
  return {
    'docs/reference/dag.schema.json': `${JSON.stringify(editorSchema(operators), null, 2)}\n`,
    'docs/reference/dag.md': page(operators),
  }
}

/** The same schema in the draft that editors know best. */
function editorSchema(operators: ReadonlyMap<string, Operator>): Json {
  return { $schema: 'http://json-schema.org/draft-07/schema#', ...(inDraft7(dagSchema(operators)) as JsonObject) }
}

function inDraft7(value: Json): Json {
  if (Array.isArray(value)) return value.map(inDraft7)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key === 'dependentRequired' ? 'dependencies' : key, inDraft7(inner)]),
  )
}

function page(operators: ReadonlyMap<string, Operator>): string {
  const properties = dagSchema(operators).properties
  const dagKeys = isObject(properties) ? (properties as JsonSchema) : {}
  const sections = [
    HEAD,
    '## Keys of a DAG',
    keyTable(dagKeys, ['dag', 'tasks']),
    '## Keys of a task',
    'A task has exactly one operator key (see [Operators](#operators)) and any of these:',
    keyTable(TASK_KEYS, []),
    `\`defaults\` takes ${Object.keys(SHARED_TASK_KEYS)
      .map((key) => `\`${key}\``)
      .join(', ')}: the value of every task that does not set its own.`,
    '## Trigger rules',
    'With the words of Airflow. A task is looked at when all tasks it needs have ended, or earlier where the rule can already be decided.',
    table(
      ['Rule', 'Runs when'],
      Object.entries(TRIGGER_RULE_MEANINGS).map(([rule, meaning]) => [`\`${rule}\``, meaning]),
    ),
    DURATIONS,
    TIME,
    '## Parameters',
    keyTable(propertiesOf(dagKeys.params, 'additionalProperties'), ['type']),
    TEMPLATES,
    table(
      ['Helper', 'Gives'],
      Object.values(HELPERS).map(({ usage, summary }) => [`\`${usage}\``, summary]),
    ),
    CHECKS_TEXT,
    table(['Kind', 'Demands', 'Options'], Object.entries(CHECK_OPTION_SCHEMAS).map(checkRow)),
    FILES,
    '## Limits',
    table(['What', 'At most'], limitRows()),
    '## Operators',
    table(
      ['Key', 'Short form', 'Does'],
      [...operators.values()].map(({ type, summary, shortSchema }) => [
        `[\`${type}\`](operators/${type}.md)`,
        shortSchema === undefined ? '' : kindOf(shortSchema),
        summary,
      ]),
    ),
  ]
  return `${sections.map((section) => section.trim()).join('\n\n')}\n`
}

function keyTable(properties: JsonSchema, required: readonly string[]): string {
  const rows = Object.entries(properties).map(([key, schema]) => [
    required.includes(key) ? `\`${key}\` (required)` : `\`${key}\``,
    kindOf(schema),
    defaultOf(schema),
    isObject(schema) && typeof schema.description === 'string' ? schema.description : '',
  ])
  return table(['Key', 'Value', 'Default', 'Meaning'], rows)
}

function checkRow([kind, schema]: [string, JsonSchema]): string[] {
  return [`\`${kind}\``, String(schema.title ?? ''), optionsOf(schema)]
}

function optionsOf(schema: JsonSchema): string {
  const branches = Array.isArray(schema.anyOf) && schema.properties === undefined ? schema.anyOf : [schema]
  return branches
    .map((branch) => (isObject(branch) && isObject(branch.properties) ? mapText(branch) : kindOf(branch as Json)))
    .join(' or ')
}

function mapText(schema: Record<string, unknown>): string {
  const required = Array.isArray(schema.required) ? schema.required : []
  const keys = Object.keys(isObject(schema.properties) ? schema.properties : {})
  return `\`{ ${keys.map((key) => (required.includes(key) ? key : `${key}?`)).join(', ')} }\``
}

const KINDS: Record<string, string> = {
  string: 'text',
  integer: 'whole number',
  object: 'map',
  array: 'list',
  null: 'empty',
}

function kindOf(schema: Json | undefined): string {
  if (!isObject(schema)) return 'anything'
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if ('const' in schema) return `\`${JSON.stringify(schema.const)}\``
  if (typeof schema['x-expects'] === 'string' && schema['x-expects'].startsWith('a duration')) return 'duration'
  if (Array.isArray(schema.anyOf) && schema.type === undefined) {
    return [...new Set(schema.anyOf.map((branch: Json) => kindOf(branch)))].join(' or ')
  }
  if (schema.type === undefined) return 'anything'
  const types: unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type]
  return types.map((type) => KINDS[String(type)] ?? String(type)).join(' or ')
}

function defaultOf(schema: Json | undefined): string {
  return isObject(schema) && schema.default !== undefined
    ? `\`${JSON.stringify(schema.default).replace(/^"|"$/g, '')}\``
    : ''
}

function propertiesOf(schema: Json | undefined, key: string): JsonSchema {
  const inner = isObject(schema) ? schema[key] : undefined
  return isObject(inner) && isObject(inner.properties) ? (inner.properties as JsonSchema) : {}
}

function limitRows(): string[][] {
  return [
    ['a DAG file', `${LIMITS.fileBytes / 1_000_000} MB`],
    [
      'a file that a DAG names',
      `${LIMITS.namedFileBytes / 1_000_000} MB, all of one DAG together ${LIMITS.namedFilesBytes / 1_000_000} MB`,
    ],
    ['nesting of maps and lists', `${LIMITS.nesting} levels`],
    ['aliases in a file', String(LIMITS.aliases)],
    ['values in a file, aliases written out', LIMITS.values.toLocaleString('en')],
    ['words and signs in a file', LIMITS.tokens.toLocaleString('en')],
    ['tasks of a DAG', LIMITS.tasks.toLocaleString('en')],
    ['problems shown for a file', String(LIMITS.problems)],
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
