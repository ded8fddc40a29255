import type { JsonSchema } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import { DAG_ALERT_KEYS } from './alert-schema.js'
import { LIMITS } from './guard.js'
import { OVERLAPS } from './model.js'
import { boundSchema, CATCHUP_SCHEMA, DEFAULT_TIMEZONE, SCHEDULE_SCHEMA } from './schedule-schema.js'
import { slaSchema } from './sla-schema.js'
import { durationSchema, idSchema, SHARED_TASK_KEYS, taskSchema, templateSchema } from './task-schema.js'

/** What a DAG does when its file does not say otherwise. */
export const DAG_DEFAULTS = {
  max_active_runs: 1,
  max_active_tasks: 64,
  overlap: 'queue',
  timezone: DEFAULT_TIMEZONE,
} as const

const scalar = ['string', 'number', 'boolean']

const param: JsonSchema = {
  title: 'Parameter',
  description: 'A typed parameter; the words are those of JSON Schema. Without `default` every run must give it.',
  type: 'object',
  additionalProperties: false,
  required: ['type'],
  properties: {
    type: {
      title: 'Type',
      description: '`date` is written YYYY-MM-DD.',
      enum: ['string', 'integer', 'number', 'boolean', 'date', 'array'],
    },
    title: { title: 'Title', description: 'How forms name it.', type: 'string' },
    description: { title: 'Description', description: 'What forms say below it.', type: 'string' },
    default: {
      title: 'Default',
      description: 'The value of a run that gives none.',
      type: [...scalar, 'array', 'null'],
    },
    enum: {
      title: 'Accepted values',
      description: 'Nothing else is accepted.',
      type: 'array',
      minItems: 1,
      items: { type: scalar },
    },
    minimum: { title: 'Minimum', description: 'Smallest number, itself included.', type: 'number' },
    maximum: { title: 'Maximum', description: 'Greatest number, itself included.', type: 'number' },
    pattern: {
      title: 'Pattern',
      description: 'A regular expression that the whole text must match.',
      type: 'string',
      minLength: 1,
      maxLength: 500,
      'x-template': 'none',
    },
    items: {
      title: 'Items',
      description: 'For `array`: the type of each item.',
      enum: ['string', 'integer', 'number', 'boolean', 'date'],
    },
  },
}

/** Which DAG it is, for lists and pages. */
const ABOUT_KEYS: JsonSchema = {
  dag: {
    title: 'DAG id',
    description: 'The name of the DAG, unique in the project.',
    ...idSchema,
    examples: ['northwind_sales'],
  },
  description: {
    title: 'Description',
    description: 'One line for lists and pages.',
    type: 'string',
    maxLength: 2000,
  },
  owner: { title: 'Owner', description: 'The team that answers for the DAG.', type: 'string', maxLength: 200 },
  tags: {
    title: 'Tags',
    description: 'Words to filter by.',
    type: 'array',
    uniqueItems: true,
    maxItems: 50,
    items: { type: 'string', minLength: 1, maxLength: 100 },
    examples: [['sales', 'daily']],
  },
}

/** When its runs come, how many may be on, and what is told of them. */
const RUN_KEYS: JsonSchema = {
  schedule: SCHEDULE_SCHEMA,
  start: boundSchema(
    'Start',
    'A date (midnight in the time zone of the schedule) or an instant; the first interval begins at or after it.',
    '2026-01-01',
  ),
  end: boundSchema(
    'End',
    'A date (the midnight at which it begins) or an instant; the last interval ends at or before it.',
    '2026-12-31',
  ),
  catchup: CATCHUP_SCHEMA,
  max_active_runs: limit('Runs at once', 'How many runs of this DAG may be running.', DAG_DEFAULTS.max_active_runs),
  max_active_tasks: limit(
    'Tasks at once',
    'How many tasks of this DAG may be running, over all its runs.',
    DAG_DEFAULTS.max_active_tasks,
  ),
  ...DAG_ALERT_KEYS,
  sla: slaSchema('a run of the DAG'),
  overlap: {
    title: 'Overlap',
    description:
      'What becomes of a scheduled run that is due while `max_active_runs` are on: it waits (`queue`), does not run (`skip`), or the scheduled run that is on is cancelled for it (`cancel_running`).',
    enum: [...OVERLAPS],
    default: DAG_DEFAULTS.overlap,
  },
  depends_on_past: {
    title: 'Depends on past',
    description: 'A scheduled run starts only once the one before it has succeeded.',
    type: 'boolean',
    default: false,
  },
  run_timeout: durationSchema(
    'Run timeout',
    'A run that is on for longer is stopped and has failed. Without it there is no limit.',
    ['2h', '1d'],
  ),
}

/**
 * The JSON Schema of a DAG file, assembled from the operators' own schemas. The same object validates in Sluice, completes
 * in editors and is written to `docs/reference`.
 */
export function dagSchema(operators: ReadonlyMap<string, Operator>): JsonSchema {
  return {
    title: 'Sluice DAG',
    description: 'One DAG of Sluice: tasks, what they need, and when they run.',
    type: 'object',
    additionalProperties: false,
    required: ['dag', 'tasks'],
    properties: {
      ...ABOUT_KEYS,
      ...RUN_KEYS,
      params: {
        title: 'Parameters',
        description: 'Typed parameters: a run by hand may set them, templates use them as `{{ params.name }}`.',
        type: 'object',
        propertyNames: {
          pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
          maxLength: 100,
          'x-expects': 'a letter, then letters, digits and underscores',
        },
        additionalProperties: param,
        examples: [{ country: { type: 'string', default: 'all' } }],
      },
      defaults: {
        title: 'Defaults',
        description: 'Values for every task that does not set its own.',
        type: 'object',
        additionalProperties: false,
        properties: SHARED_TASK_KEYS,
      },
      templates: {
        title: 'Templates',
        description:
          'Tasks to be used by others with `use`, by name. What a task says itself goes before what its template says.',
        type: 'object',
        maxProperties: 1_000,
        propertyNames: idSchema,
        additionalProperties: templateSchema(operators),
        examples: [{ load: { bash: 'make load TABLE={{ task.id }}', retries: 3 } }],
      },
      tasks: {
        title: 'Tasks',
        description: 'The steps, by id.',
        type: 'object',
        minProperties: 1,
        maxProperties: LIMITS.tasks,
        propertyNames: idSchema,
        additionalProperties: taskSchema(operators),
      },
    },
  }
}

function limit(title: string, description: string, standard: number): JsonSchema {
  return { title, description, type: 'integer', minimum: 1, maximum: 100_000, default: standard }
}
