import { messageOf } from '../../errors.js'
import type { Instant } from '../../json.js'
import { defaultParams, newRun, type RunOrigin } from '../core/new-run.js'
import { dagOfRun, triggeredRunId } from '../core/run-id.js'
import { firings } from '../core/triggers.js'
import { zoneClockOf } from '../dag/schedule.js'
import type { NewRun } from '../store/store.js'
import { LONGEST_LOOK_PAUSE_MS, type PendingTrigger, type TriggerSource } from '../store/trigger-store.js'
import { announceRun } from './announce.js'
import type { Ports } from './ports.js'

/** Between two looks at a table or a folder; what Sluice itself commits is known without a look. */
export const LOOK_MS = 5_000
/** A look takes at most this part of the time: after one that took long the next one waits, but not for ever. */
const LOOK_SHARE = 20
/** Looks at the same time. */
const PARALLEL_LOOKS = 4
const DAGS_AT_ONCE = 100
/** Runs that a DAG with many events gets before the others have their turn. */
const RUNS_AT_ONCE = 100

/**
 * The runs that triggers ask for: looks at the tables and folders that DAGs wait for, and turns what has happened into runs.
 * Any number of schedulers may do so: one of them takes each look, and an event is one run's.
 */
export class Triggers {
  readonly #ports: Ports
  /** by DAG the due instant of the newest run made here: runs of one pass follow each other by a millisecond */
  readonly #lastDue = new Map<string, Instant>()
  #isNeeded = false

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /** false while no DAG waits for anything, so that nothing needs to be asked after each step */
  get isNeeded(): boolean {
    return this.#isNeeded
  }

  /** @returns the instant of the next look; null when there is nothing to look at */
  async look(): Promise<Instant | null> {
    const { store, clock } = this.#ports
    this.#isNeeded = (await store.triggerSources(null)).length > 0
    if (!this.#isNeeded) return null
    const taken = await store.claimLooks(clock.now(), LOOK_MS)
    const looks = grouped(taken)
    const next = async () => {
      for (let look = looks.shift(); look !== undefined; look = looks.shift()) await this.#guarded(look)
    }
    await Promise.all(Array.from({ length: PARALLEL_LOOKS }, next))
    return store.nextTriggerLook()
  }

  /** One place that does not answer keeps nobody from the others; its page says why nothing comes. */
  async #guarded(sources: TriggerSource[]): Promise<void> {
    const { store, clock, log } = this.#ports
    const began = clock.now()
    try {
      await this.#lookAt(sources)
      const took = clock.now() - began
      if (took * LOOK_SHARE > LOOK_MS) {
        const pause = Math.min(took * LOOK_SHARE, LONGEST_LOOK_PAUSE_MS)
        await store.setLook(sources, { problem: '', lookAgainAt: clock.now() + pause }, clock.now())
      }
    } catch (error) {
      const [first] = sources
      const problem = messageOf(error)
      if (first?.problem !== problem) log.warn({ err: error, source: first?.source }, 'a look for triggers failed')
      await store.setLook(sources, { problem, lookAgainAt: null }, clock.now())
    }
  }

  async #lookAt(sources: TriggerSource[]): Promise<void> {
    const { store, clock, watches, debugPoint } = this.#ports
    const [first] = sources
    if (first === undefined) return
    if (first.kind === 'table') {
      // as far back as the DAG that has seen the least needs it
      const positions = sources.map(({ position }) => position)
      const after = positions.some((position) => position === null) ? null : Math.min(...positions.map(Number))
      const highest = Math.max(...positions.map((position) => position ?? -1))
      const look = await watches.versions(first.source, {
        after,
        since: Math.min(...sources.map(({ since }) => since)),
        highest,
        highestAt: sources.find(({ position }) => position === highest)?.positionAt ?? null,
      })
      await debugPoint('look:seen')
      await store.recordVersions(first.source, look, clock.now())
      if (look.isPart) await store.setLook(sources, { problem: '', lookAgainAt: clock.now() }, clock.now())
      return
    }
    const look = await watches.files(first, () => store.knownFiles(first))
    await debugPoint('look:seen')
    if (look.files.length + look.gone.length > 0 || first.problem !== '' || first.lookedAt === null) {
      await store.recordFiles(first, look, clock.now())
    }
    look.recorded()
    if (look.againMs !== null) {
      await store.setLook(sources, { problem: '', lookAgainAt: clock.now() + look.againMs }, clock.now())
    }
  }

  /** @param made is called whenever runs were made, so that they start before the rest is made */
  async fire(made: () => void): Promise<void> {
    let created: number
    do {
      created = 0
      let after: string | null = null
      do {
        const pending: PendingTrigger[] = await this.#ports.store.pendingTriggers(after, DAGS_AT_ONCE)
        const runs = await this.#fireOnce(pending)
        if (runs > 0) made()
        created += runs
        after = pending.length < DAGS_AT_ONCE ? null : (pending.at(-1)?.dagId ?? null)
      } while (after !== null)
      // those with more than one step's worth of events have their turn again after the others
    } while (created > 0)
  }

  async #fireOnce(pending: readonly PendingTrigger[]): Promise<number> {
    const { store, clock, events, log, debugPoint } = this.#ports
    const fires = (await Promise.all(pending.map((one) => this.#decide(one)))).flat()
    if (fires.length === 0) return 0
    await debugPoint('trigger:decided')
    const created = await store.fireTriggers(fires, clock.now())
    if (created.length > 0) await debugPoint('trigger:fired')
    for (const runId of created) {
      log.info({ dag: dagOfRun(runId), run: runId }, 'a triggered run is due')
      announceRun(events, runId, 'queued')
    }
    return created.length
  }

  async #decide(pending: PendingTrigger): Promise<{ run: NewRun; events: number[] }[]> {
    const { store, clock, timetable } = this.#ports
    const dag = await store.dagVersion(pending.version)
    if (dag === null) return []
    const now = clock.now()
    const fires = firings(dag, pending, RUNS_AT_ONCE)
    const from = Math.max(now, (this.#lastDue.get(dag.id) ?? 0) + 1)
    if (fires.length > 0) this.#lastDue.set(dag.id, from + fires.length - 1)
    return fires.map(({ trigger, by, events }, index) => {
      const dueAt = from + index
      const end = dag.schedule === null ? null : timetable.previousDue(dag.schedule, now)
      const interval =
        dag.schedule === null || end === null ? { start: dueAt, end: dueAt } : timetable.intervalOf(dag.schedule, end)
      const origin: RunOrigin = {
        id: triggeredRunId(dag.id, dueAt, events[0] ?? 0),
        kind: 'triggered',
        dueAt,
        interval,
        params: defaultParams(dag),
        triggeredBy: by,
        trigger,
        onlyTasks: null,
        noChecks: false,
      }
      return { run: newRun(dag, origin, zoneClockOf(dag), now), events }
    })
  }
}

/** One look for each table, whoever waits for it, and one for each glob of a DAG. */
function grouped(sources: readonly TriggerSource[]): TriggerSource[][] {
  const looks = new Map<string, TriggerSource[]>()
  for (const source of sources) {
    const key = source.kind === 'table' ? source.source : `${source.dagId} ${source.source}`
    looks.set(key, [...(looks.get(key) ?? []), source])
  }
  return [...looks.values()]
}
