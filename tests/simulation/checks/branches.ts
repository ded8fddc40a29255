import type { Json } from '../../../json.js'
import type { TaskChange } from '../../../scheduler/core/model.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'
import type { Mirror, MirroredRun } from './mirror.js'

/** What a branch has chosen runs, what it has not is left out, and a clear asks it anew. */
export class BranchesCheck {
  readonly #history: History
  readonly #mirror: Mirror
  /** by attempt: the tasks that it says are followed */
  readonly #reported = new Map<string, readonly string[]>()
  /** by task: what its last success has chosen; none for one that was cleared since, or only marked */
  readonly #choices = new Map<string, readonly string[]>()

  constructor(history: History, mirror: Mirror) {
    this.#history = history
    this.#mirror = mirror
  }

  /** after the mirror has seen the call */
  observe(call: StoreCall): void {
    if (call.method === 'recordOutcomes') this.#recorded(call)
    else if (call.method === 'applyDecision' && call.result === 'applied') {
      const [runId, , { tasks, settled }] = call.args
      const run = this.#mirror.runs.get(runId)
      if (run === undefined) return
      const ended = new Set(settled.map(({ taskId, attempt }) => `${taskId}/${attempt}`))
      for (const change of tasks) {
        this.#chosen(runId, change, ended.has(`${change.taskId}/${change.expect.attempt}`))
      }
      for (const change of tasks) this.#judge(runId, run, change)
    }
  }

  /** the branch that leaves a task of the run out; undefined for none */
  leavingOut(runId: string, taskId: string): string | undefined {
    const run = this.#mirror.runs.get(runId)
    const needs = run?.dag.tasks.find(({ id }) => id === taskId)?.needs ?? []
    return needs.find((branch) => {
      const choice = this.#choices.get(`${runId}/${branch}`)
      if (run === undefined || choice === undefined || run.tasks.get(branch)?.state !== 'success') return false
      return !comesFrom(run.dag, taskId, choice)
    })
  }

  #recorded({ args: [reports], result }: Extract<StoreCall, { method: 'recordOutcomes' }>): void {
    for (const [index, { runId, taskId, attempt, outcome }] of reports.entries()) {
      const follow: Json | undefined = outcome.outputs.follow
      if (result[index] !== 'recorded' || outcome.result !== 'success' || !Array.isArray(follow)) continue
      this.#reported.set(`${runId}/${taskId}/${attempt}`, follow.map(String))
    }
  }

  #chosen(runId: string, { taskId, expect, set }: TaskChange, attemptEnded: boolean): void {
    const key = `${runId}/${taskId}`
    if (set.generation !== undefined) this.#choices.delete(key)
    const choice = this.#reported.get(`${key}/${expect.attempt}`)
    const succeeded = attemptEnded && expect.state === 'running' && set.state === 'success'
    if (succeeded && choice !== undefined) this.#choices.set(key, choice)
  }

  #judge(runId: string, { dag }: MirroredRun, { taskId, expect, set }: TaskChange): void {
    const branch = this.leavingOut(runId, taskId)
    const isGroup = dag.tasks.find(({ id }) => id === taskId)?.forEach != null
    // once its items are made a group goes on with them; before, it is judged like any task
    const begins = set.state === 'scheduled' || (isGroup && set.state === 'deferred' && expect.state === 'none')
    if (begins && branch !== undefined) {
      this.#history.violated('what a branch leaves out', `${runId}/${taskId} is ${set.state}, ${branch} left it out`)
    }
    const isLeftOut = set.state === 'skipped' && set.reason.startsWith('branch ')
    if (isLeftOut && branch === undefined) {
      this.#history.violated('what a branch follows', `${runId}/${taskId}: ${set.reason}`)
    }
  }
}

/** Walks upward from the task: it is one of those followed, or needs one that comes from them. */
function comesFrom(dag: Dag, taskId: string, followed: readonly string[]): boolean {
  if (followed.includes(taskId)) return true
  const needs = dag.tasks.find(({ id }) => id === taskId)?.needs ?? []
  return needs.some((need) => comesFrom(dag, need, followed))
}
