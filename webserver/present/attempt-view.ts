import type { Instant, Json } from '../../json.js'
import type { Task } from '../../scheduler/dag/model.js'
import type { RunAttempt } from '../../scheduler/store/reads/run-page.js'
import type { AttemptPlace } from '../routes/attempt.js'
import { duration } from './duration.js'
import { stateOfResult } from './gantt.js'
import { links } from './links.js'
import { measuredView, progressView } from './measured.js'
import { bytes, rowChanges } from './numbers.js'
import { richText, type TextPart } from './rich-text.js'
import { type Lineage, timezoneOf } from './run-view.js'
import { timeLine, timeTwice } from './time.js'

/** The tries of a task as segments; neighbours are reached with [ and ]. */
export function triesView({ attempts, chosen, task }: AttemptPlace, base: string) {
  const at = chosen === null ? -1 : attempts.indexOf(chosen)
  return attempts.map((attempt, place) => ({
    href: `${base}?try=${attempt.attempt}`,
    label: `Try ${attempt.attempt}`,
    state: attempt.result === null ? task.state : stateOfResult(attempt.result),
    // that of a try under way moves on beside its state
    took: attempt.endedAt === null ? '' : duration(attempt.endedAt - attempt.claimedAt),
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
  /** of what moves on while the page is open; else empty */
  id: string
}

/** The element that shows until when the worker has the attempt. */
export const LEASE_ID = 'attempt-lease'

function fact(term: string, value: string, more: Partial<Fact> = {}): Fact {
  return { term, value, note: '', href: '', mono: false, id: '', ...more }
}

/** What of an attempt changes while it runs, besides its log. */
export function attemptParts({ chosen, task, dag }: AttemptPlace, now: Instant) {
  const isRunning = chosen !== null && chosen.endedAt === null
  const isLeased = isRunning && task.state === 'running' && task.leaseUntil !== null
  return {
    stateView: {
      state: task.state,
      took: chosen === null ? '' : duration((chosen.endedAt ?? now) - chosen.claimedAt),
    },
    progress: isRunning ? progressView(task.progress) : null,
    lease: isLeased ? `until ${timeLine(task.leaseUntil ?? now, timezoneOf(dag), now, { seconds: true })}` : '',
  }
}

const HEADINGS: Readonly<Record<string, string>> = {
  failed: 'Failed.',
  timed_out: 'Timed out.',
  lost: 'Lost.',
  cancelled: 'Cancelled.',
}

/** Why an attempt has not ended well, to stand above its log; null for one that has, or that goes on. */
export function verdictView(chosen: RunAttempt | null): { state: string; heading: string; text: TextPart[] } | null {
  if (chosen?.result == null || chosen.reason === '') return null
  const heading = HEADINGS[chosen.result]
  if (heading === undefined) return null
  return { state: stateOfResult(chosen.result), heading, text: richText(chosen.reason) }
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
    const told = verdictView(chosen) === null ? chosen.reason : ''
    if (chosen.result !== null) facts.push(fact('Result', chosen.result, { note: told }))
    facts.push(fact('Worker', chosen.workerId, { href: '/workers', note: `queue ${task.queue}` }))
    const { lease } = attemptParts(place, now)
    if (lease !== '') facts.push(fact('Lease', lease, { id: LEASE_ID }))
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
