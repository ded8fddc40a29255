import type { Instant } from '../../json.js'
import type { Dag, Task } from '../dag/model.js'
import type { Decision, Run, RunChange, RunSnapshot, TaskChange, TaskRun } from './model.js'

/**
 * A decision in the making: a copy of the run on which steps build on one another, and from which only what really
 * changed becomes the decision. So a step may say again what is already so, and deciding twice changes nothing.
 */
export class RunDraft {
  readonly dag: Dag
  readonly run: Run
  readonly #snapshot: RunSnapshot
  readonly #before = new Map<string, TaskRun>()
  readonly #tasks = new Map<string, TaskRun>()
  readonly #settled: Decision['settled'] = []
  readonly #stop: Decision['stop'] = []

  constructor(snapshot: RunSnapshot) {
    this.#snapshot = snapshot
    this.dag = snapshot.dag
    this.run = { ...snapshot.run }
    for (const task of snapshot.tasks) {
      this.#before.set(task.taskId, task)
      this.#tasks.set(task.taskId, task)
    }
  }

  /** undefined for a task outside the run (`onlyTasks`) */
  task(taskId: string): TaskRun | undefined {
    return this.#tasks.get(taskId)
  }

  /** the run's tasks with their declarations, upstream before downstream */
  tasks(): { task: Task; now: TaskRun }[] {
    return this.dag.tasks.flatMap((task) => {
      const now = this.#tasks.get(task.id)
      return now === undefined ? [] : [{ task, now }]
    })
  }

  /** direct upstream tasks that belong to the run; needs on tasks outside count as satisfied */
  upstream(task: Task): TaskRun[] {
    return task.needs.flatMap((need) => this.#tasks.get(need) ?? [])
  }

  set(taskId: string, change: Partial<Omit<TaskRun, 'taskId' | 'attempt' | 'since'>>): void {
    const task = this.#tasks.get(taskId)
    if (task === undefined) throw new Error(`The run ${this.run.id} has no task ${taskId}.`)
    this.#tasks.set(taskId, { ...task, ...change })
  }

  settle(taskId: string, attempt: number): void {
    this.#settled.push({ taskId, attempt })
  }

  stop(taskId: string, attempt: number): void {
    this.#stop.push({ taskId, attempt })
  }

  decision(): Decision {
    const tasks: TaskChange[] = []
    let wakeAt: Instant | null = null
    for (const [taskId, task] of this.#tasks) {
      const before = this.#before.get(taskId)
      const change = before === undefined || before === task ? null : taskChange(before, task)
      if (change !== null) tasks.push(change)
      if (this.run.state === 'running' && task.state === 'up_for_retry' && task.notBefore !== null) {
        wakeAt = Math.min(wakeAt ?? task.notBefore, task.notBefore)
      }
    }
    const run = runChange(this.#snapshot.run, this.run)
    return { tasks, run, settled: this.#settled, stop: this.#stop, wakeAt }
  }
}

/** True when applying the decision would write nothing. */
export function isEmpty(decision: Decision): boolean {
  return decision.tasks.length === 0 && decision.run === null && decision.settled.length === 0
}

const TASK_FIELDS = [
  'tries',
  'generation',
  'notBefore',
  'startedAt',
  'endedAt',
  'cancelRequested',
  'outputs',
] as const satisfies (keyof TaskRun)[]

function taskChange(before: TaskRun, after: TaskRun): TaskChange | null {
  const changed = TASK_FIELDS.filter((field) => before[field] !== after[field])
  if (changed.length === 0 && before.state === after.state && before.reason === after.reason) return null
  return {
    taskId: before.taskId,
    expect: { state: before.state, attempt: before.attempt, generation: before.generation },
    set: {
      state: after.state,
      reason: after.reason,
      ...Object.fromEntries(changed.map((field) => [field, after[field]])),
    },
  }
}

const RUN_FIELDS = ['state', 'startedAt', 'endedAt', 'reason', 'cancelRequested'] as const satisfies (keyof RunChange)[]

function runChange(before: Run, after: Run): RunChange | null {
  const changed = RUN_FIELDS.filter((field) => before[field] !== after[field])
  return changed.length === 0 ? null : Object.fromEntries(changed.map((field) => [field, after[field]]))
}
