import type { Instant } from '../../../json.js'
import type { RunKind, TaskState } from '../../../scheduler/core/model.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import type { NewRun } from '../../../scheduler/store/store.js'
import type { History } from '../history.js'
import { createdRuns, type StoreCall } from '../remote-store.js'

export interface MirroredTask {
  state: TaskState
  attempt: number
  generation: number
  /** times queued in this generation */
  queuedTimes: number
  /** it has ended well once */
  wasDone: boolean
}

/** the number of attempts of an item that was away for a while */
const UNKNOWN = -1

export interface MirroredRun {
  dag: Dag
  state: string
  revision: number
  tasks: Map<string, MirroredTask>
  kind: RunKind
  dueAt: Instant
  /** the runs that it follows: same DAG and kind, of backfills the same one */
  stream: string
  /** when it was started last */
  startedAt: Instant
  timedOut: boolean
}

/**
 * The state of every run as the history tells it, kept apart from the store so that what the store does can be judged.
 * It also checks the compare-and-set itself: a decision is only ever written onto the state it was made for.
 */
export class Mirror {
  readonly runs = new Map<string, MirroredRun>()
  readonly #dags: (version: string) => Dag | undefined
  readonly #history: History

  constructor(history: History, dags: (version: string) => Dag | undefined) {
    this.#history = history
    this.#dags = dags
  }

  observe(call: StoreCall): void {
    for (const run of createdRuns(call)) this.#create(run)
    if (call.method === 'startRuns') this.#start(call.result, call.args[0])
    else if (call.method === 'cancelOverlapping') this.#asked(call.result)
    else if (call.method === 'applyDecision' && call.result === 'applied') this.#apply(...call.args)
    else if (call.method === 'queueReady') {
      for (const { runId, taskId, attempt } of call.result) {
        this.#move(runId, taskId, (task) => {
          task.state = 'queued'
          task.attempt = attempt
          task.queuedTimes += 1
        })
      }
    } else if (call.method === 'claim') {
      for (const { runId, taskId } of call.result) {
        this.#move(runId, taskId, (task) => {
          task.state = 'running'
        })
      }
    } else if (call.method === 'giveBack') {
      for (const { runId, taskId } of call.result) {
        this.#move(runId, taskId, (task) => {
          task.state = 'queued'
        })
      }
    }
  }

  #create(run: NewRun): void {
    const dag = this.#dags(run.version)
    if (dag === undefined) return
    const tasks = run.tasks.map(({ taskId }): [string, MirroredTask] => [
      taskId,
      { state: 'none', attempt: 0, generation: 1, queuedTimes: 0, wasDone: false },
    ])
    const { kind, dueAt } = run
    const stream = `${dag.id} ${kind} ${/-backfill\d+$/.exec(run.id)?.[0] ?? ''}`
    const made = {
      dag,
      state: 'queued',
      revision: 0,
      tasks: new Map(tasks),
      kind,
      dueAt,
      stream,
      startedAt: 0,
      timedOut: false,
    }
    this.runs.set(run.id, made)
  }

  #asked(runIds: string[]): void {
    for (const runId of runIds) {
      const run = this.runs.get(runId)
      if (run !== undefined) run.revision += 1
    }
  }

  #start(runIds: string[], now: Instant): void {
    for (const runId of runIds) {
      const run = this.runs.get(runId)
      if (run === undefined) continue
      run.state = 'running'
      run.startedAt = now
      run.revision += 1
    }
  }

  #apply(...[runId, revision, decision]: Extract<StoreCall, { method: 'applyDecision' }>['args']): void {
    const run = this.runs.get(runId)
    if (run === undefined) return
    if (run.revision !== revision) {
      this.#history.violated('compare-and-set', `${runId} was at revision ${run.revision}, written as ${revision}`)
    }
    run.revision += 1
    run.state = decision.run?.state ?? run.state
    run.timedOut = decision.run?.timedOut ?? run.timedOut
    for (const { taskId, items } of decision.expand) {
      const id = (index: number) => `${taskId}.${index}`
      for (let index = items.length; run.tasks.has(id(index)); index += 1) run.tasks.delete(id(index))
      for (const [index, { state, generation }] of items.entries()) {
        const before = run.tasks.get(id(index))
        const hasEnded = decision.settled.some((one) => one.taskId === id(index) && one.attempt === before?.attempt)
        if (
          before !== undefined &&
          !['none', 'success', 'failed', 'skipped', 'cancelled'].includes(before.state) &&
          !hasEnded
        ) {
          this.#history.violated('items are made of what rests', `${runId}/${id(index)} was ${before.state}`)
        }
        if (before !== undefined && before.attempt > 0 && generation <= before.generation && before.queuedTimes > 0) {
          this.#history.violated('items made anew have a generation of their own', `${runId}/${id(index)}`)
        }
        run.tasks.set(id(index), {
          state,
          attempt: before?.attempt ?? UNKNOWN,
          generation,
          queuedTimes: 0,
          wasDone: false,
        })
      }
    }
    for (const { taskId, expect, set } of decision.tasks) {
      this.#move(runId, taskId, (task) => {
        const { state, attempt, generation } = task
        const attemptFits = attempt === expect.attempt || attempt === UNKNOWN
        if (state !== expect.state || !attemptFits || generation !== expect.generation) {
          this.#history.violated('compare-and-set', `${runId}/${taskId} was ${state}, written as ${expect.state}`)
        }
        // what waits without a slot goes on with the same try
        const goesOn = set.state === 'deferred' || set.state === 'scheduled'
        if (goesOn && state === 'running' && set.tries !== undefined) task.queuedTimes -= 1
        task.state = set.state
        task.wasDone ||= set.state === 'success' || set.state === 'skipped'
        task.attempt = expect.attempt
        if (set.generation !== undefined) {
          task.generation = set.generation
          task.queuedTimes = 0
        }
      })
    }
  }

  #move(runId: string, taskId: string, change: (task: MirroredTask) => void): void {
    const task = this.runs.get(runId)?.tasks.get(taskId)
    if (task !== undefined) change(task)
  }
}
