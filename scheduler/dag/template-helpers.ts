import type { Json } from '../../json.js'

/** Writes `{{ident x}}`: a name, where a plain value would become a literal. */
export class Identifier {
  constructor(readonly parts: readonly string[]) {}
}

export type TemplateValue = Json | Identifier

export interface Helper {
  /** fewest and most arguments */
  args: [number, number]
  usage: string
  summary: string
  /** @param timezone of the DAG's schedule @throws Error with the rest of a sentence that begins with the helper's name */
  apply(args: readonly Json[], timezone: string): TemplateValue
}

/** Everything a template may call; a name outside this list is an error. */
export const HELPERS: Readonly<Record<string, Helper>> = {
  ident: {
    args: [1, 3],
    usage: '{{ident params.table}}',
    summary: 'In SQL a quoted identifier; with several arguments, joined by dots.',
    apply: (args) => new Identifier(args.map((arg) => text(arg))),
  },
  date: {
    args: [1, 2],
    usage: '{{date interval.start}}',
    summary: 'The date (YYYY-MM-DD) of an instant, in the time zone of the schedule or the one named second.',
    apply: ([value, zone], timezone) => wallTime(value, zone === undefined ? timezone : text(zone)).slice(0, 10),
  },
  timestamp: {
    args: [1, 2],
    usage: '{{timestamp interval.start}}',
    summary: 'Wall time (YYYY-MM-DD HH:MM:SS.mmm) of an instant, in UTC or the time zone named second.',
    apply: ([value, zone]) => wallTime(value, zone === undefined ? 'UTC' : text(zone)),
  },
  default: {
    args: [2, 2],
    usage: '{{default params.region "all"}}',
    summary: 'The second value when the first is null or empty text.',
    apply: ([value, otherwise]) =>
      value === null || value === undefined || value === '' ? (otherwise ?? null) : value,
  },
  json: {
    args: [1, 1],
    usage: '{{json params.countries}}',
    summary: 'The value as JSON text.',
    apply: ([value]) => JSON.stringify(value ?? null),
  },
  eq: comparison('{{eq params.mode "full"}}', 'True when both are the same.', (order) => order === 0),
  ne: comparison('{{ne params.mode "full"}}', 'True when they differ.', (order) => order !== 0),
  lt: comparison('{{lt tasks.count.outputs.rows 10}}', 'True when the first is smaller.', (order) => order < 0),
  le: comparison('{{le tasks.count.outputs.rows 10}}', 'True when the first is not greater.', (order) => order <= 0),
  gt: comparison('{{gt tasks.count.outputs.rows 0}}', 'True when the first is greater.', (order) => order > 0),
  ge: comparison('{{ge tasks.count.outputs.rows 1}}', 'True when the first is not smaller.', (order) => order >= 0),
  in: {
    args: [2, 2],
    usage: '{{in params.country params.countries}}',
    summary: 'True when the list, given second, holds the value.',
    apply: ([value, list]) => {
      if (!Array.isArray(list)) throw new Error('needs a list as its second argument')
      return list.some((item) => JSON.stringify(item) === JSON.stringify(value))
    },
  },
  and: {
    args: [2, 8],
    usage: '{{and params.full (gt tasks.count.outputs.rows 0)}}',
    summary: 'True when all are true.',
    apply: (args) => args.every(isTrue),
  },
  or: {
    args: [2, 8],
    usage: '{{or params.full params.force}}',
    summary: 'True when one is.',
    apply: (args) => args.some(isTrue),
  },
  not: {
    args: [1, 1],
    usage: '{{not params.full}}',
    summary: 'True when the value is not.',
    apply: ([value]) => !isTrue(value),
  },
}

/** What `when` takes for true: everything but `false`, `no`, `0` and nothing. */
export function isTrue(value: Json | undefined): boolean {
  const written = value === null || value === undefined ? '' : String(value).trim().toLowerCase()
  return !['', 'false', 'no', '0'].includes(written)
}

function comparison(usage: string, summary: string, holds: (order: number) => boolean): Helper {
  return {
    args: [2, 2],
    usage,
    summary,
    apply: ([left, right]) => holds(orderOf(left ?? null, right ?? null)),
  }
}

/** Numbers by size, text by code units (so ISO dates by time); other kinds are only the same or not. */
function orderOf(left: Json, right: Json): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  return JSON.stringify(left) === JSON.stringify(right) ? 0 : Number.NaN
}

function text(value: Json | undefined): string {
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number') return String(value)
  throw new Error(`needs text, not ${JSON.stringify(value ?? null)}`)
}

function wallTime(value: Json | undefined, timezone: string): string {
  const at = typeof value === 'string' || typeof value === 'number' ? new Date(value) : new Date(Number.NaN)
  if (Number.isNaN(at.getTime())) throw new Error(`needs an instant, not ${JSON.stringify(value ?? null)}`)
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
  }).formatToParts(at)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  const date = `${part('year').padStart(4, '0')}-${part('month')}-${part('day')}`
  return `${date} ${part('hour')}:${part('minute')}:${part('second')}.${part('fractionalSecond')}`
}
