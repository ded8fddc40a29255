import { DURATION_PATTERN } from '../../duration.js'
import type { JsonSchema } from '../../json.js'
import { TRIGGER_PROPERTIES } from './trigger-schema.js'

/** IANA zone of schedules that name none. */
export const DEFAULT_TIMEZONE = 'UTC'

/** A date, or the name of a calendar of `sluice.yaml`. */
export const DATE_PATTERN = '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
const CALENDAR_NAME = '[A-Za-z_][A-Za-z0-9_-]*'

const CRON_EXPECTS = 'a cron expression such as "0 6 * * *"'

const cron: JsonSchema = {
  title: 'Cron',
  description:
    'Five fields, minute hour day-of-month month day-of-week, or six with the second first, or one of @hourly, @daily, @weekly, @monthly, @yearly. A list is due whenever one of its expressions is.',
  type: ['string', 'array'],
  minLength: 1,
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  items: { type: 'string', minLength: 1, 'x-template': 'none', 'x-expects': CRON_EXPECTS },
  'x-template': 'none',
  'x-expects': `${CRON_EXPECTS}, or a list of them`,
  examples: ['0 6 * * *', '*/15 * * * *', '@daily', ['0 6 * * MON-FRI', '0 9 * * SAT']],
}

const skip: JsonSchema = {
  title: 'Skip',
  description:
    'Days without a run, in the time zone of the schedule: dates, and names of `calendars` in sluice.yaml. The interval of the next run reaches back over them.',
  type: ['string', 'array'],
  pattern: `${DATE_PATTERN}|^${CALENDAR_NAME}$`,
  maxItems: 1000,
  items: {
    type: 'string',
    pattern: `${DATE_PATTERN}|^${CALENDAR_NAME}$`,
    'x-template': 'none',
    'x-expects': 'a date such as 2026-12-25, or the name of a calendar',
  },
  'x-template': 'none',
  'x-expects': 'a list of dates such as 2026-12-25 and names of calendars',
  examples: [['2026-12-25', 'france']],
}

const properties: Record<string, JsonSchema> = {
  cron,
  every: {
    title: 'Every',
    description:
      'Real time between two runs, instead of `cron`. It counts from `start`, or from 1970-01-01T00:00:00Z where there is none.',
    type: 'string',
    pattern: DURATION_PATTERN,
    'x-template': 'none',
    'x-expects': 'a duration such as 15m or 6h',
    examples: ['15m', '6h'],
  },
  timezone: {
    title: 'Time zone',
    description: 'IANA name of the zone whose clock and calendar the schedule reads.',
    type: 'string',
    minLength: 1,
    default: DEFAULT_TIMEZONE,
    'x-template': 'none',
    examples: ['Europe/Paris', 'America/New_York'],
  },
  skip,
  business_days: {
    title: 'Business days',
    description: 'No run on Saturdays and Sundays; Monday takes their data.',
    type: 'boolean',
    default: false,
  },
  ...TRIGGER_PROPERTIES,
}

/** The key `schedule` of a DAG file. */
export const SCHEDULE_SCHEMA: JsonSchema = {
  title: 'Schedule',
  description:
    'When runs are due: a cron expression (UTC), a list of them, or a map: of time with its zone and calendar, of what starts a run besides (tables, files, dags, webhooks), or both. Without it the DAG runs by hand only.',
  'x-expects':
    'a cron expression such as "0 6 * * *", a list of them, or a map of cron or every, timezone, skip, business_days, tables, files, dags and webhooks',
  anyOf: [cron, { type: 'object', additionalProperties: false, properties }],
  examples: [
    '0 6 * * *',
    { cron: '0 6 * * *', timezone: 'Europe/Paris' },
    { every: '15m' },
    { tables: ['silver.sales'] },
    { files: 'landing/*.csv' },
  ],
}

/** The key `catchup` of a DAG file. */
export const CATCHUP_SCHEMA: JsonSchema = {
  title: 'Catchup',
  description:
    'Which missed runs are made up for. `false`: none after a first start or a pause, the latest after downtime. `last`: the latest. `all`: each of them, a new DAG from its `start` on. `{ window: 7d }`: those due so lately, and the latest at least.',
  'x-expects': 'false, last, all or { window: 7d }',
  anyOf: [
    { enum: [false, 'last', 'all'] },
    {
      type: 'object',
      additionalProperties: false,
      required: ['window'],
      properties: {
        window: {
          title: 'Window',
          description: 'How far back missed runs are made up for.',
          type: 'string',
          pattern: DURATION_PATTERN,
          'x-template': 'none',
          'x-expects': 'a duration such as 7d',
        },
      },
    },
  ],
  default: false,
  examples: [false, 'last', 'all', { window: '7d' }],
}

/** The keys `start` and `end` of a DAG file. */
export function boundSchema(title: string, description: string, example: string): JsonSchema {
  return {
    title,
    description,
    type: 'string',
    'x-expects': `a date such as ${example} or an instant such as ${example}T06:00:00Z`,
    pattern:
      '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,3})?)?(Z|[+-][0-9]{2}:?[0-9]{2}))?$',
    examples: [example, `${example}T06:00:00Z`],
  }
}
