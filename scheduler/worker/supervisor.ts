import { formatDuration } from '../../duration.js'
import { SluiceError } from '../../errors.js'
import type { JsonObject } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import type { Clock } from '../clock.js'
import type { AttemptOutcome } from '../core/model.js'
import type { Events } from '../events.js'
import type { Log } from '../loop/ports.js'
import { SingleFlight } from '../loop/single-flight.js'
import type { QueueListener } from '../queue/queue.js'
import type { AttemptFacts, ClaimedTask, ClaimRef, Store } from '../store/store.js'
import { AttemptAnswers } from './attempt-answers.js'
import { CatalogTest } from './catalog-test.js'
import { Claiming } from './claiming.js'
import { clearUpAttempt } from './cut-off.js'
import { Execution, NO_FACTS, type Stop } from './execution.js'
import { HEARTBEAT_MS, Heartbeat } from './heartbeat.js'
import { LeftWorkRounds } from './left-work.js'
import type { LogStore } from './log-store.js'
import { Looks } from './looks.js'
import { openLogStore } from './open-log-store.js'
import { Preparation } from './preparation.js'
import { ProgressWriter } from './progress-writer.js'
import type { Assignment, FromSlot, SlotConfig, SlotOutcome } from './protocol.js'
import { type Report, Reporter } from './reporter.js'
import { type SlotLimits, SlotPool } from './slot-pool.js'
import type { SlotListener, SlotProcess } from './slot-process.js'

/** A claim is ours for so long without a heartbeat. */
const LEASE_MS = 30_000
/** An attempt that was told to stop has this long; its operator gives programs 5 s between TERM and KILL. */
const STOP_MS = 10_000
/** At the end outcomes may take this long to reach a store that refuses them; then their leases run out. */
const RECORD_MS = 10_000
const CLAIM_RETRY_MS = 1_000
/** Others that are full may hold a hint. One with a place asks so long after an attempt, by when the next hint has come. */
const LEFT_MS = 100

export interface SupervisorOptions {
  id: string
  epoch: number
  /** attempts at once */
  slots: number
  /** queues to serve; every queue heard of later is served too */
  queues: readonly string[]
  store: Store
  queue: QueueListener
  events: Events
  clock: Clock
  log: Log
  operators: ReadonlyMap<string, Operator>
  slotConfig: SlotConfig
  /** marks all processes of this Sluice, so that the next start finds what this one left */
  instance: string
  /** the store works in order, so that `recorded` may be told of a write that has not answered */
  storeInOrder?: boolean
  /** outcomes that have just become durable, or are becoming so */
  recorded(outcomes: { runId: string; outcome: AttemptOutcome }[]): void
  /** a task of this run goes on, because what it waited for has come */
  woken(runId: string): void
  /** between two looks at the store for work that nobody has told of; absent: hints are never lost */
  lookMs?(): number
  leaseMs?: number
  heartbeatMs?: number
  stopMs?: number
  recordMs?: number
  slotLimits?: SlotLimits
}

/**
 * A worker: claims attempts while it has free places, runs them in slot processes, keeps their leases, stops them when they
 * are to stop, and reports how they ended. Whatever happens to a slot costs only the attempts in it.
 */
export class Supervisor {
  /** resolves with EPOCH_OVER when this worker will never get a claim again, so the process should end */
  readonly broken: Promise<Error>
  #break: (error: Error) => void = () => undefined
  readonly #options: SupervisorOptions
  readonly #leaseMs: number
  readonly #executions = new Map<string, Execution>()
  readonly #queues: Set<string>
  readonly #pool: SlotPool
  readonly #preparation: Preparation
  readonly #reporter: Reporter
  readonly #answers: AttemptAnswers
  readonly #progress: ProgressWriter
  readonly #looks: readonly Looks[]
  readonly #leftWork: LeftWorkRounds
  readonly #logs: LogStore
  readonly #catalogTest: CatalogTest
  readonly #heartbeat: Heartbeat
  readonly #claiming: Claiming
  readonly #claims = new SingleFlight(() => this.#claim())
  /** there may be queued tasks that nobody has claimed */
  #hinted = false
  #closing = false
  #emptied: () => void = () => undefined
  #roomAsked: Promise<void> | null = null
  #freed: () => void = () => undefined
  #forgetLook: () => void = () => undefined

  constructor(options: SupervisorOptions) {
    const { id, epoch, store, clock, log, slotConfig, instance } = options
    this.#options = options
    this.broken = new Promise((resolve) => {
      this.#break = resolve
    })
    this.#leaseMs = options.leaseMs ?? LEASE_MS
    this.#queues = new Set(options.queues)
    this.#preparation = new Preparation({ store, clock, log, operators: options.operators })
    this.#logs = openLogStore(slotConfig)
    this.#catalogTest = new CatalogTest(slotConfig, log)
    const listener: SlotListener = {
      message: (slot, message) => this.#heard(slot, message),
      ended: (slot, reason) => void this.#slotEnded(slot, reason),
    }
    this.#pool = new SlotPool(slotConfig, instance, listener, options.slotLimits)
    const recorded = (reports: readonly Report[]) => {
      options.recorded(reports.map(({ runId, outcome }) => ({ runId, outcome })))
      void this.#hastenLooks(reports)
    }
    this.#reporter = new Reporter(store, clock, log, recorded, options.storeInOrder)
    const held = () => [...this.#executions.keys(), ...this.#reporter.pending().map(({ claimToken }) => claimToken)]
    this.#claiming = new Claiming({ store, clock, log, worker: { id, epoch }, leaseMs: this.#leaseMs, held })
    const queues = () => [...this.#queues]
    const woken = (runIds: readonly string[]) => {
      for (const runId of runIds) options.woken(runId)
    }
    this.#looks = (['light', 'heavy'] as const).map(
      (weight) => new Looks({ store, clock, log, pool: this.#pool, weight, queues, woken }),
    )
    const parts = { logs: this.#logs, pool: this.#pool, preparation: this.#preparation }
    this.#leftWork = new LeftWorkRounds({ ...options, ...parts, queues })
    this.#progress = new ProgressWriter(store, clock, log)
    this.#answers = new AttemptAnswers({
      ...{ store, clock, log },
      lostClaim: (execution) => this.#loseClaim(execution),
      warn: (execution, message) => this.#warn(execution, message),
    })
    this.#heartbeat = this.#createHeartbeat()
  }

  /** Begins to serve: what is queued already is claimed at once, and one slot is started ahead. */
  start(): void {
    const { queue } = this.#options
    queue.onWork(async (queues) => {
      this.serve(queues)
      await this.#claims.idle()
      await this.#room()
    })
    queue.onExpected?.(() => {
      if (this.#closing) return new Set()
      // with no free place, or beside a question under way, it is asked afterwards
      this.serve([])
      return new Set(this.#queues)
    })
    queue.onStop(({ runId, taskId, attempt }) => {
      for (const execution of this.#executions.values()) {
        const { claim } = execution
        if (claim.runId === runId && claim.taskId === taskId && claim.attempt === attempt) this.#cancel(execution)
      }
    })
    this.serve(this.#queues)
    this.#heartbeat.start()
    this.#pool.warm()
    this.#catalogTest.start()
    for (const rounds of [...this.#looks, this.#leftWork]) rounds.request()
    this.#look()
  }

  /** Looks for work, from now on in these queues too. */
  serve(queues: Iterable<string>): void {
    for (const name of queues) this.#queues.add(name)
    this.#hinted = true
    if (!this.#closing) this.#claims.request()
  }

  /** Claims nothing more and resolves once what runs has ended by itself. */
  async drain(): Promise<void> {
    await this.#endClaiming()
    if (this.#executions.size === 0) return
    await new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
  }

  /** Makes sure that a lease that has run out belongs to nobody alive; for a reaper in the same process. */
  keepLeases(): Promise<void> {
    return this.#heartbeat.catchUp()
  }

  /** pids of the slot processes */
  get slotPids(): number[] {
    return this.#pool.processes.flatMap(({ pid }) => pid ?? [])
  }

  /**
   * Stops all attempts and ends the slots, within a bound; what was interrupted is recorded as stopped, which costs no try.
   * Where the store takes no outcomes until the end, the log says whose were left.
   * @param reason recorded with each interrupted attempt
   */
  async close(reason: string): Promise<void> {
    await this.#endClaiming()
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
    for (const execution of this.#executions.values()) {
      this.#stop(execution, { code: 'CANCELLED', message: reason, result: 'stopped' })
    }
    if (this.#executions.size > 0) await emptied
    for (const rounds of [...this.#looks, this.#leftWork]) await rounds.close()
    await this.#recordRest()
    await this.#heartbeat.stop()
    this.#progress.close()
    await this.#pool.close()
    await this.#catalogTest.close()
    await this.#logs.close()
  }

  async #endClaiming(): Promise<void> {
    this.#closing = true
    this.#freed()
    this.#forgetLook()
    await this.#claims.idle()
    await this.#claiming.close()
  }

  async #recordRest(): Promise<void> {
    const { log, recordMs = RECORD_MS } = this.#options
    const left = await this.#reporter.close(recordMs)
    if (left.length === 0) return
    const attempts = left.map(({ runId, taskId, attempt }) => `${runId}/${taskId}/${attempt}`)
    log.error({ attempts }, 'ending with outcomes that the store did not take; their attempts will count as lost')
  }

  /** Resolves once there is a free place, or none will ever be. */
  async #room(): Promise<void> {
    while (!this.#closing && this.#executions.size >= this.#options.slots) {
      this.#roomAsked ??= new Promise((resolve) => {
        this.#freed = () => {
          this.#roomAsked = null
          resolve()
        }
      })
      await this.#roomAsked
    }
  }

  /** Hints may be lost: the store is asked every now and then. */
  #look(afterMs?: number): void {
    const { clock, lookMs } = this.#options
    if (lookMs === undefined || this.#closing) return
    this.#forgetLook()
    this.#forgetLook = clock.at(clock.now() + (afterMs ?? lookMs()), () => {
      this.serve([])
      this.#look()
    })
  }

  // ---- claiming ------------------------------------------------------------------------------------------------------

  async #claim(): Promise<void> {
    const { clock, slots, log } = this.#options
    const free = slots - this.#executions.size
    if (this.#closing || !this.#hinted || (free <= 0 && !this.#claiming.isUnclear)) return
    this.#hinted = false
    try {
      const claimed = await this.#claiming.claim([...this.#queues], free)
      // a full answer says that there may be more; it is asked for when a place is free again
      if (claimed.length >= free) this.#hinted = true
      for (const claim of claimed) this.#begin(claim)
    } catch (error) {
      log.error({ err: error }, 'claiming tasks failed; trying again')
      clock.at(clock.now() + CLAIM_RETRY_MS, () => this.serve([]))
    }
  }

  #begin(claim: ClaimedTask): void {
    const { dagId, runId, taskId } = claim
    const execution = new Execution(claim, this.#options.clock.now())
    this.#executions.set(claim.claimToken, execution)
    this.#options.events.emit({ kind: 'task', dagId, runId, taskId, state: 'running' })
    const known = this.#preparation.known(claim)
    if (known === null) void this.#prepare(execution)
    else this.#assign(execution, known)
  }

  async #prepare(execution: Execution): Promise<void> {
    const prepared = await this.#preparation.load(execution.claim, () => execution.stop === null)
    if (execution.stop !== null) this.#ended(execution, ended('cancelled', execution.stop.message), NO_FACTS)
    else if ('assignment' in prepared) this.#assign(execution, prepared.assignment)
    else {
      const { failure, retryable } = prepared
      this.#ended(execution, { ...ended('failed', failure), retryable }, NO_FACTS)
    }
  }

  #assign(execution: Execution, assignment: Assignment): void {
    const { task, claim } = assignment
    // an operator that is not known here fails in the slot, which says so
    const operator = this.#options.operators.get(task.operator)
    const weight = operator?.weight ?? 'light'
    execution.slot = this.#pool.take(claim.claimToken, weight)
    execution.slot.send({ kind: 'run', assignment })
    if (task.timeoutMs === null) return
    const message = `timed out after ${formatDuration(task.timeoutMs)}`
    const expire = () => this.#stop(execution, { code: 'TIMED_OUT', message, result: 'timed_out' })
    execution.armed(this.#options.clock.at(claim.claimedAt + task.timeoutMs, expire))
  }

  // ---- what slots say ------------------------------------------------------------------------------------------------

  #heard(slot: SlotProcess, message: FromSlot): void {
    if (message.kind === 'looked' || message.kind === 'ended') {
      slot.memory = message.memory
      if (message.kind === 'ended') this.#leftWork.heard(message.token, message.end)
      else for (const looks of this.#looks) looks.heard(message.token, message.results)
      return
    }
    if (message.kind === 'left_ended') {
      void this.#leftWork.ended(message.work)
      return
    }
    const execution = this.#executions.get(message.claimToken)
    if (message.kind === 'done') {
      slot.memory = message.memory
      this.#pool.release(slot, message.claimToken)
      if (execution === undefined) return
      if (message.logFailure !== null) this.#warn(execution, `the log of an attempt ends early: ${message.logFailure}`)
      this.#ended(execution, message.outcome, message.facts)
    } else if (execution === undefined) return
    else if (message.kind === 'logged') this.#announceLog(execution, message.lines)
    else if (message.kind === 'progress') this.#saveProgress(execution, message.progress)
    else if (message.kind === 'done_before') void this.#answers.earlierResult(execution, message.inputKey)
    else void this.#answers.saveHandle(execution, message.handle, message.value)
  }

  /** What Sluice itself commits is seen at once by those who wait for the table. */
  async #hastenLooks(reports: readonly { facts: AttemptFacts }[]): Promise<void> {
    const written = reports.flatMap(({ facts }) => facts.writes.map(({ table }) => table))
    if (written.length === 0 || this.#closing) return
    const { store, clock, log, slotConfig } = this.#options
    // a DAG may write the default catalog's name too
    const [defaultCatalog = ''] = Object.keys(slotConfig.catalogs)
    try {
      const names = written.flatMap((table) => [table, `${defaultCatalog}.${table}`])
      if (!(await store.hastenLooks(names, clock.now()))) return
      for (const looks of this.#looks) looks.request()
    } catch (error) {
      log.warn({ err: error }, 'looks at tables just written could not be hastened; they are made in their time')
    }
  }

  #announceLog({ claim: { runId, taskId, attempt } }: Execution, lines: number): void {
    this.#options.events.emit({ kind: 'log', runId, taskId, attempt, lines })
  }

  #saveProgress(execution: Execution, progress: JsonObject): void {
    const { events } = this.#options
    const { runId, taskId, attempt } = execution.claim
    this.#progress.write(execution.ref, progress, () => events.emit({ kind: 'progress', runId, taskId, attempt }))
  }

  /** The slot's process is gone, and with it everything its attempts had started. */
  async #slotEnded(slot: SlotProcess, reason: string): Promise<void> {
    for (const rounds of [...this.#looks, this.#leftWork]) rounds.gone(slot.attempts)
    const lost = [...slot.attempts].flatMap((token) => this.#executions.get(token) ?? [])
    if (lost.length > 0 || !slot.retiring) {
      const { pid, stderr } = slot
      this.#options.log.warn({ pid, attempts: lost.length, stderr }, reason)
    }
    await Promise.all(lost.map((execution) => this.#cutOff(execution, reason)))
    // one that dies before it has done anything would do so again
    if (!this.#closing && slot.memory > 0) this.#pool.warm()
  }

  // ---- stopping ------------------------------------------------------------------------------------------------------

  #cancel(execution: Execution): void {
    this.#stop(execution, { code: 'CANCELLED', message: 'cancelled while it ran', result: 'cancelled' })
  }

  #loseClaim(execution: Execution): void {
    // each heartbeat tells it again until the attempt has stopped
    if (execution.stop?.result !== null) this.#warn(execution, 'the claim was lost; the attempt is stopped')
    this.#claiming.lost(execution.claim.claimToken)
    this.#stop(execution, { code: 'STATE_CONFLICT', message: 'the claim of this attempt was lost', result: null })
  }

  /** The first reason counts, but for the loss of the claim, after which nothing may be recorded. */
  #stop(execution: Execution, stop: Stop): void {
    if (execution.stop !== null) {
      if (stop.result === null) execution.stop = stop
      return
    }
    execution.stop = stop
    // while it is being prepared it ends before it begins
    if (execution.slot === null) return
    const { claimToken } = execution.claim
    execution.slot.send({ kind: 'stop', claimToken, code: stop.code, message: stop.message })
    const { clock, stopMs = STOP_MS } = this.#options
    execution.armed(clock.at(clock.now() + stopMs, () => this.#force(execution, stop)))
  }

  /** It was told to stop and did not: its slot is killed, or left to the other attempts in it and ended after them. */
  #force(execution: Execution, stop: Stop): void {
    const { slot, claim } = execution
    if (slot === null) return
    this.#warn(execution, 'an attempt does not stop; it is cut off')
    slot.retiring = true
    if (slot.attempts.size === 1) {
      slot.kill()
      return
    }
    // what its process may yet say about the attempt does not count
    slot.attempts.delete(claim.claimToken)
    void this.#cutOff(execution, `${stop.message}, and it did not stop`)
  }

  async #cutOff(execution: Execution, reason: string): Promise<void> {
    const { clock } = this.#options
    const { work } = this.#options.slotConfig
    const said = execution.stop === null ? reason : `${execution.stop.message}; ${reason}`
    const { facts, failure } = await clearUpAttempt(execution.claim, said, { logs: this.#logs, work }, clock.now())
    if (failure !== null) this.#warn(execution, `clearing up after an attempt failed: ${failure}`)
    this.#announceLog(execution, 1)
    this.#ended(execution, ended('lost', reason), facts)
  }

  // ---- the end -------------------------------------------------------------------------------------------------------

  #ended(execution: Execution, end: SlotOutcome, facts: AttemptFacts): void {
    const wasFull = this.#executions.size >= this.#options.slots
    if (!this.#executions.delete(execution.claim.claimToken)) return
    execution.ended()
    const outcome = execution.outcome(end, this.#options.clock.now())
    if (outcome !== null) this.#reporter.report({ ...execution.ref, outcome: withFailedChecks(outcome, facts), facts })
    if (this.#executions.size === 0) this.#emptied()
    this.#freed()
    // what others left to us, or to nobody, while there was no place
    if (wasFull && this.#options.lookMs !== undefined) this.#hinted = true
    if (this.#hinted && !this.#closing) this.#claims.request()
    else if (!wasFull) this.#look(LEFT_MS)
  }

  #warn({ claim: { runId: run, taskId: task, attempt } }: Execution, message: string): void {
    this.#options.log.warn({ run, task, attempt }, message)
  }

  #createHeartbeat(): Heartbeat {
    const { store, clock, log, id, epoch, slots, heartbeatMs = HEARTBEAT_MS } = this.#options
    const each = (claims: readonly ClaimRef[], act: (execution: Execution) => void) => {
      for (const { claimToken } of claims) {
        const execution = this.#executions.get(claimToken)
        if (execution !== undefined) act(execution)
      }
    }
    return new Heartbeat({
      ...{ store, clock, log, leaseMs: this.#leaseMs, everyMs: heartbeatMs, worker: { id, epoch, slots } },
      state: () => {
        const running = [...this.#executions.values()].map(({ ref }) => ref)
        const claims = [...running, ...this.#reporter.pending()]
        return { queues: [...this.#queues], busy: running.length, claims }
      },
      extended: (claims, leaseUntil) =>
        each(claims, (execution) => {
          execution.leaseUntil = leaseUntil
        }),
      lost: (claims) => each(claims, (execution) => this.#loseClaim(execution)),
      cancel: (claims) => each(claims, (execution) => this.#cancel(execution)),
      epochOver: () =>
        this.#break(new SluiceError('EPOCH_OVER', `A \`sluice up\` has taken over the store from the worker ${id}.`)),
      failed: (now) => {
        // others may have taken over what could not be kept
        const expired = [...this.#executions.values()].filter(({ leaseUntil }) => leaseUntil < now)
        for (const execution of expired) this.#loseClaim(execution)
      },
    })
  }
}

function withFailedChecks(outcome: AttemptOutcome, { checks }: AttemptFacts): AttemptOutcome {
  const failed = checks.filter(({ passed }) => !passed).map(({ name }) => name)
  return failed.length === 0 ? outcome : { ...outcome, failedChecks: failed }
}

function ended(result: SlotOutcome['result'], reason: string): SlotOutcome {
  return { result, reason, retryable: true, outputs: {} }
}
