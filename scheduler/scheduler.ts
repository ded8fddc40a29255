import type { Instant } from '../json.js'
import type { Wake } from './commands.js'
import type { AttemptOutcome } from './core/model.js'
import { dagOfRun, isBackfillRun } from './core/run-id.js'
import { EARLY_WARNING_DEFAULT } from './dag/sla-schema.js'
import { Alarms } from './loop/alarms.js'
import { announceQueued, announceRun } from './loop/announce.js'
import { Backfills } from './loop/backfills.js'
import { DagVersions } from './loop/dag-versions.js'
import { DueRuns } from './loop/due-runs.js'
import type { Ports, Watches } from './loop/ports.js'
import { Reaper } from './loop/reaper.js'
import { type DagReading, registerReading } from './loop/registration.js'
import { RunCache } from './loop/run-cache.js'
import { Settler } from './loop/settler.js'
import { tellOfSilentWorkers } from './loop/silent-workers.js'
import { SingleFlight } from './loop/single-flight.js'
import { Slas } from './loop/slas.js'
import { Triggers } from './loop/triggers.js'
import { Waits } from './loop/waits.js'
import { FIRST_TURN, nextTurn } from './store/settle-turn.js'

export type { DebugPoint, Log, Ports, Timetable } from './loop/ports.js'
export type { DagReading } from './loop/registration.js'

export interface SchedulerLimits {
  /** between two sweeps, the safety net for lost hints and dead workers; a function may say another pace at another time */
  sweepMs: number | (() => number)
  /** a queued task that nobody has claimed for this long is dispatched again */
  staleQueuedMs: number
  /** runs settled at the same time */
  parallelRuns: number
  /** runs whose snapshot is kept in memory */
  cachedRuns: number
  /** of a task with more items than this, decisions are taken from those at work and as many of those that wait */
  shownItems: number
  /** the reasons of ready tasks that find no place are renewed no oftener than this, since all of them are looked at for it */
  tellMs: number
  /** runs that one look for what is left to settle takes along; the others have their turn at the next */
  foundRuns: number
}

export const DEFAULT_LIMITS: SchedulerLimits = {
  sweepMs: 5_000,
  staleQueuedMs: 10_000,
  parallelRuns: 4,
  cachedRuns: 256,
  shownItems: 500,
  tellMs: 1_000,
  foundRuns: 500,
}

/** Forecasts of a run that moves are made anew after so long, together. */
const SLAS_SOON_MS = 5_000

const NOBODY: ReadonlySet<string> = new Set()

/** Tasks or runs that one statement moves. */
const BATCH = 500

/**
 * The loop that joins store, core and queue. The store is the authority and this only its servant: it may be killed at any
 * moment, run several times at once, and be told things twice or not at all.
 *
 *   outcome recorded -> settle its run -> apply the decision -> queue what is ready -> hint to the workers
 *
 * Events drive it (an outcome, a command, a due instant); a sweep every few seconds finds whatever an event did not tell.
 */
export class Scheduler implements Wake {
  readonly #ports: Ports
  readonly #limits: SchedulerLimits
  readonly #cache: RunCache
  readonly #settler: Settler
  readonly #dueRuns: DueRuns
  readonly #backfills: Backfills
  readonly #waits: Waits
  readonly #slas: Slas
  readonly #triggers: Triggers
  readonly #alarms: Alarms
  readonly #reaper: Reaper
  readonly #ticks = new SingleFlight(() => this.#guarded('making due runs', () => this.#makeDueRuns()))
  readonly #starts = new SingleFlight(() => this.#startAndLook())
  readonly #slots = new SingleFlight(() => this.#guarded('making the runs of backfills', () => this.#makeSlots()))
  readonly #looks = new SingleFlight(() => this.#guarded('looking for triggers', () => this.#look()))
  readonly #fires = new SingleFlight(() => this.#guarded('making triggered runs', () => this.#fire()))
  readonly #dispatch = new SingleFlight(() => this.#guarded('queueing ready tasks', () => this.#queueReady()))
  readonly #retries = new SingleFlight(() => this.#guarded('looking for runs to settle', () => this.#findRuns()))
  readonly #reaps = new SingleFlight(() => this.#guarded('reaping expired leases', () => this.#reap()))
  readonly #wakes = new SingleFlight(() =>
    this.#guarded('waking what waits', () => this.#waits.look((runId) => this.run(runId))),
  )
  readonly #slaLooks = new SingleFlight(() => this.#guarded('looking at SLAs', () => this.#lookAtSlas()))
  readonly #sweeps = new SingleFlight(() => this.#sweep())
  #allAsked = false
  /** after a sweep every run is told why it waits, not only the first of each DAG */
  #tellsAll = false
  /** a decision has made tasks ready since they were last queued */
  #scheduled = false
  #toldAt: Instant = Number.NEGATIVE_INFINITY
  #slasSoon = false
  #settleTurn = FIRST_TURN
  #stopped = false

  constructor(ports: Ports, limits: Partial<SchedulerLimits> = {}) {
    this.#ports = ports
    this.#limits = { ...DEFAULT_LIMITS, ...limits }
    this.#cache = new RunCache(this.#limits.cachedRuns)
    const versions = new DagVersions(ports.store)
    this.#dueRuns = new DueRuns(ports, versions, this.#cache)
    this.#slas = new Slas(ports, versions)
    this.#backfills = new Backfills(ports)
    this.#waits = new Waits({ ...ports, wake: this })
    this.#triggers = new Triggers(ports)
    this.#reaper = new Reaper(ports)
    this.#alarms = new Alarms(ports.clock, (name) => this.#ring(name))
    const signals = {
      ready: (scheduled: boolean) => {
        this.#scheduled ||= scheduled
        this.#request(this.#dispatch)
      },
      ended: (runId: string) => {
        this.#request(this.#starts)
        this.#happened()
        if (isBackfillRun(runId)) this.#request(this.#slots)
        this.#waits.ended(dagOfRun(runId))
        this.#request(this.#wakes)
      },
      waits: (runId: string) => {
        this.#waits.changed(runId)
        this.#request(this.#wakes)
      },
      wakeAt: (runId: string, at: Instant | null) => this.#alarms.set(`run ${runId}`, at),
      slas: (when: 'now' | 'soon') => this.#slasAsked(when),
    }
    this.#settler = new Settler(ports, this.#cache, signals, this.#limits)
  }

  /** Begins with a sweep, which finds everything that was left undone. */
  start(): void {
    this.#request(this.#sweeps)
  }

  /** Takes up nothing new and resolves once the steps under way have ended. What is left is found by the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#alarms.stop()
    await this.#settler.stop()
    for (const flight of this.#flights()) await flight.idle()
  }

  now(): Instant {
    return this.#ports.clock.now()
  }

  /** The run was changed from outside: settle it now. */
  run(runId: string): void {
    if (!this.#stopped) this.#settler.wake(runId)
  }

  /** Something may be due, startable or ready. */
  all(): void {
    this.#allAsked = true
    this.#request(this.#starts)
  }

  /**
   * Outcomes that the store has recorded (`recordOutcomes`), or is asked to record where it works in order: told directly
   * so that a hop waits for nothing.
   */
  recorded(outcomes: readonly { runId: string; outcome: AttemptOutcome }[]): void {
    if (this.#stopped) return
    for (const { runId, outcome } of outcomes) this.#settler.recorded(runId, outcome)
    this.#happened()
  }

  /** Takes over one reading of the DAGs folder. */
  async register(reading: DagReading): Promise<void> {
    await registerReading(this.#ports, reading)
    this.#request(this.#ticks)
    this.#request(this.#looks)
  }

  /** Resolves once everything asked for so far has been done; timers may still be set. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#settler.idle()
      for (const flight of this.#flights()) await flight.idle()
      // one may have asked for another that was looked at before
      if (this.#settler.isIdle && this.#flights().every(({ isIdle }) => isIdle)) return
    }
  }

  #flights(): SingleFlight[] {
    const looks = [this.#sweeps, this.#reaps, this.#retries, this.#wakes, this.#slaLooks, this.#looks]
    return [...looks, this.#ticks, this.#slots, this.#fires, this.#starts, this.#dispatch]
  }

  #request(flight: SingleFlight): void {
    if (!this.#stopped) flight.request()
  }

  #ring(name: string): void {
    if (name === 'sweep') this.#request(this.#sweeps)
    else if (name === 'tick') this.#request(this.#ticks)
    else if (name === 'tell') this.#request(this.#dispatch)
    else if (name === 'look') this.#request(this.#looks)
    else if (name === 'retry') this.#request(this.#retries)
    else if (name === 'lease') this.#request(this.#reaps)
    else if (name === 'sla' || name === 'sla soon') this.#slasAsked('now')
    else this.run(name.slice('run '.length))
  }

  async #guarded(what: string, job: () => Promise<void>): Promise<void> {
    if (this.#stopped) return
    try {
      await job()
    } catch (error) {
      this.#ports.log.error({ err: error }, `${what} failed; the next sweep tries again`)
    }
  }

  async #makeDueRuns(): Promise<void> {
    await this.#dueRuns.make(() => this.#request(this.#starts))
    this.#alarms.set('tick', this.#notBefore(await this.#ports.store.nextDueAt(), 100))
    this.#request(this.#slaLooks)
  }

  async #makeSlots(): Promise<void> {
    if (await this.#backfills.make(() => this.#request(this.#starts))) this.#request(this.#slots)
  }

  #slasAsked(when: 'now' | 'soon'): void {
    if (when === 'now') this.#request(this.#slaLooks)
    else if (!this.#slasSoon) {
      this.#slasSoon = true
      this.#alarms.set('sla soon', this.now() + SLAS_SOON_MS)
    }
  }

  async #lookAtSlas(): Promise<void> {
    this.#slasSoon = false
    await this.#slas.look()
    this.#alarms.set('sla', this.#notBefore(await this.#ports.store.nextSlaLook(), 1_000))
  }

  /** What has just been written may be what a DAG waits for. */
  #happened(): void {
    if (this.#triggers.isNeeded) this.#request(this.#fires)
  }

  async #look(): Promise<void> {
    const next = await this.#triggers.look()
    this.#alarms.set('look', this.#notBefore(next, 100))
    this.#happened()
  }

  async #fire(): Promise<void> {
    await this.#triggers.fire(() => this.#request(this.#starts))
  }

  /** An instant that has come although all due work was done is not looked at in a tight loop. */
  #notBefore(at: Instant | null, pauseMs: number): Instant | null {
    return at === null ? null : at > this.now() ? at : this.now() + pauseMs
  }

  /** What a trigger waits for comes first; the rest of what `all` promises queues up behind it. */
  async #startAndLook(): Promise<void> {
    await this.#guarded('starting runs', () => this.#startRuns())
    if (!this.#allAsked) return
    this.#allAsked = false
    this.#happened()
    this.#request(this.#dispatch)
    this.#request(this.#ticks)
    this.#request(this.#slots)
    this.#waits.children()
    this.#request(this.#wakes)
  }

  async #startRuns(): Promise<void> {
    const { store, clock, events, debugPoint } = this.#ports
    let started: string[]
    let any = false
    do {
      const now = clock.now()
      started = await store.startRuns(now, BATCH, this.#tellsAll ? 'all' : 'first')
      this.#tellsAll = false
      any ||= started.length > 0
      if (started.length > 0) await debugPoint('runs:started')
      this.#cache.started(started, now)
      for (const runId of started) {
        announceRun(events, runId, 'running')
        if (!this.#stopped) this.#settler.started(runId)
      }
      // a run that has started may let the next one start, which depends on it
    } while (started.length > 0)
    // a batch waits for the one before it to start
    if (any) this.#happened()
    const overlapping = await store.cancelOverlapping()
    if (overlapping.length > 0) await debugPoint('runs:overlapping')
    for (const runId of overlapping) this.run(runId)
  }

  async #queueReady(): Promise<void> {
    const { store, clock, events, queue, debugPoint } = this.#ports
    for (;;) {
      const asked = this.#scheduled ? this.#askBehind() : NOBODY
      this.#scheduled = false
      const queued = await store.queueReady(clock.now(), BATCH, this.#tells(), asked.size > 0)
      if (queued.length === 0) return
      await debugPoint('ready:queued')
      this.#cache.queued(queued)
      announceQueued(events, queued)
      await queue.dispatch(queued.filter(({ queue: name, late }) => late === true || !asked.has(name)))
      if (queued.length < BATCH) return
    }
  }

  /** Whether this pass renews reasons. One that does not leaves it to a later one, and sees that there is one. */
  #tells(): boolean {
    const [now, next] = [this.now(), this.#toldAt + this.#limits.tellMs]
    this.#alarms.set('tell', now >= next ? null : next)
    if (now >= next) this.#toldAt = now
    return now >= next
  }

  /** The answer that says what was queued need not come back before a neighbour claims it. */
  #askBehind(): ReadonlySet<string> {
    const { storeInOrder, queue } = this.#ports
    return storeInOrder ? (queue.expect?.() ?? NOBODY) : NOBODY
  }

  async #findRuns(): Promise<void> {
    const { store, clock } = this.#ports
    const { foundRuns } = this.#limits
    const found = await store.runsToSettle(clock.now(), foundRuns, this.#settleTurn)
    this.#settleTurn = nextTurn(this.#settleTurn, found, foundRuns)
    for (const runId of found) this.run(runId)
    this.#alarms.set('retry', this.#notBefore(await store.nextRetryAt(), 1_000))
  }

  /** Each part on its own, so that one that fails does not keep the others from being done. */
  async #sweep(): Promise<void> {
    if (this.#stopped) return
    this.#request(this.#reaps)
    await this.#reaps.idle()
    await this.#guarded('looking for stale queued tasks', () => this.#repeatHints())
    await this.#guarded('looking for silent workers', () => tellOfSilentWorkers(this.#ports))
    this.#request(this.#retries)
    this.#waits.all()
    this.#request(this.#looks)
    this.#tellsAll = true
    this.all()
    const { sweepMs } = this.#limits
    this.#alarms.set('sweep', this.now() + (typeof sweepMs === 'number' ? sweepMs : sweepMs()))
  }

  async #reap(): Promise<void> {
    const { runs, next } = await this.#reaper.look()
    if (runs.length > 0) await this.#ports.debugPoint('sweep:reaped')
    for (const runId of runs) this.run(runId)
    // what ends before the next sweep is looked at when it ends
    this.#alarms.set('lease', this.#notBefore(next, 1_000))
  }

  async #repeatHints(): Promise<void> {
    const { store, clock, queue } = this.#ports
    const stale = await store.staleQueued(clock.now() - this.#limits.staleQueuedMs, BATCH)
    if (stale.length > 0) await queue.dispatch(stale)
  }
}

type QuietPort = 'debugPoint' | 'watches' | 'projectAlerts' | 'earlyWarning' | 'storeInOrder'

/** A scheduler without them looks at nothing: events come from what Sluice itself does. */
const NO_WATCHES: Watches = {
  versions: () => Promise.reject(new Error('this scheduler looks at no tables')),
  files: () => Promise.reject(new Error('this scheduler looks at no files')),
}

/** Ports that tests replace have quiet defaults: no debug points, no looks, and nobody who is told what nobody asked for. */
export function createScheduler(
  ports: Omit<Ports, QuietPort> & Partial<Pick<Ports, QuietPort>>,
  limits: Partial<SchedulerLimits> = {},
): Scheduler {
  const quiet = { debugPoint: () => undefined, watches: NO_WATCHES, projectAlerts: null, storeInOrder: false }
  return new Scheduler({ ...quiet, earlyWarning: EARLY_WARNING_DEFAULT, ...ports }, limits)
}
