import { isSluiceError } from '../../errors.js'
import { changeRun } from '../commands/change-run.js'
import type { CommandPorts } from '../commands/ports.js'
import { trigger } from '../commands/trigger.js'
import { cancelRun } from '../core/cancel.js'
import type { ChildToMake } from '../store/wait-store.js'

/** Children that are made or cancelled in one go. */
const BATCH = 100

/**
 * Brings deferred tasks back: makes the runs that tasks start, wakes those whose wait is over, and ends runs whose parent was
 * cancelled. Each look compares with what the store holds, so a look that was lost is made up for by the next sweep.
 */
export class Waits {
  readonly #ports: CommandPorts
  #runs = new Set<string>()
  #dags = new Set<string>()
  #all = false
  #children = false

  constructor(ports: CommandPorts) {
    this.#ports = ports
  }

  /** tasks of this run have been deferred, or others cancelled */
  changed(runId: string): void {
    this.#runs.add(runId)
    this.#children = true
  }

  /** somebody may have cancelled or cleared a task that has started a run */
  children(): void {
    this.#children = true
  }

  /** a run of this DAG has ended */
  ended(dagId: string): void {
    this.#dags.add(dagId)
  }

  all(): void {
    this.#all = true
    this.#children = true
  }

  /** @param woken is told each run that is to be settled */
  async look(woken: (runId: string) => void): Promise<void> {
    const { store, wake, debugPoint } = this.#ports
    const children = this.#children
    this.#children = false
    if (children) await this.#makeChildren()
    const which = this.#all ? null : { runs: [...this.#runs], on: [...this.#dags].map((dagId) => `dag:${dagId}`) }
    if (which === null || which.runs.length + which.on.length > 0) {
      this.#runs = new Set()
      this.#dags = new Set()
      this.#all = false
      const runs = await this.#asked(() => store.wakeWaiting(which, wake.now()), which)
      if (runs.length > 0) await debugPoint('waits:woken')
      for (const runId of runs) woken(runId)
    }
    if (children) await this.#cancelChildren()
  }

  /** What was asked and not answered is asked again with the next look. */
  async #asked<Answer>(ask: () => Promise<Answer>, which: { runs: string[]; on: string[] } | null): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      for (const runId of which?.runs ?? []) this.#runs.add(runId)
      for (const on of which?.on ?? []) this.#dags.add(on.slice('dag:'.length))
      this.#all ||= which === null
      throw error
    }
  }

  async #makeChildren(): Promise<void> {
    const { store } = this.#ports
    for (;;) {
      const children = await store.childrenToMake(BATCH)
      for (const child of children) await this.#make(child)
      if (children.length < BATCH) return
    }
  }

  /** The key makes it one run, however often and by however many schedulers it is made. */
  async #make({ wait, ...child }: ChildToMake): Promise<void> {
    const { store, wake, debugPoint } = this.#ports
    const interval = wait.interval === 'same' ? { start: child.intervalStart, end: child.intervalEnd } : null
    const options = { params: wait.params, interval, onlyTasks: null, noChecks: false }
    const actor = { user: `${child.runId}/${child.taskId}` }
    const { runId, taskId, attempt, generation } = child
    try {
      const parent = { runId, taskId, generation, waits: wait.wait }
      await trigger(this.#ports, wait.dag, options, actor, wait.key, parent)
      await debugPoint('child:made')
      this.#runs.add(runId)
    } catch (error) {
      // nobody can make this run: its parent has to say so
      if (!isSluiceError(error) || error.status >= 500) throw error
      await store.wakeTask({ runId, taskId, attempt }, { refused: error.message }, wake.now())
      wake.run(runId)
    }
  }

  async #cancelChildren(): Promise<void> {
    for (const { runId, parent } of await this.#ports.store.childrenToCancel(BATCH)) {
      const by = `${parent.runId}/${parent.taskId}, which had started it and was cancelled or cleared`
      await changeRun(
        this.#ports,
        runId,
        (snapshot, now) => ({ decision: cancelRun(snapshot, now, by) ?? NOTHING, answer: undefined }),
        async () => undefined,
      )
    }
  }
}

/** it has ended by itself */
const NOTHING = { tasks: [], expand: [], run: null, settled: [], stop: [], wakeAt: null }
