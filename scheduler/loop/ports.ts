import type { Instant } from '../../json.js'
import type { Clock } from '../clock.js'
import type { Recipients } from '../core/alert.js'
import type { Random } from '../core/retry.js'
import type { EarlyWarning, Schedule } from '../dag/model.js'
import type { Events } from '../events.js'
import type { Queue } from '../queue/queue.js'
import type { Store } from '../store/store.js'
import type { SeenFile, TableLook, TriggerSource } from '../store/trigger-store.js'

/** When schedules are due; `scheduler/dag/schedule.ts` is the real one. */
export interface Timetable {
  /** the first due instant after `after` (exclusive); null when there is none */
  nextDue(schedule: Schedule, after: Instant): Instant | null
  /** the last due instant at or before `atOrBefore`; null when there is none */
  previousDue(schedule: Schedule, atOrBefore: Instant): Instant | null
  intervalOf(schedule: Schedule, dueAt: Instant): { start: Instant; end: Instant }
}

/** How tables and folders are looked at; `scheduler/triggers/` is the real one. Rejects when a place does not answer. */
export interface Watches {
  /**
   * Versions of a table that bring new data, the oldest first.
   * @param from `after`: only later ones; null: those committed after `since`. `highest`: the newest that anybody has seen, committed at
   *   `highestAt`; where the table has none so new, or another one, it is another table of its name, whose versions are all new
   */
  versions(
    table: string,
    from: { after: number | null; since: Instant; highest?: number; highestAt?: Instant | null },
  ): Promise<VersionsLook>
  /** @param known what the store knows already; asked for at the first look only */
  files(source: TriggerSource, known: () => ReturnType<Store['knownFiles']>): Promise<FilesLook>
}

export interface VersionsLook extends TableLook {
  /** there are more, for the next look */
  isPart: boolean
}

export interface FilesLook extends Pick<Parameters<Store['recordFiles']>[1], 'gone'> {
  /** complete files that were not known */
  files: SeenFile[]
  /** when files that may still be growing are to be looked at again; null when there are none */
  againMs: number | null
  /** to be called once the store has taken note */
  recorded(): void
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
  | 'look:seen'
  | 'trigger:decided'
  | 'trigger:fired'
  | 'runs:started'
  | 'runs:overlapping'
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
  /** the store carries out what it is asked for in the order of asking, so one may ask behind a write that has not answered */
  storeInOrder: boolean
  queue: Queue
  clock: Clock
  events: Events
  timetable: Timetable
  watches: Watches
  random: Random
  log: Log
  /** who is told of what belongs to no DAG, and of failures of DAGs that do not say themselves; null for nobody */
  projectAlerts: Recipients | null
  /** what early warnings of SLAs that do not say go by */
  earlyWarning: EarlyWarning
  debugPoint: (point: DebugPoint) => Promise<void> | undefined
}
