import { FILE_DISAPPEARED } from '../../../scheduler/store/store.js'
import type { History } from '../history.js'
import type { Tables } from '../memory-store/index.js'
import { createdRuns, type StoreCall } from '../remote-store.js'

/**
 * DAG files that break. Readings are taken as the store executes them, one after another: a file that is broken in one and
 * was not in the one before is told of in that step, as is one that is usable again. Its DAG goes on meanwhile.
 */
export class FilesCheck {
  readonly #history: History
  /** files with an error in the last reading */
  #broken = new Set<string>()
  /** files whose newest alert says that they are broken */
  readonly #open = new Set<string>()
  /** by DAG: the file and version that it was registered with last */
  readonly #good = new Map<string, { file: string; version: string }>()
  #lastAlert = 0
  /** what is told of breakages, each of which has its number */
  readonly #breakages = new Set<string>()
  readonly #isLocked: boolean

  /** @param isLocked one scheduler at a time reads the folder, so no reading comes after a later one */
  constructor(history: History, isLocked: boolean) {
    this.#history = history
    this.#isLocked = isLocked
  }

  /** @param tables after the call */
  observe(call: StoreCall, tables: Tables): void {
    if (call.method === 'registerDags') this.#registered(call, tables)
    else if (call.method === 'dags') this.#seen(call.result)
    for (const run of createdRuns(call)) {
      const good = this.#good.get(run.dagId)
      if (run.kind !== 'scheduled' || good === undefined || !this.#broken.has(good.file)) continue
      this.#history.record('check', `${run.id} is made while ${good.file} is broken`)
      if (run.version !== good.version) this.#goesOn(`${run.id} is of ${run.version}, not of ${good.version}`)
    }
  }

  #registered(
    { args: [reading], result: moved }: Extract<StoreCall, { method: 'registerDags' }>,
    tables: Tables,
  ): void {
    const errors = new Set(reading.problems.flatMap(({ file, severity }) => (severity === 'error' ? file : [])))
    const breaks = [...errors].filter((file) => !this.#broken.has(file))
    const mended = reading.dags.flatMap(({ file }) => (this.#open.has(file) && this.#broken.has(file) ? file : []))
    // a message that is doubled on the way, and comes behind another, tells nothing that was not told
    const said = new Set(tables.alerts.flatMap(({ id, key }) => (id <= this.#lastAlert ? key : [])))
    const repeated = new Set(reading.alerts?.flatMap(({ key, subject }) => (said.has(key) ? subject : [])))
    const news = breaks.filter((file) => !repeated.has(file))
    this.#told(tables, [...news.map((file) => `file_broken ${file}`), ...mended.map((file) => `file_mended ${file}`)])
    for (const file of breaks) this.#open.add(file)
    for (const file of mended) this.#open.delete(file)
    this.#broken = errors
    for (const { id, file, version } of reading.dags) if (!moved.includes(id)) this.#good.set(id, { file, version })
  }

  #told({ alerts, deliveries }: Tables, expected: string[]): void {
    const raised = alerts.filter(({ id, kind }) => id > this.#lastAlert && kind.startsWith('file_'))
    this.#lastAlert = Math.max(this.#lastAlert, alerts.at(-1)?.id ?? 0)
    const told = raised.map(({ kind, subject }) => `${kind} ${subject}`)
    for (const what of expected) {
      if (!told.includes(what)) this.#history.violated('what happens to a file is told', `${what} is not`)
    }
    told.forEach((what, index) => {
      if (expected.includes(what) && told.indexOf(what) === index) return
      this.#history.violated('what happens to a file is told once', `${what} was told before, or has not happened`)
    })
    for (const { id, key, kind, payload } of raised) {
      if (kind === 'file_broken') this.#breakageTold(JSON.stringify(payload.problems))
      const to = deliveries.filter(({ alertId }) => alertId === id).map(({ destination }) => destination)
      if (to.join() !== PROJECT) this.#history.violated('files are told to the project', `${key} to ${to.join()}`)
    }
  }

  #breakageTold(breakage: string): void {
    if (this.#breakages.has(breakage) && this.#isLocked) this.#history.violated('a breakage is told once', breakage)
    this.#breakages.add(breakage)
  }

  #seen(dags: Extract<StoreCall, { method: 'dags' }>['result']): void {
    const seen = new Map(dags.map((dag) => [dag.id, dag]))
    for (const [id, { file, version }] of this.#good) {
      if (!this.#broken.has(file)) continue
      const dag = seen.get(id)
      if (dag?.present === true && dag.version === version && dag.pauseReason !== FILE_DISAPPEARED) continue
      this.#goesOn(`${id} is ${JSON.stringify(dag)}, its last good version is ${version}`)
    }
  }

  #goesOn(message: string): void {
    this.#history.violated('the last good version goes on', message)
  }

  /** The last reading is of what is in the folder, and what was told last of each file is so. */
  end(inFolder: ReadonlySet<string>): void {
    const [is, told] = [[...inFolder].toSorted().join(), [...this.#open].toSorted().join()]
    if (is !== told) this.#history.violated('what happens to a file is told', `broken are: ${is}; told of: ${told}`)
  }

  /** What is in the folder has been registered. */
  isOver(inFolder: ReadonlySet<string>): boolean {
    return inFolder.size === this.#broken.size && [...inFolder].every((file) => this.#broken.has(file))
  }
}

/** whom the project names: `projectAlerts` of the simulation */
const PROJECT = 'email ops@example.com'
