import { messageOf } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Dag } from '../../scheduler/dag/model.js'
import type { DagReading, Scheduler } from '../../scheduler/scheduler.js'
import type { History } from './history.js'
import type { Host } from './host.js'
import type { Prng } from './prng.js'
import type { VirtualTime } from './virtual-time.js'

/** As often as the real watch looks where nothing reports changes. */
const TICK_MS = 1_500
/** longer than a request of a dead process takes */
const LATE_MS = 15_000

export interface FolderWorld {
  time: VirtualTime
  /** of its own, so that what happens here draws nothing from the chance of the rest */
  random: Prng
  history: History
  /** false: nobody heeds the lock */
  oneRegistrar: boolean
  /** another version of a DAG, drawn from `random` */
  next: (dagId: string, version: number) => Dag
  /** another version of the DAG was committed, so ticks without a run are as they should be */
  changed: (dagId: string) => void
}

/** The DAGs folder: people commit versions of its files, in some seeds a broken one now and then, which is mended later. */
export class Folder {
  readonly #world: FolderWorld
  readonly #dags = new Map<string, Dag>()
  /** the number of the breakage, by DAG */
  readonly #broken = new Map<string, number>()
  /** by host: the watch of its present life */
  readonly #watches = new Map<string, Watch>()
  #breakages = 0
  #versions = 2
  /** files break, so schedulers look at the folder again and again */
  readonly breaks: boolean
  /** As in a cluster one scheduler at a time reads the folder; else each does, as when the connections to that lock go at times. */
  readonly isLocked: boolean
  #registrar: Watch | null = null
  #freeAt: Instant | null = null

  constructor(world: FolderWorld) {
    this.#world = world
    this.breaks = world.random.chance(0.4)
    this.isLocked = this.breaks && world.random.chance(0.5)
  }

  get ids(): string[] {
    return [...this.#dags.keys()]
  }

  commit(dag: Dag): void {
    this.#dags.set(dag.id, dag)
    this.#broken.delete(dag.id)
    this.#report()
  }

  /** Files whose last version cannot be compiled. */
  brokenFiles(): Set<string> {
    return new Set([...this.#broken.keys()].flatMap((id) => this.#dags.get(id)?.file ?? []))
  }

  read(): DagReading {
    const dags: Dag[] = []
    const problems: DagReading['problems'] = []
    for (const dag of this.#dags.values()) {
      const breakage = this.#broken.get(dag.id)
      if (breakage === undefined) dags.push(dag)
      else {
        const place = { file: dag.file, line: 1, column: 1, path: '', hint: '' }
        problems.push({ ...place, severity: 'error', message: `breakage ${breakage}` })
      }
    }
    return { dags, broken: problems.map(({ file }) => file), problems }
  }

  /** Breaks files until `until`, some twice within moments; most are mended, before or after that. */
  begin(until: Instant): void {
    const { time, random } = this.#world
    if (!this.breaks) return
    const times = random.int(1, 4)
    for (let index = 0; index < times; index += 1) {
      const at = random.int(time.now + 10_000, until)
      const dagId = random.pick(this.ids)
      const again = random.chance(0.4)
      const mendedAt = at + random.pick([300, 5_000, 30_000, 90_000])
      time.schedule(at, () => this.#break(dagId))
      if (again || random.chance(0.85)) time.schedule(mendedAt, () => this.#mend(dagId))
      if (again) time.schedule(mendedAt + random.pick([100, 1_000, 8_000]), () => this.#break(dagId))
    }
  }

  /** A scheduler's watch, from the start of a life to its end. */
  watch(host: Host, scheduler: Scheduler): void {
    if (this.breaks) this.#watches.set(host.name, new Watch(this, host, scheduler, this.#world))
  }

  /** Whether this one registers. What the one before has sent has come to the store, or never will, before it does. */
  takesLock(watch: Watch): boolean {
    if (!this.isLocked || this.#registrar === watch || !this.#world.oneRegistrar) return true
    const { now } = this.#world.time
    if (this.#registrar?.isOver === false) return false
    this.#freeAt ??= this.#registrar === null ? now : now + LATE_MS
    if (now < this.#freeAt) return false
    this.#registrar = watch
    this.#freeAt = null
    return true
  }

  #break(dagId: string): void {
    this.#breakages += 1
    this.#world.history.record('folder', `${dagId} breaks, breakage ${this.#breakages}`)
    this.#broken.set(dagId, this.#breakages)
    this.#report()
  }

  /** By taking the change back, or by another version. */
  #mend(dagId: string): void {
    const { random, history, next, changed } = this.#world
    const dag = this.#dags.get(dagId)
    if (dag === undefined || !this.#broken.has(dagId)) return
    this.#versions += 1
    const mended = random.chance(0.6) ? dag : next(dagId, this.#versions)
    history.record('folder', `${dagId} is mended: ${mended.version}`)
    if (mended !== dag) changed(dagId)
    this.commit(mended)
  }

  #report(): void {
    for (const watch of this.#watches.values()) watch.reported()
  }
}

/** As the real one: one reading at a time, at each tick and report, of which those that differ from the last are registered. */
class Watch {
  readonly #folder: Folder
  readonly #host: Host
  readonly #scheduler: Scheduler
  readonly #world: FolderWorld
  #last = ''
  #reading = false
  readonly #life: number

  constructor(folder: Folder, host: Host, scheduler: Scheduler, world: FolderWorld) {
    this.#folder = folder
    this.#host = host
    this.#scheduler = scheduler
    this.#world = world
    this.#life = host.life
    this.#tick()
  }

  /** its process has died */
  get isOver(): boolean {
    return !this.#host.alive || this.#host.life !== this.#life
  }

  /** Something has changed; a report settles for a moment. */
  reported(): void {
    this.#host.after(this.#world.random.int(1, 200), () => void this.#read())
  }

  #tick(): void {
    void this.#read()
    this.#host.after(TICK_MS, () => this.#tick())
  }

  async #read(): Promise<void> {
    if (this.#reading || !this.#folder.takesLock(this)) return
    const reading = this.#folder.read()
    const mark = JSON.stringify([reading.dags.map(({ version }) => version), reading.problems])
    if (mark === this.#last) return
    this.#reading = true
    // compiling takes its time
    await this.#host.sleep(this.#world.random.int(1, 30))
    try {
      await this.#scheduler.register(reading)
      this.#last = mark
    } catch (error) {
      this.#world.history.record(this.#host.name, `register: ${messageOf(error)}`)
    }
    this.#reading = false
  }
}
