import type { Instant } from '../../json.js'
import type { AlertEvent } from '../core/alert.js'
import type { OpenSla, SlaKind } from '../core/sla.js'
import type { PastTaskTimes } from '../core/sla-times.js'

/** An SLA of a run that is being made, inserted together with it. */
export interface NewSla {
  /** null for the run itself */
  taskId: string | null
  /** `Sla.name` */
  sla: string
  /** there may be an early warning, so it is looked at when the run moves */
  warns: boolean
  /** null when it is known only once the run has started */
  deadlineAt: Instant | null
  lookAt: Instant | null
}

/** What one look at an SLA has found. */
export interface SlaChange extends Pick<OpenSla, 'runId' | 'taskId' | 'sla' | 'revision' | 'dagPaused'> {
  deadlineAt: Instant | null
  lookAt: Instant | null
  p50At: Instant | null
  p90At: Instant | null
  notices: readonly { kind: SlaKind; alert: AlertEvent }[]
  /** there is nothing more to tell */
  closed: boolean
}

/** A run of the past that ended well, with those of its tasks that have ended. */
export interface PastRunTimes {
  createdAt: Instant
  startedAt: Instant
  tasks: PastTaskTimes[]
}

/**
 * Deadlines. They are made with their runs (`NewRun.slas`). A run that starts, a decision that ends a task or a run or
 * makes it start anew, and a DAG that is resumed make theirs due to be looked at.
 */
export interface SlaStore {
  /** SLAs whose `lookAt` is at or before `now`, the earliest first */
  dueSlas(now: Instant, limit: number): Promise<OpenSla[]>
  /** the earliest instant at which `dueSlas` will give one */
  nextSlaLook(): Promise<Instant | null>
  /**
   * Writes what looks have found and raises its alerts, in one step. Each SLA stands for itself: a change is left out when
   * the SLA has changed since it was read (`revision`), or its DAG was paused or resumed (`dagPaused`), so each kind of
   * notice is given once however many schedulers look.
   * @returns those that were written
   */
  settleSlas(changes: readonly SlaChange[], now: Instant): Promise<Pick<SlaChange, 'runId' | 'taskId' | 'sla'>[]>
  /** The latest runs of the DAG by schedule or by hand that ended well, whole runs only; for forecasts. */
  pastRuns(dagId: string, limit: number): Promise<PastRunTimes[]>
}
