import { DURATION_PATTERN } from '../../duration.js'
import type { JsonObject, JsonSchema } from '../../json.js'
import { CHECKS_SCHEMA } from '../../lakehouse/checks/spec.js'
import type { Operator } from '../../operators/operator.js'
import { TASK_ALERT_KEYS } from './alert-schema.js'
import { FOR_EACH_SCHEMA } from './for-each.js'
import { TRIGGER_RULES } from './model.js'
import { slaSchema } from './sla-schema.js'

/** Ids of DAGs and tasks: they are part of run ids, file names, URLs and SQL, so they stay plain. */
const ID_PATTERN = '^[a-z][a-z0-9_]*$'
const ID_EXPECTS = 'lower-case letters, digits and underscores, beginning with a letter, at most 100 characters'

export const idSchema: JsonSchema = { type: 'string', pattern: ID_PATTERN, maxLength: 100, 'x-expects': ID_EXPECTS }

/** A duration in YAML; always with its unit, so that nobody has to guess one. */
export function durationSchema(title: string, description: string, examples: string[]): JsonSchema {
  return {
    title,
    description,
    type: 'string',
    pattern: DURATION_PATTERN,
    examples,
    'x-expects': 'a duration with a unit, such as 30s, 20m or 1h30m',
  }
}

/** What a task does when neither it nor `defaults` says otherwise. */
export const TASK_DEFAULTS = {
  retries: 0,
  retry_delay: '30s',
  backoff: 2,
  max_delay: '1h',
  timeout: null,
  pool: 'default',
  pool_slots: 1,
  depends_on_past: false,
  priority: 0,
  queue: 'default',
  trigger_rule: 'all_success',
} as const

/** Keys that `defaults` and each task share. */
export const SHARED_TASK_KEYS: JsonSchema = {
  retries: {
    title: 'Retries',
    description: 'How often a failed attempt is repeated.',
    type: 'integer',
    minimum: 0,
    maximum: 1000,
    default: TASK_DEFAULTS.retries,
  },
  retry_delay: {
    ...durationSchema('Retry delay', 'Wait before the first retry.', ['30s', '5m']),
    default: TASK_DEFAULTS.retry_delay,
  },
  backoff: {
    title: 'Backoff',
    description: 'Factor by which the wait grows from retry to retry; 1 keeps it.',
    type: 'number',
    minimum: 1,
    maximum: 100,
    default: TASK_DEFAULTS.backoff,
  },
  max_delay: {
    ...durationSchema('Greatest delay', 'The wait between retries never grows beyond this.', ['1h']),
    default: TASK_DEFAULTS.max_delay,
  },
  timeout: durationSchema(
    'Timeout',
    'An attempt that runs longer is stopped and counts as failed. Without it there is no limit.',
    ['20m', '1h30m'],
  ),
  pool: {
    title: 'Pool',
    description: 'The pool, defined in sluice.yaml, that bounds how many tasks run at once.',
    type: 'string',
    minLength: 1,
    maxLength: 100,
    default: TASK_DEFAULTS.pool,
    'x-template': 'none',
  },
  pool_slots: {
    title: 'Pool slots',
    description:
      'How many places of its pool the task takes; while they are not free, nothing behind it in the pool goes first.',
    type: 'integer',
    minimum: 1,
    maximum: 100_000,
    default: TASK_DEFAULTS.pool_slots,
  },
  depends_on_past: {
    title: 'Depends on past',
    description:
      'In scheduled runs and backfills: waits until the same task of the run before has succeeded or was skipped.',
    type: 'boolean',
    default: TASK_DEFAULTS.depends_on_past,
  },
  priority: {
    title: 'Priority',
    description: 'When slots are short, greater numbers go first.',
    type: 'integer',
    minimum: -1_000_000,
    maximum: 1_000_000,
    default: TASK_DEFAULTS.priority,
  },
  queue: {
    title: 'Queue',
    description: 'Only workers that serve this queue take the task.',
    type: 'string',
    minLength: 1,
    maxLength: 100,
    default: TASK_DEFAULTS.queue,
    'x-template': 'none',
  },
  trigger_rule: {
    title: 'Trigger rule',
    description: 'What must have become of the tasks it needs before it runs.',
    enum: [...TRIGGER_RULES],
    default: TASK_DEFAULTS.trigger_rule,
  },
  ...TASK_ALERT_KEYS,
}

/** Keys of a task beside its operator. */
export const TASK_KEYS: JsonSchema = {
  needs: {
    title: 'Needs',
    description: 'Ids of the tasks that come before, or names of groups.',
    type: 'array',
    uniqueItems: true,
    items: { type: 'string', minLength: 1, 'x-template': 'none' },
    examples: [['extract', 'clean']],
  },
  when: {
    title: 'When',
    description:
      'A condition; the task is skipped when it does not hold. Names are those of templates, without braces; compare with `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`, join with `and`, `or`, `not`.',
    type: ['string', 'boolean'],
    'x-template': 'condition',
    examples: ["params.mode == 'full' and tasks.count.outputs.rows > 0"],
  },
  group: {
    title: 'Group',
    description:
      'Tasks with the same group stand together on pages; who needs the group needs those of its tasks that no other of them needs.',
    ...idSchema,
    'x-template': 'none',
    examples: ['bronze'],
  },
  use: {
    title: 'Use',
    description: 'The name of a template whose keys the task takes over where it has none of its own.',
    ...idSchema,
    'x-template': 'none',
    examples: ['load'],
  },
  for_each: FOR_EACH_SCHEMA,
  skip_if_done: {
    title: 'Skip if done',
    description:
      'Takes over the result of an earlier run whose task worked from the same inputs and version, instead of running again.',
    type: 'boolean',
    default: false,
  },
  ...SHARED_TASK_KEYS,
  sla: slaSchema('the task'),
  checks: CHECKS_SCHEMA,
  outputs: {
    title: 'Outputs',
    description:
      'Names of the outputs the task promises, each with its type (`string`, `integer`, `number`, `boolean`, `array`, `object`), which is checked when the task ends, or with what it means. Templates may then use only these.',
    type: 'object',
    propertyNames: {
      pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      maxLength: 100,
      'x-expects': 'a letter, then letters, digits and underscores',
    },
    additionalProperties: { type: 'string', 'x-template': 'none' },
    examples: [{ rows: 'integer', files: 'array' }],
  },
  env: {
    title: 'Environment',
    description: `Environment variables of the task. Templates are rendered; \`\${env:NAME}\` and \`\${file:path}\` are secrets, resolved in the worker and masked everywhere.`,
    type: 'object',
    propertyNames: {
      pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      maxLength: 100,
      'x-expects': 'a letter, then letters, digits and underscores',
    },
    additionalProperties: { type: ['string', 'number', 'boolean'], 'x-template': 'text' },
    examples: [{ API_TOKEN: `\${env:API_TOKEN}` }],
  },
}

/** The operator may come from the template. */
function fromTemplate(types: readonly string[]): JsonSchema {
  return { required: ['use'], not: { anyOf: types.map((type) => ({ required: [type] })) } }
}

/** Schema of one task: exactly one operator, and keys common to all. */
export function taskSchema(operators: ReadonlyMap<string, Operator>): JsonSchema {
  const types = [...operators.keys()]
  const byOperator: JsonSchema = {}
  for (const [type, operator] of operators) byOperator[type] = operatorSchema(operator)
  return {
    type: 'object',
    title: 'Task',
    description: `One step: exactly one operator (${types.join(', ')}) and keys common to all tasks.`,
    additionalProperties: false,
    properties: { ...byOperator, ...TASK_KEYS },
    'x-one-of-keys': types,
    'x-one-of-name': 'operator',
    oneOf: [...types.map((type) => ({ required: [type] })), fromTemplate(types)],
  }
}

/** Schema of a template: any keys of a task. What it needs to be a whole task, those who use it may add. */
export function templateSchema(operators: ReadonlyMap<string, Operator>): JsonSchema {
  const properties = Object.entries(asObject(taskSchema(operators).properties)).filter(([key]) => key !== 'use')
  return {
    type: 'object',
    title: 'Template',
    description: 'Keys of a task, for all that use it.',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  }
}

/** What may stand below an operator's key: its long form, and the short one where it has one. */
function operatorSchema(operator: Operator): JsonSchema {
  const long = inlined(operator.type, operator.schema)
  const about = { title: operator.type, description: operator.summary }
  if (operator.shortSchema === undefined) return { ...long, ...about }
  return { ...about, anyOf: [inlined(operator.type, operator.shortSchema), long] }
}

/**
 * A schema with its `#/$defs` written out where they are used: one schema is assembled from many, and explanations need
 * to see which branch of an `anyOf` an error comes from.
 */
function inlined(type: string, schema: JsonSchema): JsonSchema {
  const { $defs, ...rest } = schema
  const definitions = asObject($defs)
  const expand = (value: JsonObject[string], open: readonly string[]): JsonObject[string] => {
    if (Array.isArray(value)) return value.map((item) => expand(item, open))
    if (value === null || typeof value !== 'object') return value
    if (typeof value.$ref !== 'string') {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner, open)]))
    }
    const name = value.$ref.replace('#/$defs/', '')
    const target = definitions[name]
    if (target === undefined || open.includes(name)) throw new Error(`operator ${type}: cannot write out ${value.$ref}`)
    return expand(target, [...open, name])
  }
  return asObject(expand(rest, []))
}

function asObject(value: JsonObject[string] | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
}
