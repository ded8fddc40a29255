import type { Instant } from '../../json.js'
import { defaultParams, newRun, type RunOrigin } from '../core/new-run.js'
import { backfillRunId } from '../core/run-id.js'
import type { Dag } from '../dag/model.js'
import { zoneClockOf } from '../dag/schedule.js'
import type { Backfill } from '../store/backfill-store.js'
import { announceRun } from './announce.js'
import { backfillStep, slotAfter } from './backfill-slots.js'
import type { Slot } from './catchup.js'
import type { Ports } from './ports.js'

const BACKFILLS_AT_ONCE = 20
/** Slots that one step looks at: a range in which nothing is missing is passed quickly, and nobody waits for it. */
const SLOTS_AT_ONCE = 200
/** Steps of one pass; what is left is taken up after others have had their turn. */
const STEPS_AT_ONCE = 20

/**
 * Makes the runs of backfills, only as many as may be active, so that a year of intervals neither fills the store nor stands
 * before the runs of the schedule. Any number of schedulers may do so: a slot yields one run of its backfill.
 */
export class Backfills {
  readonly #ports: Ports

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /**
   * @param made is called whenever runs were made
   * @returns whether there is more to do at once
   */
  async make(made: () => void): Promise<boolean> {
    const { store, log } = this.#ports
    const open = await store.backfillsToAdvance(BACKFILLS_AT_ONCE)
    let more = false
    for (const backfill of open) {
      try {
        more = (await this.#advance(backfill, made)) || more
      } catch (error) {
        log.error(
          { err: error, dag: backfill.dagId, backfill: backfill.id },
          'a backfill failed; the next sweep goes on',
        )
      }
    }
    return more
  }

  async #advance(backfill: Backfill, made: () => void): Promise<boolean> {
    const { store, clock, timetable, events, debugPoint } = this.#ports
    const registered = await store.dag(backfill.dagId)
    const dag = registered === null ? null : await store.dagVersion(registered.version)
    const planned = await store.dagVersion(backfill.version)
    if (dag === null || planned === null) return false
    let { nextDueAt } = backfill
    let room = backfill.maxActive - backfill.runs.queued - backfill.runs.running
    for (let steps = 0; steps < STEPS_AT_ONCE; steps += 1) {
      const at = { ...backfill, nextDueAt }
      const step = backfillStep(timetable, planned, at, await this.#there(planned, at), room, SLOTS_AT_ONCE)
      const runs = step.slots.map((slot) => backfillRun(dag, backfill, slot, clock.now()))
      await debugPoint('slots:decided')
      const answer = await store.advanceBackfill(backfill.id, nextDueAt, { ...step, runs }, clock.now())
      if (answer.outcome === 'moved') return false
      if (answer.created.length > 0) {
        await debugPoint('slots:created')
        for (const runId of answer.created) announceRun(events, runId, 'queued')
        made()
      }
      room -= answer.created.length
      // without a slot left the step before has ended it, or its runs are still to end
      if (nextDueAt === null || room <= 0) return false
      if (step.nextDueAt === null) return room === backfill.maxActive
      nextDueAt = step.nextDueAt
    }
    return true
  }

  /** The runs of the slots that the next step may look at. */
  async #there(dag: Dag, backfill: Backfill): ReturnType<Ports['store']['slotRuns']> {
    const { timetable, store } = this.#ports
    const { which, nextDueAt } = backfill
    if (which === 'all' || nextDueAt === null) return []
    let last = nextDueAt
    for (let slots = 1; slots < SLOTS_AT_ONCE; slots += 1) last = slotAfter(timetable, dag, backfill, last) ?? last
    return store.slotRuns(dag.id, Math.min(nextDueAt, last), Math.max(nextDueAt, last))
  }
}

function backfillRun(dag: Dag, backfill: Backfill, { dueAt, interval }: Slot, now: Instant) {
  const origin: RunOrigin = {
    id: backfillRunId(dag.id, dueAt, backfill.id),
    kind: 'backfill',
    dueAt,
    interval,
    params: defaultParams(dag),
    triggeredBy: backfill.createdBy,
    onlyTasks: null,
    noChecks: false,
  }
  return newRun(dag, origin, zoneClockOf(dag), now)
}
