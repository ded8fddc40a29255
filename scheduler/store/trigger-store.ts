import type { Instant } from '../../json.js'
import type { EventKind, TriggerEvent } from '../core/model.js'
import type { Dag, FileTrigger } from '../dag/model.js'
import type { NewRun } from './store.js'

/** One thing that a trigger of one DAG waits for: a table, a glob, another DAG. */
export interface TriggerSource {
  dagId: string
  kind: EventKind
  /** as in `Trigger.sources` */
  source: string
  /** of a glob how its files are looked at; null for others */
  files: Pick<FileTrigger, 'connection' | 'stableMs' | 'marker'> | null
  /** what was there before does not count, but for files */
  since: Instant
  /** of a table the newest version looked at; -1 when there was no table, null before the first look */
  position: number | null
  /** when the version at `position` was committed; null where that is not known */
  positionAt: Instant | null
  /** when it was looked at last; null before the first look, and for DAGs, whose runs are known without a look */
  lookedAt: Instant | null
  /** why the last look failed; '' when it did not */
  problem: string
}

/** A DAG with events that no run stands for. */
export interface PendingTrigger {
  dagId: string
  version: string
  /** a triggered run of the DAG is queued, so a batch goes on growing */
  isWaiting: boolean
  /** oldest first, of each source the oldest 1,000 */
  events: TriggerEvent[]
}

export interface SeenVersion {
  version: number
  committedAt: Instant
  /** the version before it; null when there was none, or it is not known */
  before: number | null
  /** whose run has committed it; null for others. A DAG is not started by its own commits. */
  dag: string | null
}

/** What one look at a table has found. */
export interface TableLook {
  versions: readonly SeenVersion[]
  /** the newest version looked at; -1 when there is no table */
  position: number
  /** when the version at `position` was committed; null or absent where that is not known */
  positionAt?: Instant | null
  /**
   * The table has no version so new as one that was seen before, or another one under its number: it was dropped and made anew, and
   * `versions` begin with its first. `newest`: the newest it has; `since`: when its first was committed; `former`: when the version
   * at the position was committed that is not there any more. Null for the table that was there
   */
  anew?: { newest: number; since: Instant; former: Instant | null } | null
}

export interface SeenFile {
  /** tells this content of this file from any other, at most 64 characters */
  key: string
  files: string[]
}

/** Two looks at one place are never further apart. */
export const LONGEST_LOOK_PAUSE_MS = 300_000

export interface TriggerStore {
  /** what triggers wait for, of DAGs that are present, in the order of DAG, kind and source */
  triggerSources(dagId: string | null): Promise<TriggerSource[]>
  /**
   * Takes the tables and globs whose look is due at `now` and moves their next look to `now + everyMs`, so of any number of
   * schedulers one looks. All DAGs that wait for one table are taken together. A look that is further off than
   * `LONGEST_LOOK_PAUSE_MS` by `SET_BACK_MS` is due too.
   */
  claimLooks(now: Instant, everyMs: number): Promise<TriggerSource[]>
  /** the earliest next look; null when there is nothing to look at */
  nextTriggerLook(): Promise<Instant | null>
  /**
   * Takes note of a look at a table: versions after each DAG's position (before the first look: committed after `since`)
   * become events, those that are known already stay as they are, and the position moves to the newest version. DAGs that have seen
   * versions which a table has not that was made anew begin with it from the start; events of the former one are other ones.
   * @param look `versions` may be a part of those before `position`
   * @returns the number of new events
   */
  recordVersions(table: string, look: TableLook, now: Instant): Promise<number>
  /**
   * Takes note of a look at the files of one glob. Files with a key that is known stay as they are. `gone` are keys that are
   * not there any more: they are forgotten with old runs, unless they come back before.
   * @returns the number of new events
   */
  recordFiles(
    source: { dagId: string; source: string },
    look: { files: readonly SeenFile[]; gone: readonly string[] },
    now: Instant,
  ): Promise<number>
  /** keys of files that are known and not gone */
  knownFiles(source: { dagId: string; source: string }): Promise<string[]>
  /** notes that a look failed, or (with '') that it did not; `lookAgainAt` moves the next look */
  setLook(
    sources: readonly Pick<TriggerSource, 'dagId' | 'kind' | 'source'>[],
    look: { problem: string; lookAgainAt: Instant | null },
    now: Instant,
  ): Promise<void>
  /** DAGs present and not paused with events that no run stands for, in the order of their ids, those behind `after` */
  pendingTriggers(after: string | null, limit: number): Promise<PendingTrigger[]>
  /** the events that wait for a run of this DAG, paused or not, oldest first and at most 100,000 */
  pendingEvents(dagId: string): Promise<Pick<TriggerEvent, 'id' | 'kind' | 'source' | 'seenAt'>[]>
  /**
   * Makes runs as `advanceDue` does, each in one step with the mark on its events that it stands for them. One whose events
   * are not all pending any more is not made.
   * @returns ids of the runs that were made
   */
  fireTriggers(fires: readonly { run: NewRun; events: readonly number[] }[], now: Instant): Promise<string[]>
  /** events that shall never start a run; returns how many of them still waited */
  dropEvents(dagId: string, events: readonly number[], now: Instant): Promise<number>
}

/** What a DAG's triggers wait for, as rows that the store keeps. */
export function sourcesOf(dag: Pick<Dag, 'triggers'>): Pick<TriggerSource, 'kind' | 'source' | 'files'>[] {
  return dag.triggers.flatMap((trigger) => {
    if (trigger.kind === 'webhook') return []
    const { kind, sources } = trigger
    const files =
      kind === 'file' ? { connection: trigger.connection, stableMs: trigger.stableMs, marker: trigger.marker } : null
    return sources.map((source) => ({ kind, source, files }))
  })
}
