import type { Instant } from '../../json.js'
import { defaultParams, newRun } from '../core/new-run.js'
import { scheduledRunId } from '../core/run-id.js'
import type { Dag } from '../dag/model.js'
import type { RegisteredDag, Store } from '../store/store.js'
import { announceRun } from './announce.js'
import type { Ports, Timetable } from './ports.js'

const DAGS_AT_ONCE = 100
/** Stored versions never change, so the DAGs of the last ticks are kept. */
const CACHED_VERSIONS = 128

/** Makes the runs that are due. Any number of schedulers may do so: a tick yields one run. */
export class DueRuns {
  readonly #ports: Ports
  readonly #versions: DagVersions

  constructor(ports: Ports) {
    this.#ports = ports
    this.#versions = new DagVersions(ports.store)
  }

  /** @param made is called whenever runs were made, so that they start before the rest is made */
  async make(made: () => void): Promise<void> {
    const { store, clock } = this.#ports
    for (;;) {
      const due = await store.dueDags(clock.now(), DAGS_AT_ONCE)
      const results = await Promise.all(due.map((dag) => this.#guarded(dag)))
      if (results.includes('made')) made()
      // with catchup a DAG stays due; one that could not be advanced waits for the next look
      if (results.every((result) => result === 'stuck')) return
    }
  }

  /** One DAG that cannot be made does not keep the others from their runs. */
  async #guarded(registered: RegisteredDag): Promise<'made' | 'moved' | 'stuck'> {
    try {
      return await this.#makeRun(registered)
    } catch (error) {
      this.#ports.log.error({ err: error, dag: registered.id }, 'making the due run failed; the next sweep tries again')
      return 'stuck'
    }
  }

  async #makeRun(registered: RegisteredDag): Promise<'made' | 'moved' | 'stuck'> {
    const { store, clock, timetable, events, log, debugPoint } = this.#ports
    const now = clock.now()
    const expect = registered.nextDueAt
    const dag = await this.#versions.get(registered.version)
    if (dag === null || expect === null) return 'stuck'
    const tick = dag.schedule === null ? null : tickAt(timetable, dag, expect, now)
    if (tick === null) {
      // the version that runs now has no schedule, or one that is never due again
      const outcome = await store.setNextDue(dag.id, expect, null)
      return outcome === 'changed' ? 'moved' : 'stuck'
    }
    const run = newRun(dag, {
      id: scheduledRunId(dag.id, tick.dueAt),
      kind: 'scheduled',
      dueAt: tick.dueAt,
      interval: tick.interval,
      params: defaultParams(dag),
      triggeredBy: 'schedule',
      onlyTasks: null,
      noChecks: false,
    })
    await debugPoint('tick:decided')
    const result = await store.createRun(run, { now, advance: { expect, nextDueAt: tick.nextDueAt } })
    if (result.outcome === 'created') {
      await debugPoint('tick:created')
      log.info({ dag: dag.id, run: run.id }, 'a scheduled run is due')
      announceRun(events, run.id, 'queued')
      return 'made'
    }
    // the run was made before, by a schedule that has changed since: only the tick is left to move
    if (result.outcome === 'exists') await store.setNextDue(dag.id, expect, tick.nextDueAt)
    return 'moved'
  }
}

export interface DueTick {
  dueAt: Instant
  interval: { start: Instant; end: Instant }
  nextDueAt: Instant | null
}

/**
 * The run to make for a DAG that has been due since `dueSince`: with `catchup` the earliest one missed, otherwise only
 * the latest, however long Sluice was down. Null when the schedule is never due.
 */
export function tickAt(timetable: Timetable, dag: Dag, dueSince: Instant, now: Instant): DueTick | null {
  const { schedule } = dag
  if (schedule === null) return null
  const latest = timetable.previousDue(schedule, now)
  const dueAt = dag.catchup || latest === null ? dueSince : Math.max(latest, dueSince)
  return {
    dueAt,
    interval: timetable.intervalOf(schedule, dueAt),
    nextDueAt: timetable.nextDue(schedule, dueAt),
  }
}

class DagVersions {
  readonly #store: Store
  readonly #dags = new Map<string, Dag>()

  constructor(store: Store) {
    this.#store = store
  }

  async get(version: string): Promise<Dag | null> {
    const known = this.#dags.get(version)
    if (known !== undefined) return known
    const dag = await this.#store.dagVersion(version)
    if (dag !== null) this.#dags.set(version, dag)
    const oldest = this.#dags.keys().next()
    if (this.#dags.size > CACHED_VERSIONS && !oldest.done) this.#dags.delete(oldest.value)
    return dag
  }
}
