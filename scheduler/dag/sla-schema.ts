import { DURATION_PATTERN } from '../../duration.js'
import type { JsonSchema } from '../../json.js'
import { RECIPIENT_KEYS } from './alert-schema.js'

/** A clock time, and so many days after the day on which the run was due. */
const CLOCK_TIME_PATTERN = '^([01][0-9]|2[0-3]):[0-5][0-9]( \\+[0-9]{1,2}d)?$'
/** What an SLA says when the file does not say otherwise. */
export const SLA_DEFAULTS = { from: 'due', after_failure: 'fire' } as const
/** What early warnings go by where neither the file nor sluice.yaml says. */
export const EARLY_WARNING_DEFAULT = 'p90'

/** `early_warning` of an SLA and of the project. */
export const EARLY_WARNING_SCHEMA: JsonSchema = {
  type: 'string',
  pattern: '^(off|p[5-9][0-9])$',
  'x-template': 'none',
  'x-expects': 'p50 to p99, or off',
  examples: [EARLY_WARNING_DEFAULT, 'p50', 'off'],
}

const properties: JsonSchema = {
  by: {
    title: 'By',
    description:
      'A clock time in the time zone of the schedule: the first such time after the run was due, or with a day offset that many days after the day on which it was due (`+0d` is that day).',
    type: 'string',
    pattern: CLOCK_TIME_PATTERN,
    'x-template': 'none',
    'x-expects': 'a clock time such as "07:00", or with days "07:00 +1d"',
    examples: ['07:00', '02:30 +1d'],
  },
  within: {
    title: 'Within',
    description: 'The longest time it may take, counted as `from` says.',
    type: 'string',
    pattern: DURATION_PATTERN,
    'x-template': 'none',
    'x-expects': 'a duration with a unit, such as 40m or 1h30m',
    examples: ['40m', '1h'],
  },
  from: {
    title: 'From',
    description:
      'What `within` counts from: the instant the run was due (of a run by hand that of its trigger), or the start of the run. Of tasks too.',
    enum: ['due', 'start'],
    default: SLA_DEFAULTS.from,
  },
  ...RECIPIENT_KEYS,
  after_failure: {
    title: 'After a failure',
    description:
      'What happens at the deadline of what has failed before it: `fire` tells of the miss, `drop` does not, as the failure has been told.',
    enum: ['fire', 'drop'],
    default: SLA_DEFAULTS.after_failure,
  },
  early_warning: {
    title: 'Early warning',
    description:
      'The quantile of earlier runs that a warning before the deadline goes by, `p50` to `p99`: `p90` warns once one run in ten like this one would be late, `p50` once every second would, `off` never. Without it `alerts.early_warning` of sluice.yaml says, and without that it is `p90`.',
    ...EARLY_WARNING_SCHEMA,
  },
}

/** The key `sla` of a DAG and of a task. */
export function slaSchema(of: string): JsonSchema {
  return {
    title: 'SLA',
    description: `When ${of} has to be done: \`by\` a clock time, \`within\` a length of time, or both, each a promise of its own. Without \`email\` and \`webhook\` those in \`alerts\` of sluice.yaml are told. Runs of backfills have none.`,
    type: 'object',
    additionalProperties: false,
    properties,
    'x-expects': 'a map such as { by: "07:00", email: [data@example.com] } or { within: 1h }',
    examples: [{ by: '07:00', email: ['sales-data@example.com'] }, { within: '40m' }],
  }
}
