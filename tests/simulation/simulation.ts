import { isSluiceError, messageOf } from '../../errors.js'
import { AlertOutbox } from '../../scheduler/alerts/outbox.js'
import { isFailure, isFinalRun } from '../../scheduler/core/states.js'
import type { Dag } from '../../scheduler/dag/model.js'
import * as timetable from '../../scheduler/dag/schedule.js'
import { Events } from '../../scheduler/events.js'
import type { Queue } from '../../scheduler/queue/queue.js'
import { createScheduler, type Log, type Scheduler } from '../../scheduler/scheduler.js'
import type { ClaimedTask, Store } from '../../scheduler/store/store.js'
import { Checks } from './checks/checks.js'
import { describeCall } from './describe.js'
import { Folder } from './folder.js'
import {
  comparingWhatItSaw,
  EVERY_DAY,
  type Guard,
  isStoreGuard,
  neverConflicting,
  neverWakingNext,
  withoutSilenceKey,
} from './guards-outside.js'
import { History, type Violation } from './history.js'
import { type FaultRates, Host, type Weather } from './host.js'
import { Lake } from './lake.js'
import { beginLeaving } from './leaving.js'
import { MailServer } from './mail.js'
import { createMemoryStore } from './memory-store/index.js'
import { anyOutage } from './outage.js'
import { Outside, WAITING, waitingDag } from './outside.js'
import { People } from './people.js'
import { Prng } from './prng.js'
import { POOLS, randomDag } from './random-dag.js'
import { type Observer, remoteStore } from './remote-store.js'
import { VirtualTime } from './virtual-time.js'
import { SimulatedWorker } from './worker.js'

export interface SimulationResult {
  seed: number
  hash: string
  violations: Violation[]
  history: readonly string[]
  runs: number
  attempts: number
}

/** two minutes before midnight in Bogotá, of a Friday */
const START = Date.UTC(2026, 10, 21, 4, 58)
const STORM_MS = 240_000
/** Chances of their own: what these draw leaves the histories of the seeds that do not have them as they were. */
const OWN_CHANCE = { folder: 0x51ce, leaving: 0x1eaf, handles: 0x4a4d, turns: 0x7042, outage: 0x0a7e }
/** Everything must have ended this long after the faults have. */
const CALM_MS = 3_600_000

/**
 * One simulated stretch of Sluice's life: some minutes of faults, then calm, in which everything must come to its end.
 * The core, the scheduler loop and the commands are the real ones; store, workers, network and time are simulated.
 */
export async function simulate(seed: number, without: readonly Guard[] = []): Promise<SimulationResult> {
  // the test runner gets its turn between two seeds: within one there are microtasks only
  await new Promise((resolve) => setImmediate(resolve))
  const world = new World(seed, without)
  await world.live()
  return world.result()
}

class World {
  readonly #seed: number
  readonly #random: Prng
  readonly #time = new VirtualTime(START)
  readonly #history = new History(this.#time)
  readonly #weather: Weather
  readonly #store: ReturnType<typeof createMemoryStore>
  readonly #lake: Lake
  readonly #mail: MailServer
  readonly #checks: Checks
  readonly #outside: Outside
  readonly #without: ReadonlySet<Guard>
  readonly #hosts: Host[] = []
  readonly #schedulers = new Map<string, Scheduler>()
  readonly #workers = new Map<string, SimulatedWorker>()
  readonly #folder: Folder
  readonly #handles: Prng
  readonly #foundRuns: number
  #ana: People | null = null

  constructor(seed: number, without: readonly Guard[]) {
    this.#seed = seed
    this.#without = new Set(without)
    this.#random = new Prng(seed)
    this.#weather = {
      time: this.#time,
      random: this.#random,
      history: this.#history,
      rates: randomRates(this.#random),
      stormy: true,
      outage: anyOutage(new Prng(seed ^ OWN_CHANCE.outage), START),
    }
    this.#store = createMemoryStore({ without: without.filter(isStoreGuard) })
    this.#lake = new Lake(this.#history, { checksToken: !this.#without.has('commit_token') })
    this.#outside = new Outside(this.#time, this.#random, () => this.#weather.stormy)
    this.#folder = this.#emptyFolder(new Prng(seed ^ OWN_CHANCE.folder))
    this.#handles = new Prng(seed ^ OWN_CHANCE.handles)
    this.#foundRuns = new Prng(seed ^ OWN_CHANCE.turns).pick([2, 500, 500])
    this.#checks = new Checks(this.#history, this.#store, this.#outside, this.#folder.isLocked, this.#weather)
    this.#mail = new MailServer(this.#history, this.#random, START)
    const dags = this.#random.int(1, 3)
    for (let index = 0; index < dags; index += 1) {
      this.#folder.commit(randomDag(this.#random, `dag${index}`, 1))
    }
    if (this.#random.chance(0.4)) this.#folder.commit(waitingDag(this.#random, 1))
    if (this.#random.chance(0.4)) this.#buildEmbedded()
    else this.#buildCluster()
  }

  async live(): Promise<void> {
    await this.#store.setPools(POOLS)
    for (const host of this.#hosts) host.boot()
    this.#people()
    this.#chaos()
    if (this.#folder.ids.includes(WAITING)) this.#outside.begin()
    this.#folder.begin(START + STORM_MS)
    this.#leaving()
    await this.#time.runUntil(START + STORM_MS, () => this.#history.isOverlong)
    this.#calm()
    let ended = false
    const look = () => {
      this.#endTicks()
      ended = this.#everythingHasEnded() && this.#everyAlertIsSent()
      for (const { runId, tasks } of this.#heldUp()) void this.#ana?.release(runId, tasks)
      this.#time.schedule(this.#time.now + 5_000, look)
    }
    look()
    await this.#time.runUntil(START + STORM_MS + CALM_MS, () => ended || this.#history.isOverlong)
    if (this.#history.isOverlong) this.#history.violated('it comes to rest', 'so much has happened that it never will')
    this.#checks.files.end(this.#folder.brokenFiles())
    this.#checks.end(this.#mail)
  }

  result(): SimulationResult {
    const { tables } = this.#store
    return {
      seed: this.#seed,
      hash: this.#history.hash(),
      violations: this.#history.violations,
      history: this.#history.lines,
      runs: tables.runs.size,
      attempts: [...tables.attempts.values()].reduce((sum, attempts) => sum + attempts.size, 0),
    }
  }

  /** One process with scheduler and workers; a new life is a new epoch. */
  #buildEmbedded(): void {
    this.#hosts.push(
      new Host('up', this.#weather, (host) => {
        void this.#upEmbedded(host)
      }),
    )
  }

  async #upEmbedded(host: Host): Promise<void> {
    const store = this.#remote(host)
    let epoch: number | null = null
    while (epoch === null) {
      try {
        epoch = (await store.beginEpoch('Sluice was restarted', host.clock.now())).epoch
        await store.releaseMessages()
      } catch (error) {
        this.#history.record(host.name, messageOf(error))
        await host.sleep(500)
      }
    }
    const scheduler = this.#bootScheduler(host)
    this.#bootWorker(host, epoch, () => scheduler)
  }

  /** Several schedulers and workers; outcomes are told to any scheduler, by a message. */
  #buildCluster(): void {
    const schedulers = this.#random.int(1, 3)
    const workers = this.#random.int(1, 3)
    for (let index = 0; index < schedulers; index += 1) {
      this.#hosts.push(new Host(`scheduler${index}`, this.#weather, (host) => this.#bootScheduler(host)))
    }
    for (let index = 0; index < workers; index += 1) {
      this.#hosts.push(
        new Host(`worker${index}`, this.#weather, (host) => {
          this.#bootWorker(host, 0, null)
        }),
      )
    }
  }

  #bootScheduler(host: Host): Scheduler {
    const queue: Queue = {
      dispatch: async () => this.#tellWorkers('hint', (worker) => worker.hint()),
      stop: async (attempts) => this.#stopAttempts(attempts),
      close: async () => {},
    }
    const [store, events] = [this.#remote(host), new Events()]
    const scheduler = createScheduler(
      {
        store,
        queue,
        clock: host.clock,
        events,
        timetable: this.#without.has('calendar') ? EVERY_DAY : timetable,
        watches: this.#outside.watches(host),
        random: () => this.#random.next(),
        log: this.#log(host),
        debugPoint: host.debugPoint,
        projectAlerts: { email: ['ops@example.com'], webhook: null },
      },
      {
        cachedRuns: this.#random.int(1, 8),
        shownItems: this.#random.int(1, 4),
        tellMs: 0,
        foundRuns: this.#foundRuns,
        ...(this.#without.has('sweep') ? { sweepMs: 1e9 } : {}),
      },
    )
    this.#schedulers.set(host.name, scheduler)
    scheduler.start()
    this.#bootOutbox(host, store, events)
    void this.#register(scheduler)
    this.#folder.watch(host, scheduler)
    return scheduler
  }

  #emptyFolder(random: Prng): Folder {
    return new Folder({
      ...{ time: this.#time, random, history: this.#history },
      oneRegistrar: !this.#without.has('one_registrar'),
      next: (dagId, version) => anyDag(random, dagId, version),
      changed: (dagId) => this.#checks.ticksMayBeMissing(dagId),
    })
  }

  #bootOutbox(host: Host, store: ReturnType<typeof remoteStore>, events: Events): void {
    const outbox = new AlertOutbox({
      store,
      events,
      channels: this.#mail.channels(host),
      logs: { tail: async () => [] },
      clock: host.clock,
      log: this.#log(host),
      windowMs: 5_000,
      debugPoint: host.debugPoint,
    })
    outbox.start()
  }

  async #register(scheduler: Scheduler): Promise<void> {
    if (this.#folder.isLocked) return
    try {
      await scheduler.register(this.#folder.read())
    } catch (error) {
      this.#history.record('register', messageOf(error))
      // the folder is looked at again and again
      this.#time.schedule(this.#time.now + 5_000, () => this.#folderChanged())
    }
  }

  /** @param own the scheduler of the same process; null for any, told by a message */
  #bootWorker(host: Host, epoch: number, own: (() => Scheduler) | null): void {
    const told = (what: string, tell: (scheduler: Scheduler) => void) => {
      if (own === null) this.#tellScheduler(what, tell)
      else tell(own())
    }
    const worker = new SimulatedWorker({
      host,
      store: this.#remote(host),
      random: this.#random,
      lake: this.#lake,
      history: this.#history,
      epoch,
      slots: 3,
      dags: () => this.#folder.ids,
      version: (version) => this.#store.tables.versions.get(version),
      begun: (claim) => this.#saveHandle(claim, host.name),
      tellsAhead: own !== null,
      tell: (outcomes) => told('recorded', (scheduler) => scheduler.recorded(outcomes)),
      woken: (runIds) => {
        for (const runId of runIds) told('woken', (scheduler) => scheduler.run(runId))
      },
    })
    this.#workers.set(host.name, worker)
    worker.start()
  }

  #remote(host: Host) {
    const observe: Observer = (call) => {
      const described = describeCall(call)
      if (described !== '') this.#history.record(call.host, described)
      this.#checks.observe(call)
    }
    const store = remoteStore(this.#store, host, observe)
    if (this.#without.has('silence_key')) return withoutSilenceKey(store)
    if (this.#without.has('past_wake')) return neverWakingNext(store)
    if (this.#without.has('problems_seen')) return comparingWhatItSaw(store)
    return this.#without.has('conflict') ? neverConflicting(store) : store
  }

  /** Some start something outside. To save its handle takes no time here: the real worker asks until it is saved. */
  #saveHandle(claim: ClaimedTask, host: string): void {
    if (!this.#handles.chance(0.4)) return
    const args: Parameters<Store['saveHandle']> = [claim, { query: claim.claimToken }, this.#time.now]
    const method = 'saveHandle'
    void this.#store.saveHandle(...args).then((result) => this.#checks.observe({ method, args, result, host }))
  }

  #people(): void {
    const host = new Host('ana', this.#weather, () => people.act(() => this.#weather.stormy))
    const people = new People({
      host,
      store: this.#remote(host),
      random: this.#random,
      history: this.#history,
      wake: {
        run: (runId) => this.#tellScheduler('wake', (scheduler) => scheduler.run(runId)),
        all: () => this.#tellScheduler('wake all', (scheduler) => scheduler.all()),
        now: () => this.#time.now,
      },
      stop: async (attempts) => this.#stopAttempts(attempts),
      dags: () => this.#folder.ids,
      runs: () =>
        [...this.#store.tables.runs.values()].map(({ run, tasks }) => ({ id: run.id, tasks: [...tasks.keys()] })),
      asked: () => this.#asked(),
      acknowledged: this.#checks.acknowledged,
      paused: (dagId) => this.#checks.ticksMayBeMissing(dagId),
    })
    this.#ana = people
    this.#hosts.push(host)
    host.boot()
    this.#edit()
  }

  /** Tasks that wait for a person. */
  #asked(): { runId: string; taskId: string }[] {
    return [...this.#store.tables.activeRuns()].flatMap(({ run, tasks }) =>
      [...tasks.values()].flatMap(({ task }) => {
        const waits = task.state === 'deferred' && task.waitsFor?.kind === 'approval'
        return waits ? [{ runId: run.id, taskId: task.taskId }] : []
      }),
    )
  }

  /** Now and then someone commits another version of a DAG. */
  #edit(): void {
    if (!this.#random.chance(0.5)) return
    const any = START + this.#random.int(20_000, STORM_MS - 30_000)
    // often just before something is due
    const at = this.#random.chance(0.5) ? any : any + 30_000 - (any % 30_000) - this.#random.int(0, 20)
    // a scheduler that looked a moment earlier registers what was there then
    this.#time.schedule(at - this.#random.int(0, 20), () => this.#folderChanged())
    this.#time.schedule(at, () => {
      const dagId = this.#random.pick(this.#folder.ids)
      this.#checks.ticksMayBeMissing(dagId)
      this.#folder.commit(anyDag(this.#random, dagId, 2))
      this.#folderChanged()
    })
  }

  #folderChanged(): void {
    this.#tellScheduler('folder changed', (scheduler) => void this.#register(scheduler))
  }

  /** A process with scheduler and worker has nobody who would miss it. */
  #leaving(): void {
    const hosts = this.#hosts.filter(({ name }) => name.startsWith('worker'))
    const signOff = async ({ name }: Host) => this.#workers.get(name)?.signOff()
    beginLeaving(
      { time: this.#time, random: new Prng(this.#seed ^ OWN_CHANCE.leaving), hosts, signOff },
      START + STORM_MS,
    )
  }

  /** Crashes and pauses at any time, besides those between two writes. */
  #chaos(): void {
    this.#time.schedule(this.#time.now + this.#random.int(3_000, 40_000), () => {
      if (!this.#weather.stormy) return
      const host = this.#random.pick(this.#hosts)
      if (this.#random.chance(0.5)) host.crash('by chance')
      else host.pause(this.#random.int(1_000, 60_000))
      this.#chaos()
    })
  }

  /** No more faults and no more ticks; whatever is down comes up. */
  #calm(): void {
    this.#history.record('world', 'the storm is over')
    this.#weather.stormy = false
    this.#checks.ticksEnd()
    this.#endTicks()
    for (const host of this.#hosts) host.boot()
  }

  /**
   * Again and again, because a version that was committed at last gives a DAG its next tick when it is registered, and
   * what a person did at last arrives later.
   */
  #endTicks(): void {
    const { dags, backfills } = this.#store.tables
    for (const [id, row] of backfills) if (row.state === 'paused') backfills.set(id, { ...row, state: 'running' })
    for (const [id, dag] of dags) {
      void this.#store.setPaused(id, false, '', this.#time.now)
      dags.set(id, { ...dag, paused: false, pauseReason: '', nextDueAt: null })
    }
  }

  /** What went wrong in runs that later ones depend on; whether they do is the later one's version's to say. */
  #heldUp(): { runId: string; tasks: string[] }[] {
    const all = [...this.#store.tables.runs.values()]
    const depending = new Set(all.filter(({ dependsOnPast }) => dependsOnPast !== 'no').map(({ run }) => run.dagId))
    return all.flatMap(({ run, tasks }) => {
      if (!depending.has(run.dagId) || !isFinalRun(run.state)) return []
      const bad = [...tasks.values()].filter(({ task }) => !task.taskId.includes('.') && isFailure(task.state))
      return bad.length === 0 ? [] : { runId: run.id, tasks: bad.map(({ task }) => task.taskId) }
    })
  }

  #everythingHasEnded(): boolean {
    const { runs, backfills, slas } = this.#store.tables
    const backfilled = [...backfills.values()].every(({ state }) => state !== 'running')
    const judged = [...slas.values()].every(({ lookAt }) => lookAt === null)
    return (
      backfilled &&
      judged &&
      this.#checks.triggers.isOver() &&
      this.#checks.files.isOver(this.#folder.brokenFiles()) &&
      this.#checks.silences.isOver(this.#time.now) &&
      [...runs.values()].every(({ run }) => isFinalRun(run.state))
    )
  }

  #everyAlertIsSent(): boolean {
    const { deliveries, messages } = this.#store.tables
    const waits = ({ state }: { state: string }) => state === 'waiting'
    return !deliveries.some(waits) && ![...messages.values()].some(waits)
  }

  #tellScheduler(what: string, tell: (scheduler: Scheduler) => void): void {
    const name = this.#random.pick([...this.#schedulers.keys()])
    const host = this.#hosts.find((candidate) => candidate.name === name)
    host?.message(what, () => {
      const scheduler = this.#schedulers.get(name)
      if (scheduler !== undefined) tell(scheduler)
    })
  }

  #tellWorkers(what: string, tell: (worker: SimulatedWorker) => void): void {
    for (const name of this.#workers.keys()) {
      const host = this.#hosts.find((candidate) => candidate.name === name)
      host?.message(what, () => {
        const worker = this.#workers.get(name)
        if (worker !== undefined) tell(worker)
      })
    }
  }

  #stopAttempts(attempts: { runId: string; taskId: string; attempt: number }[]): void {
    this.#tellWorkers('stop', (worker) => {
      for (const attempt of attempts) worker.stop(attempt)
    })
  }

  #log(host: Host): Log {
    const note = (level: string) => (fields: object, message: string) => {
      const { err } = fields as { err?: unknown }
      this.#history.record(host.name, `${level}: ${message}${err === undefined ? '' : `: ${messageOf(err)}`}`)
      if (err !== undefined && !isSluiceError(err, 'STORE_FAILED')) {
        this.#history.violated('no defects', `${message}: ${err instanceof Error ? err.stack : String(err)}`)
      }
    }
    return { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  }
}

function anyDag(random: Prng, dagId: string, version: number): Dag {
  return dagId === WAITING ? waitingDag(random, version) : randomDag(random, dagId, version)
}

function randomRates(random: Prng): FaultRates {
  const harsh = random.pick([0, 1, 1, 3])
  return {
    crashAtPoint: 0.01 * harsh,
    pauseAtPoint: 0.01 * harsh,
    requestLost: 0.003 * harsh,
    answerLost: 0.005 * harsh,
    messageLost: 0.1 * harsh,
    messageDoubled: 0.1 * harsh,
  }
}
