import type { Instant, Json } from '../../json.js'
import type { Dag, Task } from '../dag/model.js'
import { declaredOf } from './declared.js'
import { declaredId, isItem, itemId, itemIndex } from './items.js'
import type {
  AttemptOutcome,
  Decision,
  Expansion,
  ItemsAside,
  PastRun,
  Run,
  RunChange,
  RunSnapshot,
  TaskChange,
  TaskRun,
} from './model.js'
import { isFinal } from './states.js'

/**
 * A decision in the making: a copy of the run on which steps build on one another, and from which only what really
 * changed becomes the decision. So a step may say again what is already so, and deciding twice changes nothing.
 */
export class RunDraft {
  readonly dag: Dag
  readonly run: Run
  readonly past: PastRun | null
  readonly #snapshot: RunSnapshot
  readonly #before = new Map<string, TaskRun>()
  readonly #tasks = new Map<string, TaskRun>()
  readonly #expanded = new Map<string, readonly Json[]>()
  readonly #items = new Map<string, string[]>()
  readonly #settled: Decision['settled'] = []
  readonly #stop: Decision['stop'] = []
  /** `tasks()` as long as nothing changes: with hundreds of tasks making it is most of a decision's time */
  #rows: readonly { task: Task; now: TaskRun }[] | null = null
  #lacksItems = false

  constructor(snapshot: RunSnapshot) {
    this.#snapshot = snapshot
    this.dag = snapshot.dag
    this.past = snapshot.past
    this.run = { ...snapshot.run }
    for (const task of snapshot.tasks) {
      this.#before.set(task.taskId, task)
      this.#tasks.set(task.taskId, task)
      if (isItem(task.taskId)) this.#addItem(task.taskId)
    }
    for (const ids of this.#items.values()) ids.sort((a, b) => itemIndex(a) - itemIndex(b))
  }

  /** undefined for a task outside the run (`onlyTasks`) */
  task(taskId: string): TaskRun | undefined {
    return this.#tasks.get(taskId)
  }

  /** the run's tasks with their declarations, upstream before downstream */
  tasks(): readonly { task: Task; now: TaskRun }[] {
    if (this.#rows !== null) return this.#rows
    const rows: { task: Task; now: TaskRun }[] = []
    for (const task of this.dag.tasks) {
      const now = this.#tasks.get(task.id)
      if (now !== undefined) rows.push({ task, now })
    }
    this.#rows = rows
    return rows
  }

  /** the items of a task with `for_each`, in their order; none before it is expanded. All of them are needed. */
  items(taskId: string): TaskRun[] {
    if (this.aside(taskId) !== undefined) this.#lacksItems = true
    return this.shownItems(taskId)
  }

  /** those items that the snapshot shows; the others are counted in `aside` */
  shownItems(taskId: string): TaskRun[] {
    return (this.#items.get(taskId) ?? []).flatMap((id) => this.#tasks.get(id) ?? [])
  }

  aside(taskId: string): ItemsAside | undefined {
    return this.#expanded.has(taskId) ? undefined : this.#snapshot.aside[taskId]
  }

  /** says that the decision cannot be taken from what the snapshot shows of the items */
  wantItems(): void {
    this.#lacksItems = true
  }

  /** true when a step needed items that the snapshot has set aside: there is no decision then */
  get lacksItems(): boolean {
    return this.#lacksItems
  }

  /** `tasks()` and their items, each after its group */
  rows(): readonly { task: Task; now: TaskRun }[] {
    if (!this.#hasItems()) return this.tasks()
    return this.tasks().flatMap((row) => [row, ...this.items(row.task.id).map((now) => ({ task: row.task, now }))])
  }

  /** true once every row has ended, items among them: one may still be stopping after its task was cancelled */
  hasEnded(): boolean {
    if (this.tasks().some(({ now }) => !isFinal(now.state))) return false
    for (const taskId of this.#items.keys()) {
      if (this.shownItems(taskId).some(({ state }) => !isFinal(state))) return false
    }
    return this.tasks().every(({ task }) => (this.aside(task.id)?.waiting ?? 0) === 0)
  }

  /** true for the row of a task with `for_each` while its items run: no attempt stands behind it */
  isGroup({ taskId, state }: TaskRun): boolean {
    return state === 'deferred' && (this.#items.has(taskId) || this.aside(taskId) !== undefined)
  }

  #hasItems(): boolean {
    return this.#items.size > 0 || Object.keys(this.#snapshot.aside).length > 0
  }

  /** Makes the items of a task, or makes them anew in place of those of another generation, none of which is at work. */
  expand(taskId: string, values: readonly Json[], reason: string): void {
    const group = this.#tasks.get(taskId)
    if (group === undefined) throw new Error(`The run ${this.run.id} has no task ${taskId}.`)
    const earlier = this.#items.get(taskId) ?? []
    if (earlier.length === 0 && values.length === 0) return
    const generation = this.items(taskId).reduce((most, item) => Math.max(most, item.generation), group.generation)
    for (const id of earlier.slice(values.length)) this.#tasks.delete(id)
    this.#expanded.set(taskId, values)
    this.#items.set(
      taskId,
      values.map((_, index) => {
        const id = itemId(taskId, index)
        const before = this.#tasks.get(id) ?? newTaskRun(id, group.since)
        this.#tasks.set(id, { ...before, generation, reason })
        return id
      }),
    )
  }

  #addItem(id: string): void {
    const group = declaredId(id)
    const items = this.#items.get(group)
    if (items === undefined) this.#items.set(group, [id])
    else items.push(id)
  }

  /** direct upstream tasks that belong to the run; needs on tasks outside count as satisfied */
  upstream(task: Task): TaskRun[] {
    const upstream: TaskRun[] = []
    for (const need of task.needs) {
      const run = this.#tasks.get(need)
      if (run !== undefined) upstream.push(run)
    }
    return upstream
  }

  /** the instant at which the run has been on for too long; null when it has no limit, does not run or is being cancelled */
  timesOutAt(): Instant | null {
    const { state, startedAt, cancelRequested } = this.run
    if (state !== 'running' || cancelRequested || startedAt === null || this.dag.runTimeoutMs === null) return null
    return startedAt + this.dag.runTimeoutMs
  }

  set(taskId: string, change: Partial<Omit<TaskRun, 'taskId' | 'attempt' | 'since'>>): void {
    const task = this.#tasks.get(taskId)
    if (task === undefined) throw new Error(`The run ${this.run.id} has no task ${taskId}.`)
    const after = { ...task, ...change }
    // who no longer waits waits for nothing
    if (after.state !== 'deferred' && after.waitsFor != null) after.waitsFor = null
    this.#tasks.set(taskId, after)
    this.#rows = null
  }

  settle({ taskId, attempt, result }: AttemptOutcome): void {
    this.#settled.push({ taskId, attempt, result })
  }

  stop(taskId: string, attempt: number): void {
    this.#stop.push({ taskId, attempt })
  }

  /** @throws when a step needed items that the snapshot does not show */
  decision(): Decision {
    if (this.#lacksItems) throw new Error(`The run ${this.run.id} is to be decided with all of its items.`)
    const tasks: TaskChange[] = []
    let wakeAt = this.timesOutAt()
    for (const [taskId, task] of this.#tasks) {
      const before = this.#before.get(taskId)
      const isExpanded = this.#expanded.has(declaredId(taskId)) && isItem(taskId)
      const change = before === undefined || before === task || isExpanded ? null : taskChange(before, task)
      if (change !== null) tasks.push(change)
      if (this.run.state === 'running' && WAITS_FOR_AN_INSTANT.includes(task.state) && task.notBefore !== null) {
        wakeAt = Math.min(wakeAt ?? task.notBefore, task.notBefore)
      }
    }
    const run = runChange(this.#snapshot.run, this.run)
    const hasSlas = declaredOf(this.dag).hasSlas && this.run.kind !== 'backfill'
    const slas = hasSlas ? { slas: subjectsOfSlas(tasks, run) } : {}
    return { tasks, expand: this.#expansions(), run, settled: this.#settled, stop: this.#stop, wakeAt, ...slas }
  }

  #expansions(): Expansion[] {
    return [...this.#expanded].map(([taskId, values]) => ({
      taskId,
      items: this.items(taskId).map(({ state, generation, reason }, index) => {
        return { value: values[index] ?? null, state, generation, reason }
      }),
    }))
  }
}

/** A task, or an item of one, that has not been tried. */
export function newTaskRun(taskId: string, since: Instant, reason = ''): TaskRun {
  return {
    taskId,
    state: 'none',
    attempt: 0,
    tries: 0,
    generation: 1,
    notBefore: null,
    since,
    startedAt: null,
    endedAt: null,
    reason,
    cancelRequested: false,
    outputs: {},
  }
}

/** True when applying the decision would write nothing. */
export function isEmpty(decision: Decision): boolean {
  return decision.tasks.length === 0 && decision.run === null && decision.settled.length === 0
}

/** What has come to its end, or goes on after it, is to be judged by its deadline at once. */
function subjectsOfSlas(tasks: readonly TaskChange[], run: RunChange | null): (string | null)[] {
  const ended = tasks.filter(({ set }) => set.endedAt !== undefined || isFinal(set.state))
  const subjects: (string | null)[] = ended.map(({ taskId }) => taskId)
  if (run?.state !== undefined) subjects.push(null)
  return subjects
}

const WAITS_FOR_AN_INSTANT: readonly TaskRun['state'][] = ['up_for_retry', 'deferred']

const TASK_FIELDS = [
  'tries',
  'generation',
  'notBefore',
  'startedAt',
  'endedAt',
  'cancelRequested',
  'outputs',
  'waitsFor',
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

const RUN_FIELDS = [
  'state',
  'startedAt',
  'endedAt',
  'reason',
  'cancelRequested',
  'timedOut',
  'unsettled',
] as const satisfies (keyof RunChange)[]

function runChange(before: Run, after: Run): RunChange | null {
  const changed = RUN_FIELDS.filter((field) => before[field] !== after[field])
  return changed.length === 0 ? null : Object.fromEntries(changed.map((field) => [field, after[field]]))
}
