import type { Instant } from '../../json.js'
import type { EarlyWarning, Sla } from '../dag/model.js'
import { decideSla, type OpenSla, type SlaKind, slaDeadline, type ZoneClock } from './sla.js'
import {
  type Forecast,
  forecastOf,
  nextCrossing,
  type PastRun,
  possibleEnds,
  quantile,
  type RemainingTask,
} from './sla-forecast.js'
import { isFinal, isFinalRun } from './states.js'

/** What a forecast is made from: the tasks that are left, and how long they took before. */
export interface Path {
  tasks: readonly RemainingTask[]
  history: readonly PastRun[]
}

/** What one look at an SLA has found, to be written. */
export interface SlaLook {
  deadlineAt: Instant | null
  /** null: only something that happens brings the next look */
  lookAt: Instant | null
  forecast: Forecast | null
  notices: SlaKind[]
  closed: boolean
}

/** The deadline as the store has it, or as it can be known by now. */
export function deadlineOf(open: OpenSla, sla: Sla, zone: ZoneClock): Instant | null {
  return open.deadlineAt ?? slaDeadline(sla.rule, open.run, zone)
}

/** Whether a forecast would tell something: the rest of the work is still ahead, and somebody is to be warned. */
export function wantsForecast(
  open: OpenSla,
  earlyWarning: EarlyWarning,
  deadline: Instant | null,
  now: Instant,
): boolean {
  if (earlyWarning === 'off' || open.dagPaused || deadline === null || hasEnded(open)) return false
  // those who were told of the miss see when to expect it; at the deadline itself the mail goes out first
  return now < deadline || open.sent.includes('missed')
}

/** The quantile that an early warning goes by; null for none. */
const shareOf = (earlyWarning: EarlyWarning): number | null =>
  earlyWarning === 'off' ? null : Number(earlyWarning.slice(1)) / 100

/**
 * One look at an SLA.
 * @param sla as its file has it, with what the project says filled in
 * @param path null without a forecast: none is wanted, or nothing is known
 */
export function lookAtSla(
  open: OpenSla,
  sla: Pick<Sla, 'afterFailure'> & { earlyWarning: EarlyWarning },
  deadline: Instant | null,
  path: Path | null,
  now: Instant,
): SlaLook {
  const nothing = { deadlineAt: deadline, lookAt: null, forecast: null, notices: [], closed: false }
  // `from: start` of a run that has not started: the start brings the next look
  if (deadline === null) return nothing
  const share = shareOf(sla.earlyWarning)
  const ends = path === null ? null : possibleEnds(path.tasks, path.history, now)
  const { state, endedAt } = open.task ?? open.run
  const { notices, wakeAt, closed } = decideSla(
    sla,
    deadline,
    {
      state,
      endedAt: hasEnded(open) ? endedAt : null,
      dagPaused: open.dagPaused,
      sent: open.sent,
      forecast: share === null || ends === null ? null : quantile(ends, share),
    },
    now,
  )
  const warned = open.sent.includes('at_risk') || notices.includes('at_risk')
  const watched = wakeAt !== null && path !== null && share !== null && !warned
  const crossing = watched ? nextCrossing(path.tasks, path.history, now, deadline, share) : null
  const expected = ends === null ? null : forecastOf(ends)
  return { deadlineAt: deadline, lookAt: crossing ?? wakeAt, forecast: expected, notices, closed }
}

function hasEnded({ task, run }: OpenSla): boolean {
  return task === null ? isFinalRun(run.state) : isFinal(task.state)
}
