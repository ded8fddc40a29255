import type { Instant } from '../../json.js'
import type { Run, RunState, TaskState } from './model.js'

/** What a notice about an SLA says. There is one of each kind at most for a (run, task, SLA). */
export const SLA_KINDS = ['at_risk', 'missed', 'recovered'] as const
export type SlaKind = (typeof SLA_KINDS)[number]

/** When a run or a task of it has to be done. */
export type SlaRule =
  /** a clock time in the DAG's zone: `07:00`, or `07:00 +1d` with `days` 1; `days` null when the file names none */
  | { kind: 'by'; timeOfDayMs: number; days: number | null }
  /** a length of time from the due instant of the run, or from its start */
  | { kind: 'within'; withinMs: number; from: 'due' | 'start' }

export interface Sla {
  rule: SlaRule
  /** what to do about a run that failed before its deadline, and so cannot be done by then unless it is cleared */
  afterFailure: 'fire' | 'drop'
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
 * run has ended well since. Nothing is told about a paused DAG.
 */
export function decideSla(sla: Sla, deadline: Instant, subject: SlaSubject, now: Instant): SlaDecision {
  const { state, endedAt } = subject
  if (subject.dagPaused || state === GIVEN_UP) return { notices: [], wakeAt: null }
  const well = WELL.includes(state)
  const inTime = well && endedAt !== null && endedAt <= deadline
  const dropped = endedAt !== null && !well && endedAt <= deadline && sla.afterFailure === 'drop'
  if (inTime || dropped) return { notices: [], wakeAt: null }
  const isNew = (kind: SlaKind) => !subject.sent.includes(kind)
  if (now < deadline) {
    const atRisk = endedAt === null && subject.forecast !== null && subject.forecast > deadline
    return { notices: atRisk && isNew('at_risk') ? ['at_risk'] : [], wakeAt: deadline }
  }
  const kinds: SlaKind[] = well ? ['missed', 'recovered'] : ['missed']
  return { notices: kinds.filter(isNew), wakeAt: null }
}
