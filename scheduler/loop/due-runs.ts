import type { Instant } from '../../json.js'
import { defaultParams, newRun, type RunOrigin, snapshotOfNew } from '../core/new-run.js'
import { dagOfRun, scheduledRunId } from '../core/run-id.js'
import type { Dag } from '../dag/model.js'
import { zoneClockOf } from '../dag/schedule.js'
import type { DueAdvance, RegisteredDag } from '../store/store.js'
import { announceRun } from './announce.js'
import { dueSlots } from './catchup.js'
import type { DagVersions } from './dag-versions.js'
import type { Ports } from './ports.js'
import type { RunCache } from './run-cache.js'

const DAGS_AT_ONCE = 100
/** Runs that a DAG with many missed slots gets before the others have their turn. */
const SLOTS_AT_ONCE = 100

interface Decided {
  dag: Dag
  advance: DueAdvance
}

/** Makes the runs that are due. Any number of schedulers may do so: a tick yields one run. */
export class DueRuns {
  readonly #ports: Omit<Ports, 'watches'>
  readonly #versions: DagVersions
  readonly #cache: Pick<RunCache, 'put'>

  /** @param cache is told of the runs that were made: they are settled as soon as they start */
  constructor(ports: Omit<Ports, 'watches'>, versions: DagVersions, cache: Pick<RunCache, 'put'>) {
    this.#ports = ports
    this.#versions = versions
    this.#cache = cache
  }

  /**
   * All DAGs that are due together are one step of the store, so that the last of many is hardly later than the first.
   * @param made is called whenever runs were made, so that they start before the rest is made
   */
  async make(made: () => void): Promise<void> {
    const { store, clock } = this.#ports
    for (;;) {
      const due = await store.dueDags(clock.now(), DAGS_AT_ONCE)
      const decided = (await Promise.all(due.map((dag) => this.#guarded(dag)))).filter((advance) => advance !== null)
      // one that cannot be decided waits for the next look, and so does what another scheduler is at just now
      if (decided.length === 0 || !(await this.#advance(decided, made))) return
    }
  }

  /** One DAG that cannot be decided does not keep the others from their runs. */
  async #guarded(registered: RegisteredDag): Promise<Decided | null> {
    try {
      return await this.#decide(registered)
    } catch (error) {
      this.#ports.log.error({ err: error, dag: registered.id }, 'making the due run failed; the next sweep tries again')
      return null
    }
  }

  async #decide(registered: RegisteredDag): Promise<Decided | null> {
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
    return { dag, advance: { dagId, version: dag.version, expect, nextDueAt, runs } }
  }

  /** @returns whether anything has moved */
  async #advance(decided: Decided[], made: () => void): Promise<boolean> {
    const { store, clock, events, log, debugPoint } = this.#ports
    await debugPoint('tick:decided')
    const now = clock.now()
    const advances = decided.map(({ advance }) => advance)
    const advanced = (await store.advanceDue(advances, now)).filter(({ outcome }) => outcome === 'advanced')
    const created = advanced.flatMap((result) => ('created' in result ? result.created : []))
    this.#remember(decided, new Set(created), now)
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

  /** Those that are made up for start one after the other, and would only push others out of the cache. */
  #remember(decided: Decided[], created: ReadonlySet<string>, now: Instant): void {
    for (const { dag, advance } of decided) {
      const [run, ...more] = advance.runs
      if (run !== undefined && more.length === 0 && created.has(run.id)) this.#cache.put(snapshotOfNew(dag, run, now))
    }
  }
}
