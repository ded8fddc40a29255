import { hostname } from 'node:os'
import { formatDuration } from '../../duration.js'
import { messageOf } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import type { Clock } from '../clock.js'
import type { AttemptOutcome } from '../core/model.js'
import type { Events } from '../events.js'
import type { Log } from '../loop/ports.js'
import { SingleFlight } from '../loop/single-flight.js'
import type { QueueListener } from '../queue/queue.js'
import type { AttemptFacts, ClaimedTask, Store } from '../store/store.js'
import { Execution, NO_FACTS, type Stop } from './execution.js'
import { finishLog } from './log-repair.js'
import { killMarked } from './orphans.js'
import { PinnedDags, type PinnedTask } from './pinned-dags.js'
import { ProgressWriter } from './progress-writer.js'
import type { FromSlot, SlotConfig, SlotOutcome } from './protocol.js'
import { type Report, Reporter } from './reporter.js'
import { SlotPool } from './slot-pool.js'
import type { SlotProcess } from './slot-process.js'
import { CLAIM_MARKER } from './task-environment.js'
import { removeWork, workPath } from './work-folder.js'

/** A claim is ours for so long without a heartbeat. */
export const LEASE_MS = 30_000
const HEARTBEAT_MS = 8_000
/** An attempt that was told to stop has this long; its operator gives programs 5 s between TERM and KILL. */
const STOP_MS = 10_000
const CLAIM_RETRY_MS = 1_000

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
  /** outcomes that have just become durable */
  recorded(outcomes: { runId: string; outcome: AttemptOutcome }[]): void
  leaseMs?: number
  heartbeatMs?: number
  stopMs?: number
}

/**
 * A worker: claims attempts while it has free places, runs them in slot processes, keeps their leases, stops them when they
 * are to stop, and reports how they ended. Whatever happens to a slot costs only the attempts in it.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #executions = new Map<string, Execution>()
  readonly #queues: Set<string>
  readonly #pool: SlotPool
  readonly #dags: PinnedDags
  readonly #reporter: Reporter
  readonly #progress: ProgressWriter
  readonly #claims = new SingleFlight(() => this.#claim())
  readonly #beats = new SingleFlight(() => this.#beat())
  readonly #startedAt: number
  /** there may be queued tasks that nobody has claimed */
  #hinted = false
  #closing = false
  #forgetBeat: () => void = () => undefined
  #emptied: () => void = () => undefined

  constructor(options: SupervisorOptions) {
    const { store, clock, log, slotConfig, instance } = options
    this.#options = options
    this.#startedAt = clock.now()
    this.#queues = new Set(options.queues)
    this.#dags = new PinnedDags(store)
    this.#pool = new SlotPool(slotConfig, instance, {
      message: (slot, message) => this.#heard(slot, message),
      ended: (slot, reason) => void this.#slotEnded(slot, reason),
    })
    this.#reporter = new Reporter(store, clock, log, (reports) => this.#recorded(reports))
    this.#progress = new ProgressWriter(store, clock, log)
  }

  /** Begins to serve: what is queued already is claimed at once, and one slot is started ahead. */
  start(): void {
    const { queue } = this.#options
    queue.onWork((queues) => this.#wake(queues))
    queue.onStop(({ runId, taskId, attempt }) => {
      for (const execution of this.#executions.values()) {
        const { claim } = execution
        if (claim.runId === runId && claim.taskId === taskId && claim.attempt === attempt) this.#cancel(execution)
      }
    })
    this.#wake(this.#queues)
    this.#beats.request()
    this.#pool.warm()
  }

  /** attempts that run now */
  get busy(): number {
    return this.#executions.size
  }

  /** pids of the slot processes, for health pages and tests */
  get slotPids(): number[] {
    return this.#pool.processes.flatMap(({ pid }) => pid ?? [])
  }

  /** Serves these queues too. */
  serve(queues: Iterable<string>): void {
    this.#wake(new Set(queues))
  }

  /**
   * Stops all attempts and ends the slots, within a bound; what was interrupted is recorded as lost, which costs a retry.
   * @param reason recorded with each interrupted attempt
   */
  async close(reason: string): Promise<void> {
    this.#closing = true
    await this.#claims.idle()
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
    for (const execution of this.#executions.values()) {
      this.#stop(execution, { code: 'CANCELLED', message: reason, result: 'lost' })
    }
    if (this.#executions.size > 0) await emptied
    await this.#reporter.idle()
    this.#forgetBeat()
    await this.#beats.idle()
    await this.#pool.close()
  }

  #wake(queues: ReadonlySet<string>): void {
    for (const name of queues) this.#queues.add(name)
    this.#hinted = true
    if (!this.#closing) this.#claims.request()
  }

  // ---- claiming ------------------------------------------------------------------------------------------------------

  async #claim(): Promise<void> {
    const { store, clock, id, epoch, slots, log } = this.#options
    const free = slots - this.#executions.size
    if (this.#closing || !this.#hinted || free <= 0) return
    this.#hinted = false
    try {
      const options = { now: clock.now(), leaseMs: this.#options.leaseMs ?? LEASE_MS, limit: free }
      const claimed = await store.claim({ id, epoch, queues: [...this.#queues] }, options)
      // a full answer says that there may be more; it is asked for when a place is free again
      if (claimed.length >= free) this.#hinted = true
      for (const claim of claimed) this.#begin(claim)
    } catch (error) {
      log.error({ err: error }, 'claiming tasks failed; trying again')
      this.#options.clock.at(clock.now() + CLAIM_RETRY_MS, () => this.#wake(this.#queues))
    }
  }

  #begin(claim: ClaimedTask): void {
    const { events } = this.#options
    const execution = new Execution(claim)
    this.#executions.set(claim.claimToken, execution)
    const { dagId, runId, taskId } = claim
    events.emit({ kind: 'task', dagId, runId, taskId, state: 'running' })
    const known = this.#dags.known(claim.version, taskId)
    if (known !== undefined && known !== null && known.task.outputsOf.length === 0) this.#assign(execution, known, {})
    else void this.#prepare(execution)
  }

  /** What needs the store before the attempt can start. */
  async #prepare(execution: Execution): Promise<void> {
    const { claim } = execution
    try {
      const pinned =
        this.#dags.known(claim.version, claim.taskId) ?? (await this.#dags.load(claim.version, claim.taskId))
      if (pinned === null) {
        const reason = `version ${claim.version} of ${claim.dagId} has no task ${claim.taskId}`
        return this.#ended(execution, { result: 'failed', reason, retryable: false, outputs: {} }, NO_FACTS)
      }
      const upstream = pinned.task.outputsOf.length === 0 ? {} : await this.#outputs(claim.runId, pinned.task.outputsOf)
      this.#assign(execution, pinned, upstream)
    } catch (error) {
      this.#options.log.error({ err: error, run: claim.runId, task: claim.taskId }, 'an attempt could not be prepared')
      const reason = `the attempt could not be prepared: ${messageOf(error)}`
      this.#ended(execution, { result: 'failed', reason, retryable: true, outputs: {} }, NO_FACTS)
    }
  }

  async #outputs(runId: string, tasks: readonly string[]): Promise<Record<string, { outputs: JsonObject }>> {
    const rows = await this.#options.store.taskRuns(runId)
    return Object.fromEntries(
      rows.filter(({ taskId }) => tasks.includes(taskId)).map(({ taskId, outputs }) => [taskId, { outputs }]),
    )
  }

  #assign(execution: Execution, { dag, task }: PinnedTask, upstream: Record<string, { outputs: JsonObject }>): void {
    const { claim, stop } = execution
    if (stop !== null) {
      this.#ended(execution, { result: 'cancelled', reason: stop.message, retryable: true, outputs: {} }, NO_FACTS)
      return
    }
    // an operator that is not known here fails in the slot, which says so
    const weight = this.#options.operators.get(task.operator)?.weight ?? 'light'
    execution.slot = this.#pool.take(claim.claimToken, weight)
    execution.slot.send({ kind: 'run', assignment: { claim, dag, task, upstream } })
    if (task.timeoutMs === null) return
    const message = `timed out after ${formatDuration(task.timeoutMs)}`
    const expire = () => this.#stop(execution, { code: 'TIMED_OUT', message, result: 'timed_out' })
    execution.armed(this.#options.clock.at(claim.claimedAt + task.timeoutMs, expire))
  }

  // ---- what slots say ------------------------------------------------------------------------------------------------

  #heard(slot: SlotProcess, message: FromSlot): void {
    const execution = this.#executions.get(message.claimToken)
    if (message.kind === 'done') {
      slot.memory = message.memory
      this.#pool.release(slot, message.claimToken)
      if (execution === undefined) return
      this.#warnOfLog(execution, message.logFailure)
      this.#ended(execution, message.outcome, message.facts)
    } else if (execution === undefined) return
    else if (message.kind === 'logged') this.#announceLog(execution, message.lines)
    else if (message.kind === 'progress') this.#saveProgress(execution, message.progress)
    else void this.#saveHandle(execution, message.handle, message.value)
  }

  #announceLog({ claim: { runId, taskId, attempt } }: Execution, lines: number): void {
    this.#options.events.emit({ kind: 'log', runId, taskId, attempt, lines })
  }

  #saveProgress(execution: Execution, progress: JsonObject): void {
    const { events } = this.#options
    const { runId, taskId, attempt } = execution.claim
    this.#progress.write(execution.ref, progress, () => events.emit({ kind: 'progress', runId, taskId, attempt }))
  }

  async #saveHandle(execution: Execution, handle: number, value: Json): Promise<void> {
    const { store, clock } = this.#options
    const { claimToken } = execution.claim
    let failure: string | null = null
    try {
      const saved = await store.saveHandle(execution.ref, value, clock.now())
      if (saved === 'lost_claim') {
        failure = 'the claim of this attempt was lost, so its handle is refused'
        this.#loseClaim(execution)
      }
    } catch (error) {
      failure = `the handle could not be saved: ${messageOf(error)}`
    }
    execution.slot?.send({ kind: 'handle_saved', claimToken, handle, failure })
  }

  #warnOfLog({ claim: { runId: run, taskId: task, attempt } }: Execution, failure: string | null): void {
    if (failure !== null) this.#options.log.error({ run, task, attempt, failure }, 'the log of an attempt ends early')
  }

  /** The slot's process is gone, and with it everything its attempts had started. */
  async #slotEnded(slot: SlotProcess, reason: string): Promise<void> {
    const lost = [...slot.attempts].flatMap((token) => this.#executions.get(token) ?? [])
    const { log } = this.#options
    if (lost.length > 0 || !slot.retiring) {
      log.warn({ pid: slot.pid, attempts: lost.length, stderr: slot.stderr }, `a ${reason}`)
    }
    await Promise.all(lost.map((execution) => this.#cutOff(execution, reason)))
    if (!this.#closing && this.#executions.size === 0) this.#pool.warm()
  }

  async #cutOff(execution: Execution, reason: string): Promise<void> {
    const { facts } = await this.#cleared(execution, execution.stop?.message ?? reason)
    this.#ended(execution, { result: 'lost', reason, retryable: true, outputs: {} }, facts)
  }

  /** Ends what is left of an attempt that cannot end by itself, and closes its log. */
  async #cleared(execution: Execution, reason: string): Promise<{ facts: AttemptFacts }> {
    const { claim } = execution
    const { log, slotConfig, clock } = this.#options
    try {
      const killed = await killMarked(`${CLAIM_MARKER}=${claim.claimToken}`)
      const said = [{ level: 'error' as const, message: `The attempt was cut off: ${reason}` }]
      if (killed.length > 0) said.push({ level: 'error', message: `Killed what it left running: ${killed.join(', ')}` })
      const written = await finishLog(slotConfig.logs, claim, said, clock.now())
      await removeWork(workPath(slotConfig.work, claim.claimToken))
      this.#announceLog(execution, said.length)
      return { facts: { ...NO_FACTS, logLines: written.lines, logBytes: written.bytes } }
    } catch (error) {
      log.error({ err: error, run: claim.runId, task: claim.taskId }, 'clearing up after an attempt failed')
      return { facts: NO_FACTS }
    }
  }

  // ---- stopping ------------------------------------------------------------------------------------------------------

  #cancel(execution: Execution): void {
    this.#stop(execution, { code: 'CANCELLED', message: 'cancelled while it ran', result: 'cancelled' })
  }

  #loseClaim(execution: Execution): void {
    this.#stop(execution, { code: 'CANCELLED', message: 'the claim of this attempt was lost', result: null })
  }

  /** The first reason counts, but for the loss of the claim, after which nothing may be recorded. */
  #stop(execution: Execution, stop: Stop): void {
    const { claim } = execution
    if (execution.stop !== null) {
      if (stop.result === null) execution.stop = stop
      return
    }
    execution.stop = stop
    // while it is being prepared it ends before it begins
    if (execution.slot === null) return
    execution.slot.send({ kind: 'stop', claimToken: claim.claimToken, code: stop.code, message: stop.message })
    const { clock, stopMs = STOP_MS } = this.#options
    execution.armed(clock.at(clock.now() + stopMs, () => void this.#force(execution)))
  }

  /** It was told to stop and did not: its slot is killed, or left to the other attempts in it and then ended. */
  async #force(execution: Execution): Promise<void> {
    const { claim, slot } = execution
    const { log } = this.#options
    if (slot === null || !this.#executions.has(claim.claimToken)) return
    log.warn({ run: claim.runId, task: claim.taskId, pid: slot.pid }, 'an attempt does not stop; it is cut off')
    slot.retiring = true
    if (slot.attempts.size === 1) return slot.kill()
    // before its process may say anything about the attempt
    slot.attempts.delete(claim.claimToken)
    const { facts } = await this.#cleared(execution, `${execution.stop?.message ?? ''}, and it did not stop`)
    this.#ended(execution, { result: 'lost', reason: '', retryable: true, outputs: {} }, facts)
  }

  // ---- the end -------------------------------------------------------------------------------------------------------

  #ended(execution: Execution, end: SlotOutcome, facts: AttemptFacts): void {
    const { claim } = execution
    if (!this.#executions.delete(claim.claimToken)) return
    execution.ended()
    const outcome = execution.outcome(end, this.#options.clock.now())
    if (outcome !== null) this.#reporter.report({ ...execution.ref, outcome, facts })
    if (this.#executions.size === 0) this.#emptied()
    if (this.#hinted && !this.#closing) this.#claims.request()
  }

  #recorded(reports: readonly Report[]): void {
    this.#options.recorded(reports.map(({ runId, outcome }) => ({ runId, outcome })))
  }

  // ---- leases --------------------------------------------------------------------------------------------------------

  async #beat(): Promise<void> {
    const { store, clock, log, id, epoch, slots, leaseMs = LEASE_MS, heartbeatMs = HEARTBEAT_MS } = this.#options
    const now = clock.now()
    const running = [...this.#executions.values()]
    const claims = [...running.map(({ ref }) => ref), ...this.#reporter.pending()]
    const worker = { id, epoch, host: hostname(), pid: process.pid, queues: [...this.#queues], slots }
    const state = { ...worker, busy: running.length, startedAt: this.#startedAt, heartbeatAt: now }
    try {
      const { lost, cancel } = await store.heartbeat(state, claims, { now, leaseMs })
      for (const execution of running) execution.leaseUntil = now + leaseMs
      for (const { claimToken } of lost) this.#withExecution(claimToken, (execution) => this.#loseClaim(execution))
      for (const { claimToken } of cancel) this.#withExecution(claimToken, (execution) => this.#cancel(execution))
    } catch (error) {
      log.error({ err: error }, 'the heartbeat failed; trying again')
      // others may have taken over what we could not keep
      for (const execution of running) if (execution.leaseUntil < clock.now()) this.#loseClaim(execution)
    }
    if (!this.#closing || this.#executions.size > 0) {
      this.#forgetBeat = clock.at(clock.now() + heartbeatMs, () => this.#beats.request())
    }
  }

  #withExecution(claimToken: string, act: (execution: Execution) => void): void {
    const execution = this.#executions.get(claimToken)
    if (execution !== undefined) act(execution)
  }
}
