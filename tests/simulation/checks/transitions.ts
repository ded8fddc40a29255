import { declaredId } from '../../../scheduler/core/items.js'
import type { TaskChange, TaskState } from '../../../scheduler/core/model.js'
import type { Task } from '../../../scheduler/dag/model.js'
import { isDone, isFailed, mayRun } from '../../scheduler/core/trigger-rule-oracle.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'
import type { BranchesCheck } from './branches.js'
import type { Mirror, MirroredRun } from './mirror.js'

/**
 * Every applied decision is one the rules allow: tasks start when their upstream lets them, are skipped only when it does
 * not, retry no more often than declared, wait with a reason; a run ends when its tasks have, in the state its leaves give.
 */
export class TransitionsCheck {
  readonly #history: History
  readonly #mirror: Mirror
  readonly #branches: BranchesCheck
  readonly #settled = new Set<string>()

  constructor(history: History, mirror: Mirror, branches: BranchesCheck) {
    this.#history = history
    this.#mirror = mirror
    this.#branches = branches
  }

  /** after the mirror has seen the call */
  observe(call: StoreCall): void {
    if (call.method === 'queueReady') {
      for (const { runId, taskId } of call.result) this.#retriedNoMoreThanDeclared(runId, taskId)
    }
    if (call.method !== 'applyDecision' || call.result !== 'applied') return
    const [runId, , decision] = call.args
    const run = this.#mirror.runs.get(runId)
    if (run === undefined) return
    for (const change of decision.tasks) this.#changed(runId, run, change)
    for (const { taskId, attempt } of decision.settled) {
      const key = `${runId}/${taskId}/${attempt}`
      if (this.#settled.has(key)) this.#history.violated('settled once', `${key} was settled twice`)
      this.#settled.add(key)
    }
    if (decision.run?.state !== undefined) this.#runMoved(runId, run)
  }

  #changed(runId: string, run: MirroredRun, { taskId, expect, set }: TaskChange): void {
    const task = run.dag.tasks.find(({ id }) => id === taskId)
    if (task === undefined) return
    const upstream = upstreamStates(run, task)
    const where = `${runId}/${taskId}, rule ${task.triggerRule}, upstream ${upstream.join(' ')}`
    if (set.state === 'scheduled' && !mayRun(task.triggerRule, upstream)) {
      this.#history.violated('upstream allows', `${where}: scheduled`)
    }
    // a task with `for_each` ends as its items do
    const byRule = expect.state !== 'running' && task.forEach === null && !set.reason.includes(' by ')
    const isLeftOut = set.state === 'skipped' && this.#branches.leavingOut(runId, taskId) !== undefined
    const cannotRun = (set.state === 'skipped' && !isLeftOut) || set.state === 'upstream_failed'
    if (byRule && cannotRun && mayRun(task.triggerRule, upstream)) {
      this.#history.violated('upstream allows', `${where}: ${set.state} although it may run`)
    }
    // one that is cleared may be cancelled while its items still stop
    if (expect.state === 'deferred' && task.forEach !== null && isDone(set.state))
      this.#itemsHaveEnded(runId, run, taskId)
    if (set.reason === '' && !isDone(set.state) && set.state !== 'running') {
      this.#history.violated('nothing waits without a reason', `${where}: ${set.state}`)
    }
  }

  #itemsHaveEnded(runId: string, run: MirroredRun, taskId: string): void {
    const open = [...run.tasks].filter(([id, { state }]) => id.startsWith(`${taskId}.`) && !isDone(state))
    if (open.length === 0) return
    const which = open.map(([id, { state }]) => `${id} ${state}`).join(', ')
    this.#history.violated('a task ends after its items', `${runId}/${taskId} before ${which}`)
  }

  #retriedNoMoreThanDeclared(runId: string, taskId: string): void {
    const run = this.#mirror.runs.get(runId)
    const retries = run?.dag.tasks.find(({ id }) => id === declaredId(taskId))?.retries ?? 0
    const times = run?.tasks.get(taskId)?.queuedTimes ?? 0
    if (times > retries + 1) {
      this.#history.violated('retries', `${runId}/${taskId} is queued for the time ${times}, retries ${retries}`)
    }
  }

  #runMoved(runId: string, run: MirroredRun): void {
    if (run.state === 'queued' || run.state === 'running') return
    const states = [...run.tasks.values()].map(({ state }) => state)
    if (!states.every(isDone)) {
      this.#history.violated('a run ends after its tasks', `${runId} is ${run.state}: ${states.join(' ')}`)
    }
    const needed = new Set(run.dag.tasks.filter(({ id }) => run.tasks.has(id)).flatMap(({ needs }) => needs))
    const leaves = [...run.tasks].filter(([id]) => !needed.has(id) && !id.includes('.'))
    const failed = leaves.some(([, { state }]) => isFailed(state))
    const wasStopped = run.state === 'cancelled' || (run.state === 'failed' && run.timedOut)
    const fits =
      (wasStopped && states.includes('cancelled')) || (run.state !== 'cancelled' && failed === (run.state === 'failed'))
    if (!fits) this.#history.violated('run state', `${runId} is ${run.state}: ${states.join(' ')}`)
  }
}

function upstreamStates(run: MirroredRun, task: Task): TaskState[] {
  return task.needs.flatMap((need) => run.tasks.get(need)?.state ?? [])
}
