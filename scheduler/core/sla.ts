import type { Instant } from '../../json.js'
import type { Sla, SlaRule } from '../dag/model.js'
import type { Run, RunState, TaskRun, TaskState } from './model.js'

/** What a notice about an SLA says. There is one of each kind at most for a (run, task, SLA). */
const SLA_KINDS = ['at_risk', 'missed', 'recovered'] as const
export type SlaKind = (typeof SLA_KINDS)[number]

/** One SLA of one run as the store has it. */
export interface OpenSla {
  runId: string
  dagId: string
  version: string
  /** null for the run itself */
  taskId: string | null
  /** `Sla.name` */
  sla: string
  /** grows with every change: the compare-and-set */
  revision: number
  deadlineAt: Instant | null
  lookAt: Instant
  /** kinds that were told */
  sent: SlaKind[]
  dagPaused: boolean
  run: Pick<Run, 'state' | 'dueAt' | 'createdAt' | 'startedAt' | 'endedAt'>
  /** null for the run itself */
  task: Pick<TaskRun, 'state' | 'endedAt'> | null
}

/** Wall clocks of a zone, as zone.ts has them; a wall time is the instant at which UTC's clock shows it. */
export interface ZoneClock {
  wallAt(instant: Instant): number
  firstInstant(wall: number): Instant
}

/** What a notice is decided from: a run, or a task run. */
export interface SlaSubject {
  state: RunState | TaskState
  /** when it came to its final state; null before */
  endedAt: Instant | null
  dagPaused: boolean
  /** kinds that the store has already */
  sent: readonly SlaKind[]
  /** when it will have ended at the latest, as its history says (sla-forecast.ts); null when that is not known */
  forecast: Instant | null
}

export interface SlaDecision {
  /** in the order in which they are to be told */
  notices: SlaKind[]
  /** the next instant at which to look although nothing happens; null for none */
  wakeAt: Instant | null
  /** there is nothing more to tell, whatever happens */
  closed: boolean
}

const DAY_MS = 86_400_000
/** Ends that are as good as promised: a task that was not to run is not late. */
const WELL: readonly string[] = ['success', 'skipped']
/** Somebody decided that it shall not be done. */
const GIVEN_UP = 'cancelled'

/**
 * The instant by which a run has to be done. A clock time without days is the first such time after the due instant (a run
 * by hand in the afternoon has until the next morning); with days it is that time so many days after the day on which the
 * run was due, `+0d` being that day. A clock time that a change of the clock swallows is the first instant after the gap,
 * one that comes twice its first time.
 * @returns null while it cannot be known: `from: start` of a run that has not started
 */
export function slaDeadline(rule: SlaRule, run: Pick<Run, 'dueAt' | 'startedAt'>, zone: ZoneClock): Instant | null {
  if (rule.kind === 'within') {
    const from = rule.from === 'due' ? run.dueAt : run.startedAt
    return from === null ? null : from + rule.withinMs
  }
  const wall = zone.wallAt(run.dueAt)
  const onDay = Math.floor(wall / DAY_MS) * DAY_MS + rule.timeOfDayMs
  if (rule.days !== null) return zone.firstInstant(onDay + rule.days * DAY_MS)
  const sameDay = zone.firstInstant(onDay)
  return sameDay > run.dueAt ? sameDay : zone.firstInstant(onDay + DAY_MS)
}

/**
 * What is to be told about one SLA now. The deadline itself belongs to those who are late: who ends at it is in time.
 * Whoever calls it late (Sluice was down at the deadline) is told of the miss at once, and of the recovery with it when the
 * run has ended well since. Of a paused DAG neither misses nor warnings are told: what is unfinished is looked at again when
 * the pause ends, what has ended is let go. Whoever was told of a miss is always told of the recovery.
 * What has failed or was cancelled may be cleared, so after a miss it stays open for its recovery.
 */
export function decideSla(
  sla: Pick<Sla, 'afterFailure'>,
  deadline: Instant,
  subject: SlaSubject,
  now: Instant,
): SlaDecision {
  const { state, endedAt, sent } = subject
  const well = WELL.includes(state)
  if (well && sent.includes('missed')) {
    return { notices: sent.includes('recovered') ? [] : ['recovered'], wakeAt: null, closed: true }
  }
  if (now < deadline) return beforeDeadline(deadline, subject)
  const inTime = well && endedAt !== null && endedAt <= deadline
  const dropped = endedAt !== null && !well && endedAt <= deadline && sla.afterFailure === 'drop'
  const mayRecover = sent.includes('missed')
  if (inTime || dropped || state === GIVEN_UP) return { notices: [], wakeAt: null, closed: !mayRecover }
  if (subject.dagPaused) return { notices: [], wakeAt: null, closed: endedAt !== null && !mayRecover }
  const kinds: SlaKind[] = well ? ['missed', 'recovered'] : ['missed']
  return { notices: kinds.filter((kind) => !sent.includes(kind)), wakeAt: null, closed: well }
}

/** What has ended may still be cleared before the deadline, so it stays open until then. */
function beforeDeadline(deadline: Instant, { endedAt, dagPaused, sent, forecast }: SlaSubject): SlaDecision {
  if (dagPaused) return { notices: [], wakeAt: null, closed: false }
  const atRisk = endedAt === null && forecast !== null && forecast > deadline && !sent.includes('at_risk')
  return { notices: atRisk ? ['at_risk'] : [], wakeAt: deadline, closed: false }
}
