import type { Instant, Json } from '../../json.js'
import type { Task } from '../../scheduler/dag/model.js'
import type { AttemptPlace } from '../routes/attempt.js'
import { duration } from './duration.js'
import { stateOfResult } from './gantt.js'
import { links } from './links.js'
import { measuredView, progressView } from './measured.js'
import { bytes, rowChanges } from './numbers.js'
import { type Lineage, timezoneOf } from './run-view.js'
import { timeLine, timeTwice } from './time.js'

/** The tries of a task as segments; neighbours are reached with [ and ]. */
export function triesView({ attempts, chosen, task }: AttemptPlace, base: string, now: Instant) {
  const at = chosen === null ? -1 : attempts.indexOf(chosen)
  return attempts.map((attempt, place) => ({
    href: `${base}?try=${attempt.attempt}`,
    label: `Try ${attempt.attempt}`,
    state: attempt.result === null ? task.state : stateOfResult(attempt.result),
    took: duration((attempt.endedAt ?? now) - attempt.claimedAt),
    current: attempt === chosen,
    key: place === at - 1 ? '[' : place === at + 1 ? ']' : '',
  }))
}

export interface Fact {
  term: string
  value: string
  note: string
  href: string
  mono: boolean
}

function fact(term: string, value: string, more: Partial<Fact> = {}): Fact {
  return { term, value, note: '', href: '', mono: false, ...more }
}

/** What there is to know about an attempt, beside its log. */
export function attemptFacts(
  place: AttemptPlace,
  lineage: readonly Lineage[],
  now: Instant,
  metrics: Json = null,
): Fact[] {
  const { run, dag, task, spec, chosen } = place
  const timezone = timezoneOf(dag)
  const facts: Fact[] = []
  if (chosen !== null) {
    const started = timeTwice(chosen.claimedAt, timezone, now, { seconds: true })
    facts.push(fact('Started', started.local, { note: started.utc }))
    if (chosen.endedAt !== null) facts.push(fact('Ended', timeLine(chosen.endedAt, timezone, now, { seconds: true })))
    if (chosen.result !== null) facts.push(fact('Result', chosen.result, { note: chosen.reason }))
    facts.push(fact('Worker', chosen.workerId, { href: '/workers', note: `queue ${task.queue}` }))
    const progress = chosen.endedAt === null ? progressView(task.progress) : null
    if (progress !== null) {
      const { value, note, query, href } = progress
      facts.push(fact('Progress', value, { note }))
      if (query !== '') facts.push(fact('Query', query, { href, mono: true }))
    }
    if (task.state === 'running' && task.leaseUntil !== null && chosen.endedAt === null)
      facts.push(fact('Lease', `until ${timeLine(task.leaseUntil, timezone, now, { seconds: true })}`))
  }
  facts.push(fact('Pool', task.pool))
  facts.push(...specFacts(spec, place, now))
  const own = lineage.find((entry) => entry.taskId === task.taskId && entry.attempt === chosen?.attempt)
  for (const read of own?.reads ?? [])
    facts.push(fact('Read', `${read.table}@${read.version}`, { href: links.table(read.table), mono: true }))
  for (const write of own?.writes ?? [])
    facts.push(
      fact('Wrote', `${write.table}@${write.version}`, {
        href: links.table(write.table),
        mono: true,
        note: `${rowChanges(write)}, ${bytes(write.bytes)}`,
      }),
    )
  facts.push(
    ...takenFrom(metrics),
    ...measuredView(metrics).map(({ term, value, note }) => fact(term, value, { note })),
  )
  facts.push(
    fact('Token', `${dag.id}/${run.id}/${task.taskId}/${chosen?.generation ?? task.generation}`, {
      mono: true,
      note: 'each commit is known by it, so that a further try cannot write twice',
    }),
  )
  return facts
}

/** With `skip_if_done`: the attempt whose result this is. */
function takenFrom(metrics: Json): Fact[] {
  if (metrics === null || typeof metrics !== 'object' || Array.isArray(metrics)) return []
  const from = metrics.taken_from
  if (from === null || typeof from !== 'object' || Array.isArray(from)) return []
  const { run, task, attempt } = from
  if (typeof run !== 'string' || typeof task !== 'string' || typeof attempt !== 'number') return []
  const note = `${task}, try ${attempt}; clear the task to run it all the same`
  return [fact('Taken from', run, { href: links.attempt(run, task, attempt), mono: true, note })]
}

function specFacts(spec: Task | null, { chosen, dag }: AttemptPlace, now: Instant): Fact[] {
  if (spec === null) return []
  const facts = [
    fact('Operator', spec.operator, {
      href: `${links.dagTab(dag.id, 'code')}?version=${dag.version}#L${spec.line}`,
      note: `${dag.file}:${spec.line}`,
    }),
  ]
  if (spec.needs.length > 0) facts.push(fact('Needs', spec.needs.join(', '), { note: `rule ${spec.triggerRule}` }))
  if (spec.timeoutMs !== null) {
    const at =
      chosen === null || chosen.endedAt !== null
        ? ''
        : `, at ${timeLine(chosen.claimedAt + spec.timeoutMs, timezoneOf(dag), now, { seconds: true })}`
    facts.push(fact('Timeout', `${duration(spec.timeoutMs)}${at}`))
  }
  facts.push(fact('Retries', spec.retries === 0 ? 'none' : `${spec.retries}, after ${delays(spec)}`))
  return facts
}

/** `30 s, 1 m 00 s, 2 m 00 s`; jitter makes each up to that long. */
function delays(spec: Task): string {
  const shown = Math.min(spec.retries, 4)
  const texts = Array.from({ length: shown }, (_, retry) =>
    duration(Math.min(spec.maxDelayMs, spec.retryDelayMs * spec.backoff ** retry)),
  )
  return `${texts.join(', ')}${spec.retries > shown ? ', …' : ''}`
}
