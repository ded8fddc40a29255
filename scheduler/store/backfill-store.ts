import type { Instant } from '../../json.js'
import type { RunState } from '../core/model.js'
import type { NewRun } from './store.js'

export const BACKFILL_STATES = ['running', 'paused', 'done', 'cancelled'] as const
export type BackfillState = (typeof BACKFILL_STATES)[number]

/** Of the intervals in its range, a backfill takes all, those without a run, or those whose runs all went wrong. */
export const BACKFILL_CHOICES = ['all', 'missing', 'failed'] as const
export type BackfillChoice = (typeof BACKFILL_CHOICES)[number]

export interface NewBackfill {
  dagId: string
  /** the version whose schedule gives the slots; runs take the version that is current when they are made */
  version: string
  which: BackfillChoice
  /** intervals inside `[from, to)` */
  from: Instant
  to: Instant
  /** the latest interval first */
  reverse: boolean
  /** runs of it that are queued or running at once */
  maxActive: number
  /** due instant of the first slot to look at */
  nextDueAt: Instant
  /** intervals in the range */
  slots: number
  createdBy: string
  idempotency?: { key: string; requestHash: string }
}

export interface Backfill extends Omit<NewBackfill, 'nextDueAt' | 'idempotency'> {
  id: number
  state: BackfillState
  /** due instant of the next slot to look at; null when all have been */
  nextDueAt: Instant | null
  /** slots looked at so far, whether or not they got a run */
  passed: number
  createdAt: Instant
  endedAt: Instant | null
  /** its runs, by state */
  runs: Record<RunState, number>
}

/** What the runs by schedule and by backfill have made of one due instant. */
export interface SlotRuns {
  dueAt: Instant
  /** one of them is queued, running or a success */
  isGood: boolean
}

export interface BackfillStore {
  /** in state `running` @returns its id; that of the one there is when its idempotency key was used before */
  createBackfill(backfill: NewBackfill, now: Instant): Promise<number>
  /** the backfill that a request with this idempotency key has made; null for none */
  backfillOfKey(key: string): Promise<{ id: number; requestHash: string } | null>
  backfill(id: number): Promise<Backfill | null>
  /** newest first, those before `before` (an id) when given */
  backfills(dagId: string | null, before: number | null, limit: number): Promise<Backfill[]>
  /** running ones that have room for another run, or nothing left to do; DAGs that are paused or gone wait */
  backfillsToAdvance(limit: number): Promise<Backfill[]>
  /** the due instants in `[from, to]` that have a run by schedule or backfill, earliest first */
  slotRuns(dagId: string, from: Instant, to: Instant): Promise<SlotRuns[]>
  /**
   * Makes runs of a running backfill and moves on to the next slot, in one step. A run whose slot does not ask for one any
   * more (`missing`, `failed`) is left out. A backfill without a next slot ends (`done`) once its runs have.
   * - `advanced`: `created` are the ids of the runs
   * - `moved`: it is not running, or its next slot is not `expect` any more; nothing was written
   */
  advanceBackfill(
    id: number,
    expect: Instant | null,
    advance: { nextDueAt: Instant | null; passed: number; runs: readonly NewRun[] },
    now: Instant,
  ): Promise<{ outcome: 'advanced'; created: string[] } | { outcome: 'moved' }>
  /** compare-and-set on `expect` */
  setBackfillState(
    id: number,
    expect: readonly BackfillState[],
    state: Exclude<BackfillState, 'done'>,
    now: Instant,
  ): Promise<'changed' | 'unchanged' | 'unknown'>
  /** ids of its runs that are queued or running */
  activeRunsOf(backfillId: number): Promise<string[]>
}
