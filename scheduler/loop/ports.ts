import type { Instant } from '../../json.js'
import type { Clock } from '../clock.js'
import type { Recipients } from '../core/alert.js'
import type { Random } from '../core/retry.js'
import type { Schedule } from '../dag/model.js'
import type { Events } from '../events.js'
import type { Queue } from '../queue/queue.js'
import type { Store } from '../store/store.js'

/** When schedules are due; `scheduler/dag/schedule.ts` is the real one. */
export interface Timetable {
  /** the first due instant after `after` (exclusive); null when there is none */
  nextDue(schedule: Schedule, after: Instant): Instant | null
  /** the last due instant at or before `atOrBefore`; null when there is none */
  previousDue(schedule: Schedule, atOrBefore: Instant): Instant | null
  intervalOf(schedule: Schedule, dueAt: Instant): { start: Instant; end: Instant }
}

/** The part of pino's interface that the scheduler needs. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * The gaps between two durable writes, where a crash leaves work half done. Tests and the simulation stop or kill here;
 * in production a point costs one microtask.
 */
export type DebugPoint =
  | 'tick:decided'
  | 'tick:created'
  | 'slots:decided'
  | 'slots:created'
  | 'runs:started'
  | 'run:decided'
  | 'run:applied'
  | 'ready:queued'
  | 'sweep:reaped'
  | 'slas:decided'
  | 'command:decided'
  | 'command:applied'
  | 'resume:moved'
  | 'child:made'
  | 'waits:woken'

/** Everything the scheduler touches outside itself. */
export interface Ports {
  store: Store
  queue: Queue
  clock: Clock
  events: Events
  timetable: Timetable
  random: Random
  log: Log
  /** who is told of what belongs to no DAG, and of failures of DAGs that do not say themselves; null for nobody */
  projectAlerts: Recipients | null
  debugPoint: (point: DebugPoint) => Promise<void> | undefined
}
