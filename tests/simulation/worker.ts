import { messageOf } from '../../errors.js'
import type { Weight } from '../../operators/operator.js'
import type { ApprovalWait, LookWait } from '../../operators/wait.js'
import { declaredId } from '../../scheduler/core/items.js'
import type { AttemptOutcome } from '../../scheduler/core/model.js'
import type { Dag, Task } from '../../scheduler/dag/model.js'
import type { AttemptFacts, ClaimedTask, Store } from '../../scheduler/store/store.js'
import { Claiming } from '../../scheduler/worker/claiming.js'
import { NO_FACTS } from '../../scheduler/worker/execution.js'
import { Looks } from '../../scheduler/worker/looks.js'
import type { ToSlot } from '../../scheduler/worker/protocol.js'
import type { SlotProcess } from '../../scheduler/worker/slot-process.js'
import { type AttemptEnd, endGiven, unwantedBy } from './evaluated.js'
import type { History } from './history.js'
import type { Host } from './host.js'
import type { Lake } from './lake.js'
import type { Prng } from './prng.js'

export const LEASE_MS = 15_000
const HEARTBEAT_MS = 5_000
const POLL_MS = 7_000
const REPORT_AGAIN_MS = 1_000
/** this share of the attempts does */
const SUCCEEDS = 0.7

interface Running {
  claim: ClaimedTask
  /** asked to stop, or its claim is lost: what it does now counts for nothing */
  stopped: boolean
}

export interface WorkerWorld {
  host: Host
  store: Store
  random: Prng
  lake: Lake
  history: History
  epoch: number
  slots: number
  dags: () => string[]
  /** versions of DAGs never change, so a worker keeps them */
  version: (version: string) => Dag | undefined
  /** its work has begun, and may have started something outside whose handle is saved at once */
  begun: (claim: ClaimedTask) => void
  /** it is a neighbour of its scheduler, as in `sluice up` */
  tellsAhead: boolean
  /** tells the schedulers of recorded outcomes */
  tell: (outcomes: { runId: string; outcome: AttemptOutcome }[]) => void
  /** tells the schedulers of runs with a task whose wait is over */
  woken: (runIds: readonly string[]) => void
}

/** A worker that does what the real one does: claims on a hint or a poll, heartbeats, commits, reports until it is heard. */
export class SimulatedWorker {
  readonly #world: WorkerWorld
  readonly #running = new Map<string, Running>()
  readonly #claims: Claiming
  #claiming = false
  #leaving = false
  #beating: Promise<void> = Promise.resolve()

  constructor(world: WorkerWorld) {
    this.#world = world
    const { store, host, epoch } = world
    const note = (_fields: object, message: string) => this.#note('claiming', new Error(message))
    this.#claims = new Claiming({
      ...{ store, clock: host.clock, worker: { id: host.name, epoch }, leaseMs: LEASE_MS },
      log: { debug: note, info: note, warn: note, error: note },
      held: () => [...this.#running.values()].map(({ claim }) => claim.claimToken),
    })
  }

  start(): void {
    this.hint()
    for (const weight of ['light', 'heavy'] as const) this.#looks(weight).request()
    this.#every(POLL_MS, () => this.hint())
    this.#every(HEARTBEAT_MS, () => {
      if (!this.#leaving) this.#beating = this.#heartbeat()
    })
  }

  /** As the real one: takes nothing more, ends what runs, beats no more, and says so once no heartbeat is under way. */
  async signOff(): Promise<void> {
    this.#leaving = true
    const { store, host } = this.#world
    const stopped = [...this.#running.values()].filter((running) => !running.stopped)
    for (const running of stopped) running.stopped = true
    const reason = `${host.name} was stopped`
    await Promise.all(stopped.map((running) => this.#report(running, { result: 'stopped', retryable: true, reason })))
    await this.#beating
    await store.removeWorker(host.name).catch((error: unknown) => this.#note('sign off', error))
  }

  /** there may be work */
  hint(): void {
    if (!this.#claiming && !this.#leaving) void this.#claim()
  }

  stop(attempt: { runId: string; taskId: string; attempt: number }): void {
    const running = this.#running.get(key(attempt))
    if (running !== undefined) void this.#stopOne(running)
  }

  /** The real ones, on a slot that takes its time, says nothing at times, and finds what is looked for sooner or later. */
  #looks(weight: Weight): Looks {
    const { host, store, random, woken } = this.#world
    const note = (_fields: object, message: string) => this.#note('looks', new Error(message))
    const slot = {
      send: (message: ToSlot) => {
        if (message.kind !== 'look') return
        host.after(random.pick([5, 500, random.int(1, 100_000)]), () => {
          const results = message.looks.map(({ key, seen }) => {
            return random.chance(0.3) ? { key, met: { key }, seen, detail: '' } : { key, met: null, seen, detail: 'no' }
          })
          looks.heard(message.token, results)
        })
      },
    }
    const looks = new Looks({
      ...{ store, clock: host.clock, weight, queues: () => ['default'] },
      log: { debug: note, info: note, warn: note, error: note },
      pool: { take: () => slot as unknown as SlotProcess, release: () => undefined },
      woken,
    })
    return looks
  }

  #every(ms: number, job: () => void): void {
    this.#world.host.after(ms, () => {
      job()
      this.#every(ms, job)
    })
  }

  async #claim(): Promise<void> {
    const { host, slots } = this.#world
    const limit = slots - this.#running.size
    if (limit <= 0) return
    this.#claiming = true
    try {
      const answer = this.#claims.claim(['default'], limit)
      const [claims] = await Promise.all([answer, host.debugPoint('worker:claim sent', 4)])
      for (const claim of claims) void this.#run(claim)
    } catch (error) {
      this.#note('claim', error)
    } finally {
      this.#claiming = false
    }
  }

  async #run(claim: ClaimedTask): Promise<void> {
    const { host, random, lake, begun } = this.#world
    const running: Running = { claim, stopped: false }
    this.#running.set(key(claim), running)
    const task = this.#declared(claim)
    const unwanted = task === undefined ? null : unwantedBy(task, random)
    if (unwanted !== null) return this.#report(running, unwanted)
    const inputKey = this.#inputKey(claim)
    if (inputKey !== null && (await this.#tookOver(running, inputKey))) return
    begun(claim)
    await host.sleep(random.pick([20, 200, 2_000, random.int(1, 30_000)]))
    await host.debugPoint('worker:before commit')
    if (running.stopped) return
    if (claim.woken === null && random.chance(0.08)) {
      await this.#report(running, { result: 'deferred', retryable: true, ...this.#wait(claim) })
      return
    }
    const fate = random.next()
    // what fails may have committed before it failed
    if (fate < 0.8) lake.commit(`${claim.runId}/${claim.taskId}/${claim.generation}`, claim.attempt)
    await host.debugPoint('worker:committed')
    if (running.stopped) return
    const facts = inputKey === null ? NO_FACTS : { ...NO_FACTS, inputKey }
    const dag = this.#world.version(claim.version)
    const given = fate < SUCCEEDS && task !== undefined && dag !== undefined ? endGiven(task, dag, random) : null
    await this.#report(running, given ?? { ...resultOf(fate), retryable: fate < 0.97 }, facts)
  }

  /** What a task with `skip_if_done` works from: its version and its item; null for others. */
  #inputKey(claim: ClaimedTask): string | null {
    const { version, taskId, item } = claim
    const task = this.#declared(claim)
    return task?.skipIfDone === true ? `${version}/${declaredId(taskId)}/${JSON.stringify(item)}` : null
  }

  #declared({ version, taskId }: ClaimedTask): Task | undefined {
    const declared = declaredId(taskId)
    return this.#world.version(version)?.tasks.find(({ id }) => id === declared)
  }

  /** As the real one: what was cleared runs, and so does what nothing is known of. */
  async #tookOver(running: Running, inputKey: string): Promise<boolean> {
    if (running.claim.generation > 1) return false
    try {
      const earlier = await this.#world.store.doneBefore(inputKey)
      if (earlier === null || running.stopped) return running.stopped
      const { runId: run, taskId: task, attempt, outputs } = earlier
      const facts = { ...NO_FACTS, metrics: { taken_from: { run, task, attempt } } }
      await this.#report(running, { result: 'success', retryable: true, outputs }, facts)
      return true
    } catch (error) {
      this.#note('done before', error)
      return false
    }
  }

  /**
   * Until an instant; until something outside is there, a person has decided or a run of another DAG has ended, or that
   * instant has come; or until the end of a run of its own.
   */
  #wait({ runId, taskId, dagId, generation }: ClaimedTask): Pick<AttemptOutcome, 'wakeAt' | 'waitsFor'> {
    const { host, random, dags } = this.#world
    const wakeAt = host.clock.now() + random.int(0, 20_000)
    if (random.chance(0.3)) return { wakeAt: wakeAt + 20_000, waitsFor: anyApproval(random) }
    if (random.chance(0.3)) return { wakeAt: wakeAt + 40_000, waitsFor: anyLook(random) }
    // DAGs that start each other in a circle are refused when they are read
    const later = dags().filter((other) => other > dagId)
    if (later.length === 0 || random.chance(0.3)) return { wakeAt }
    const dag = random.pick(later)
    const states = random.pick([['success'], ['success', 'failed', 'cancelled']])
    if (random.chance(0.4)) return { wakeAt, waitsFor: { on: `dag:${dag}`, kind: 'run', dag, interval: null, states } }
    const key = `child/${runId}/${taskId}/${generation}`
    const child = { key, params: {}, interval: 'latest', wait: random.chance(0.8) } as const
    return { wakeAt: null, waitsFor: { on: `dag:${dag}`, kind: 'child', dag, ...child } }
  }

  async #report(
    running: Running,
    how: AttemptEnd & Pick<AttemptOutcome, 'wakeAt' | 'waitsFor'>,
    facts: AttemptFacts = NO_FACTS,
  ): Promise<void> {
    const { host, store, random, tell, tellsAhead } = this.#world
    const { claim } = running
    const outcome: AttemptOutcome = {
      taskId: claim.taskId,
      attempt: claim.attempt,
      reason: how.result === 'success' ? '' : `it ${how.result} in ${host.name}`,
      outputs: {},
      ...how,
      endedAt: host.clock.now(),
      ...failedChecks(claim, how),
    }
    const report = { ...claimRef(claim), outcome, facts }
    for (;;) {
      try {
        const reports = random.chance(0.1) ? [report, report] : [report]
        const writing = store.recordOutcomes(reports, host.clock.now())
        // beside its scheduler a worker tells of what it is writing; here the write may come too late, be refused or get lost
        if (tellsAhead && random.chance(0.5)) tell([{ runId: claim.runId, outcome }])
        const [answer] = await writing
        this.#running.delete(key(claim))
        if (answer === 'recorded') tell([{ runId: claim.runId, outcome }])
        this.hint()
        return
      } catch (error) {
        this.#note('report', error)
        await host.sleep(REPORT_AGAIN_MS)
      }
    }
  }

  async #heartbeat(): Promise<void> {
    const { host, store, epoch, slots } = this.#world
    const now = host.clock.now()
    const worker = {
      id: host.name,
      epoch,
      host: host.name,
      pid: 1,
      queues: ['default'],
      slots,
      busy: this.#running.size,
      startedAt: now,
      heartbeatAt: now,
    }
    try {
      const claims = [...this.#running.values()].map(({ claim }) => claimRef(claim))
      const { lost, cancel } = await store.heartbeat(worker, claims, { now, leaseMs: LEASE_MS })
      for (const ref of lost) this.#forget(ref)
      for (const ref of cancel) this.stop(ref)
    } catch (error) {
      this.#note('heartbeat', error)
    }
  }

  #forget(ref: { runId: string; taskId: string; attempt: number }): void {
    const running = this.#running.get(key(ref))
    // one that is just reporting learns the same from the answer
    if (running !== undefined) {
      running.stopped = true
      this.#claims.lost(running.claim.claimToken)
    }
    this.#running.delete(key(ref))
  }

  async #stopOne(running: Running): Promise<void> {
    if (running.stopped) return
    running.stopped = true
    await this.#world.host.sleep(this.#world.random.int(1, 3_000))
    await this.#report(running, { result: 'cancelled', retryable: false })
  }

  #note(what: string, error: unknown): void {
    this.#world.history.record(this.#world.host.name, `${what}: ${messageOf(error)}`)
  }
}

function key({ runId, taskId, attempt }: { runId: string; taskId: string; attempt: number }): string {
  return `${runId}/${taskId}/${attempt}`
}

function claimRef({ runId, taskId, attempt, claimToken }: ClaimedTask) {
  return { runId, taskId, attempt, claimToken }
}

function resultOf(fate: number): { result: AttemptOutcome['result'] } {
  if (fate < SUCCEEDS) return { result: 'success' }
  if (fate < 0.76) return { result: 'skipped' }
  return { result: fate < 0.8 ? 'timed_out' : 'failed' }
}

/** Every third task has a check that its first attempts of a run do not pass, whether that fails them or is only a warning. */
function failedChecks(
  { taskId, attempt }: ClaimedTask,
  { result }: Pick<AttemptOutcome, 'result'>,
): Pick<AttemptOutcome, 'failedChecks'> {
  const isChecked = ['t0', 't3', 't6'].includes(taskId) && attempt % 2 === 1
  return isChecked && (result === 'success' || result === 'failed') ? { failedChecks: ['not_null id'] } : {}
}

function anyApproval(random: Prng): ApprovalWait {
  const onReject = random.pick(['fail', 'skip'] as const)
  return { on: 'approval', kind: 'approval', message: 'Go on?', role: 'operator', users: [], onReject }
}

/** Few conditions, so that several tasks wait for the same. */
function anyLook(random: Prng): LookWait {
  const key = String(random.int(1, 4))
  const weight: Weight = key === '1' ? 'heavy' : 'light'
  return {
    ...{ on: `look:${key}`, kind: 'look', key, operator: 'wait_for', condition: { file: key }, folder: '', table: '' },
    ...{ everyMs: 4_000, weight, seen: {}, ...(weight === 'heavy' ? { firstMs: 0 } : {}) },
  }
}
