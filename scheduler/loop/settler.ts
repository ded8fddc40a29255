import { withAlerts } from '../core/alerts.js'
import { applied } from '../core/apply.js'
import { withAside } from '../core/aside.js'
import { decide, decideFromPart } from '../core/decide.js'
import { isEmpty } from '../core/draft.js'
import type { AttemptOutcome, Decision, RunSnapshot } from '../core/model.js'
import { dependsOnPast } from '../core/past.js'
import { dagOfRun, isBackfillRun } from '../core/run-id.js'
import { isFinalRun } from '../core/states.js'
import { announceDecision } from './announce.js'
import type { Ports } from './ports.js'
import { type RunCache, withOutcomes } from './run-cache.js'
import { Turns } from './turns.js'

/** How often a run is decided anew when others keep changing it; the sweep finds it later all the same. */
const CONFLICT_LIMIT = 10
/** A run whose settling failed is looked at again after this. */
const AFTER_FAILURE_MS = 1_000

interface Work {
  outcomes: AttemptOutcome[]
  /** others may have changed the run: what is cached does not count */
  reload: boolean
}

export interface SettlerLimits {
  /** runs settled at the same time */
  parallelRuns: number
  /** of a task with more items than this a decision is first tried from those at work and as many of those that wait */
  shownItems: number
}

export interface SettlerSignals {
  /**
   * Tasks may have become ready, or places free.
   * @param scheduled the decision makes tasks ready
   */
  ready(scheduled: boolean): void
  /** a run has ended, so another of its DAG may start */
  ended(runId: string): void
  /** tasks of the run have been deferred, cancelled or cleared */
  waits(runId: string): void
  /** look at the run again at `at`; null for no such need */
  wakeAt(runId: string, at: number | null): void
  /** SLAs of a run may be due to be looked at: at once, or soon */
  slas(when: 'now' | 'soon'): void
}

/**
 * Settles runs: one step at a time per run, several runs at once. Whatever comes for a run while it is being settled is
 * taken together in its next step, so many outcomes cost one write. DAGs take turns, and so do the backfills of a DAG with
 * its other runs: a thousand cleared runs hold up no run that is due.
 */
export class Settler {
  readonly #ports: Ports
  readonly #cache: RunCache
  readonly #signals: SettlerSignals
  readonly #limits: SettlerLimits
  readonly #waiting = new Map<string, Work>()
  /** of those that wait, who is not being settled yet */
  readonly #turns = new Turns((runId) => `${dagOfRun(runId)} ${isBackfillRun(runId)}`)
  readonly #active = new Map<string, Promise<void>>()
  #stopped = false

  constructor(ports: Ports, cache: RunCache, signals: SettlerSignals, limits: SettlerLimits) {
    this.#ports = ports
    this.#cache = cache
    this.#signals = signals
    this.#limits = limits
  }

  /** the run may have been changed by anyone: load and settle it */
  wake(runId: string): void {
    this.#work(runId).reload = true
    this.#pump()
  }

  /** the store has started the run, and the cache has taken note: settle it from what is known */
  started(runId: string): void {
    this.#work(runId)
    this.#pump()
  }

  /** an outcome of the run has been recorded: settle it from what is known */
  recorded(runId: string, outcome: AttemptOutcome): void {
    this.#work(runId).outcomes.push(outcome)
    this.#pump()
  }

  /** takes no more work and resolves once the steps under way have ended */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.clear()
    this.#turns.clear()
    await Promise.all(this.#active.values())
  }

  get isIdle(): boolean {
    return this.#active.size === 0 && this.#waiting.size === 0
  }

  /** resolves once the runs that are being settled now have been */
  async idle(): Promise<void> {
    while (!this.isIdle) await Promise.race(this.#active.values())
  }

  #work(runId: string): Work {
    const known = this.#waiting.get(runId)
    if (known !== undefined) return known
    const work = { outcomes: [], reload: false }
    this.#waiting.set(runId, work)
    this.#turns.add(runId)
    return work
  }

  #pump(): void {
    while (!this.#stopped && this.#active.size < this.#limits.parallelRuns) {
      const runId = this.#turns.take((id) => !this.#active.has(id))
      if (runId === null) return
      this.#active.set(runId, this.#step(runId))
    }
  }

  async #step(runId: string): Promise<void> {
    // outcomes of the same turn join this step
    await null
    const work = this.#waiting.get(runId)
    this.#waiting.delete(runId)
    try {
      if (work !== undefined && !this.#stopped) await this.#settle(runId, work)
    } catch (error) {
      this.#ports.log.error({ err: error, run: runId }, 'settling a run failed; it is tried again')
      this.#cache.forget(runId)
      this.#signals.wakeAt(runId, this.#ports.clock.now() + AFTER_FAILURE_MS)
    } finally {
      this.#active.delete(runId)
      this.#pump()
    }
  }

  async #settle(runId: string, work: Work): Promise<void> {
    const { store, clock, log, projectAlerts, debugPoint } = this.#ports
    let known = this.#known(runId, work)
    for (let tries = 0; tries < CONFLICT_LIMIT; tries += 1) {
      const decided = await this.#decide(runId, known)
      if (decided === null) {
        log.warn({ run: runId }, 'asked to settle a run that does not exist')
        return
      }
      const { snapshot } = decided
      const decision = withAlerts(snapshot, decided.decision, projectAlerts)
      if (isEmpty(decision)) return this.#unchanged(snapshot, decision)
      await debugPoint('run:decided')
      const now = clock.now()
      const applying = store.applyDecision(runId, snapshot.run.revision, decision, now, 'with_next')
      if (this.#ports.storeInOrder) this.#signals.ready(schedules(decision))
      const outcome = await applying
      if (outcome === 'applied') return this.#applied(snapshot, decision, applied(snapshot, decision, now))
      known = null
    }
    log.warn({ run: runId }, 'others keep changing this run; it is settled with the next sweep')
    this.#cache.forget(runId)
  }

  /** what is cached with the new outcomes when that is enough to decide from */
  #known(runId: string, work: Work): RunSnapshot | null {
    const cached = work.reload ? undefined : this.#cache.get(runId)
    // the run before may have been cleared since
    if (cached !== undefined && dependsOnPast(cached.dag) !== 'no') return null
    return cached === undefined ? null : withOutcomes(cached, work.outcomes)
  }

  /** Looks no further than the decision needs: what is known, then what the store shows of the run, then the whole run. */
  async #decide(
    runId: string,
    known: RunSnapshot | null,
  ): Promise<{ snapshot: RunSnapshot; decision: Decision } | null> {
    const { store, clock, random } = this.#ports
    for (const look of [async () => known, () => store.snapshot(runId, this.#limits.shownItems)]) {
      const snapshot = await look()
      const decision = snapshot === null ? null : decideFromPart(snapshot, clock.now(), random)
      if (snapshot !== null && decision !== null) return { snapshot, decision }
    }
    const whole = await store.snapshot(runId)
    return whole === null ? null : { snapshot: whole, decision: decide(whole, clock.now(), random) }
  }

  #keep(snapshot: RunSnapshot): void {
    this.#cache.put(withAside(snapshot, this.#limits.shownItems))
  }

  async #unchanged(snapshot: RunSnapshot, decision: Decision): Promise<void> {
    // a command may have ended it
    if (isFinalRun(snapshot.run.state)) this.#signals.ended(snapshot.run.id)
    else this.#keep(snapshot)
    this.#signals.wakeAt(snapshot.run.id, decision.wakeAt)
    await this.#wakeNext(snapshot)
  }

  /** What depends on this run may go on. It may have been changed by hand, so that nothing was left to decide here. */
  async #wakeNext({ run, dag }: RunSnapshot): Promise<void> {
    if (dependsOnPast(dag) === 'no') return
    const next = await this.#ports.store.nextRun(run.id)
    if (next !== null) this.wake(next)
  }

  async #applied(before: RunSnapshot, decision: Decision, after: RunSnapshot): Promise<void> {
    const { events, queue, debugPoint } = this.#ports
    const runId = after.run.id
    const ended = isFinalRun(after.run.state)
    if (ended) this.#cache.forget(runId)
    else this.#keep(after)
    await debugPoint('run:applied')
    announceDecision(events, before, decision)
    this.#signals.wakeAt(runId, decision.wakeAt)
    if (!this.#ports.storeInOrder) this.#signals.ready(schedules(decision))
    if (decision.slas !== undefined) this.#signals.slas(isUrgent(before, decision.slas) ? 'now' : 'soon')
    if (ended) this.#signals.ended(runId)
    if (decision.tasks.some(({ set }) => set.waitsFor != null || set.state === 'cancelled')) this.#signals.waits(runId)
    await this.#wakeNext(after)
    if (decision.stop.length > 0) await queue.stop(decision.stop.map((attempt) => ({ runId, ...attempt })))
  }
}

function schedules({ tasks }: Decision): boolean {
  return tasks.some(({ set }) => set.state === 'scheduled')
}

/** Ends are judged at once, and so is a run that has just started, whose deadlines may count from there. */
function isUrgent(before: RunSnapshot, ended: readonly (string | null)[]): boolean {
  return ended.length > 0 || before.tasks.every(({ state }) => state === 'none')
}
