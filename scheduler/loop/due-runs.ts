import { defaultParams, newRun, type RunOrigin } from '../core/new-run.js'
import { dagOfRun, scheduledRunId } from '../core/run-id.js'
import { zoneClockOf } from '../dag/schedule.js'
import type { DueAdvance, RegisteredDag } from '../store/store.js'
import { announceRun } from './announce.js'
import { dueSlots } from './catchup.js'
import type { DagVersions } from './dag-versions.js'
import type { Ports } from './ports.js'

const DAGS_AT_ONCE = 100
/** Runs that a DAG with many missed slots gets before the others have their turn. */
const SLOTS_AT_ONCE = 100

/** Makes the runs that are due. Any number of schedulers may do so: a tick yields one run. */
export class DueRuns {
  readonly #ports: Omit<Ports, 'watches'>
  readonly #versions: DagVersions

  constructor(ports: Omit<Ports, 'watches'>, versions: DagVersions) {
    this.#ports = ports
    this.#versions = versions
  }

  /**
   * All DAGs that are due together are one step of the store, so that the last of many is hardly later than the first.
   * @param made is called whenever runs were made, so that they start before the rest is made
   */
  async make(made: () => void): Promise<void> {
    const { store, clock } = this.#ports
    for (;;) {
      const due = await store.dueDags(clock.now(), DAGS_AT_ONCE)
      const advances = (await Promise.all(due.map((dag) => this.#guarded(dag)))).filter((advance) => advance !== null)
      // one that cannot be decided waits for the next look, and so does what another scheduler is at just now
      if (advances.length === 0 || !(await this.#advance(advances, made))) return
    }
  }

  /** One DAG that cannot be decided does not keep the others from their runs. */
  async #guarded(registered: RegisteredDag): Promise<DueAdvance | null> {
    try {
      return await this.#decide(registered)
    } catch (error) {
      this.#ports.log.error({ err: error, dag: registered.id }, 'making the due run failed; the next sweep tries again')
      return null
    }
  }

  async #decide(registered: RegisteredDag): Promise<DueAdvance | null> {
    const { clock, timetable } = this.#ports
    const { id: dagId, nextDueAt: expect } = registered
    const dag = await this.#versions.get(registered.version)
    if (dag === null || expect === null) return null
    const now = clock.now()
    const { slots, nextDueAt } = dueSlots(timetable, dag, expect, now, SLOTS_AT_ONCE)
    const zone = zoneClockOf(dag)
    const runs = slots.map(({ dueAt, interval }) => {
      const origin: RunOrigin = {
        id: scheduledRunId(dagId, dueAt),
        kind: 'scheduled',
        dueAt,
        interval,
        params: defaultParams(dag),
        triggeredBy: 'schedule',
        onlyTasks: null,
        noChecks: false,
      }
      return newRun(dag, origin, zone, now)
    })
    return { dagId, expect, nextDueAt, runs }
  }

  /** @returns whether anything has moved */
  async #advance(advances: DueAdvance[], made: () => void): Promise<boolean> {
    const { store, clock, events, log, debugPoint } = this.#ports
    await debugPoint('tick:decided')
    const advanced = (await store.advanceDue(advances, clock.now())).filter(({ outcome }) => outcome === 'advanced')
    const created = advanced.flatMap((result) => ('created' in result ? result.created : []))
    if (created.length > 0) {
      await debugPoint('tick:created')
      made()
    }
    for (const runId of created) {
      log.info({ dag: dagOfRun(runId), run: runId }, 'a scheduled run is due')
      announceRun(events, runId, 'queued')
    }
    return advanced.length > 0
  }
}
