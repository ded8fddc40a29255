import type { Instant } from '../../json.js'
import type { Catchup, Dag, Trigger } from '../dag/model.js'
import type { EventDetail, RunTrigger, TriggerEvent, TriggerTable } from './model.js'

/** One run that is to be made, with the events that it stands for. */
export interface Firing {
  trigger: RunTrigger
  /** what the run's list shows as its maker, such as `table silver.sales` */
  by: string
  /** ids, the oldest first */
  events: number[]
}

/** Most events that one run stands for; more go into the next. */
const EVENTS_OF_RUN = 1_000

/**
 * The runs that events start, in the order of the events.
 * - `any`: each event starts a run.
 * - `all`: one run, once every source has an event; it stands for all events of its sources.
 * - `batch`: one run for all events; none while one waits already, so that what comes meanwhile goes into the next.
 * Events of sources that the DAG does not name (any more) start nothing.
 * @param pending events that no run stands for; `isWaiting`: a triggered run of the DAG is queued
 * @param limit of runs
 */
export function firings(
  dag: Pick<Dag, 'triggers'>,
  pending: { events: readonly TriggerEvent[]; isWaiting: boolean },
  limit: number,
): Firing[] {
  const made: Firing[] = []
  for (const trigger of dag.triggers) {
    if (trigger.kind === 'webhook') continue
    const events = pending.events.filter(
      ({ kind, source }) => kind === trigger.kind && trigger.sources.includes(source),
    )
    made.push(...groups(trigger, events, pending.isWaiting).map(firing))
  }
  return made.sort((a, b) => first(a) - first(b)).slice(0, limit)
}

const first = ({ events }: Firing) => events[0] ?? 0

function groups(
  trigger: Exclude<Trigger, { kind: 'webhook' }>,
  events: readonly TriggerEvent[],
  isWaiting: boolean,
): TriggerEvent[][] {
  if (events.length === 0) return []
  const needsAll = trigger.kind !== 'file' && trigger.mode === 'all'
  if (needsAll && !trigger.sources.every((one) => events.some(({ source }) => source === one))) return []
  if (trigger.batch && isWaiting) return []
  if (needsAll) return [ofEach(events, trigger.sources)]
  return trigger.batch ? [events.slice(0, EVENTS_OF_RUN)] : events.map((event) => [event])
}

/** Of each source its oldest events, as many of each as fit. */
function ofEach(events: readonly TriggerEvent[], sources: readonly string[]): TriggerEvent[] {
  const share = Math.max(1, Math.floor(EVENTS_OF_RUN / sources.length))
  const taken = sources.flatMap((one) => events.filter(({ source }) => source === one).slice(0, share))
  return taken.sort((a, b) => a.id - b.id)
}

function firing(events: readonly TriggerEvent[]): Firing {
  const details = events.map(({ detail }) => detail)
  const sources = [...new Set(events.map(({ source }) => source))]
  const [kind = 'file', source = ''] = [events[0]?.kind, sources[0]]
  const more = sources.length > 1 ? ` and ${sources.length - 1} more` : ''
  return { trigger: triggerOf(kind, details), by: `${kind} ${source}${more}`, events: events.map(({ id }) => id) }
}

function triggerOf(kind: TriggerEvent['kind'], details: readonly EventDetail[]): RunTrigger {
  if (kind === 'table') {
    const tables = versionsOf(details)
    const [one] = tables
    return one === undefined || tables.length > 1 ? { kind, tables } : { kind, ...one, tables }
  }
  if (kind === 'dag') {
    const runs = details.flatMap((detail) => ('run' in detail ? { dag: detail.dag, run: detail.run } : []))
    const [one] = runs
    return one === undefined || runs.length > 1 ? { kind, runs } : { kind, ...one, runs }
  }
  const files = details.flatMap((detail) => ('files' in detail ? detail.files : []))
  const [one] = files
  return one === undefined || files.length > 1 ? { kind, files } : { kind, file: one, files }
}

/** By table, from before the first of the versions up to the last. */
function versionsOf(details: readonly EventDetail[]): TriggerTable[] {
  const tables = new Map<string, TriggerTable>()
  for (const detail of details) {
    if (!('table' in detail)) continue
    const { table, version, from_version } = detail
    const known = tables.get(table)
    if (known === undefined) tables.set(table, { table, version, from_version })
    else if (version > known.version) tables.set(table, { ...known, version })
    else if (from_version === null || from_version < (known.from_version ?? 0))
      tables.set(table, { ...known, from_version })
  }
  return [...tables.values()]
}

/**
 * Of the events that waited while a DAG was paused those that a resume lets start runs. Files are work that nobody else
 * does, so all of them stay; versions and runs are made up for as the DAG's `catchup` says.
 */
export function keptEvents<Event extends Pick<TriggerEvent, 'kind' | 'source' | 'seenAt'>>(
  catchup: Catchup,
  events: readonly Event[],
  now: Instant,
): Event[] {
  if (catchup === 'all') return [...events]
  const newest = new Map(events.map((event) => [`${event.kind} ${event.source}`, event]))
  return events.filter((event) => {
    if (event.kind === 'file') return true
    if (catchup === 'last') return newest.get(`${event.kind} ${event.source}`) === event
    return catchup !== 'none' && event.seenAt >= now - catchup.windowMs
  })
}
