import { dependsOnPast } from '../../../scheduler/core/past.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'
import type { Mirror, MirroredRun } from './mirror.js'

/** What was loaded for a decision may be as old as a process can stand still; one that stands may be told to stand once more. */
const AS_OLD_AS_MS = 61_000

/** Runs follow the one before them where they depend on it, and give way where their DAG says so. */
export class FlowCheck {
  readonly #history: History
  readonly #mirror: Mirror
  /** runs that were to be left out, as their DAG was full when it was looked at */
  readonly #late = new Set<string>()
  readonly #paused = new Map<string, boolean>()
  /** by attempt: what it worked from when it ended well */
  readonly #workedFrom = new Map<string, string>()

  constructor(history: History, mirror: Mirror) {
    this.#history = history
    this.#mirror = mirror
  }

  /** after the mirror has seen the call */
  observe(call: StoreCall): void {
    if (call.method === 'setPaused') this.#paused.set(call.args[0], call.args[1])
    if (call.method === 'recordOutcomes') this.#recorded(call)
    else if (call.method === 'doneBefore') this.#foundDone(call)
    else if (call.method === 'startRuns') for (const runId of call.result) this.#started(runId)
    else if (call.method === 'cancelOverlapping') this.#lookedForOverlaps(call.result)
    else if (call.method === 'applyDecision' && call.result === 'applied') {
      const [runId, , decision, now] = call.args
      for (const { taskId, expect, set } of decision.tasks) {
        if (expect.state === 'none' && set.state === 'scheduled') this.#scheduled(runId, taskId, now)
      }
      this.#onForTooLong(
        runId,
        decision.tasks.some(({ set }) => set.state === 'scheduled'),
        now,
      )
    }
  }

  #recorded({ args: [reports], result }: Extract<StoreCall, { method: 'recordOutcomes' }>): void {
    for (const [index, { runId, taskId, attempt, outcome, facts }] of reports.entries()) {
      if (result[index] !== 'recorded' || outcome.result !== 'success' || facts.inputKey === undefined) continue
      this.#workedFrom.set(`${runId}/${taskId}/${attempt}`, facts.inputKey)
    }
  }

  #foundDone({ args: [inputKey], result }: Extract<StoreCall, { method: 'doneBefore' }>): void {
    if (result === null) return
    const { runId, taskId, attempt } = result
    const task = this.#mirror.runs.get(runId)?.tasks.get(taskId)
    const which = `attempt ${attempt} of ${runId}/${taskId}`
    if (this.#workedFrom.get(`${runId}/${taskId}/${attempt}`) !== inputKey) {
      this.#history.violated('only what stands is taken over', `${which} did not work from ${inputKey}`)
    }
    if (task?.state !== 'success') {
      this.#history.violated('only what stands is taken over', `${which} is ${task?.state ?? 'not known'}`)
    }
  }

  #started(runId: string): void {
    if (this.#late.has(runId)) this.#history.violated('overlap', `${runId} was started although its DAG was full`)
    const run = this.#mirror.runs.get(runId)
    const mode = run === undefined ? 'no' : dependsOnPast(run.dag)
    if (run === undefined || mode === 'no' || run.kind === 'manual') return
    const before = this.#before(run).findLast(({ state }) => state !== 'running' || mode === 'run')
    if (before !== undefined && before.state !== 'success') {
      this.#history.violated('depends on past: runs', `${runId} was started after one that is ${before.state}`)
    }
  }

  #scheduled(runId: string, taskId: string, now: number): void {
    const run = this.#mirror.runs.get(runId)
    const task = run?.dag.tasks.find(({ id }) => id === taskId)
    if (run === undefined || task?.dependsOnPast !== true || run.kind === 'manual') return
    const before = this.#before(run).at(-1)
    const then = before?.tasks.get(taskId)
    if (before?.state !== 'running' || then === undefined || then.wasDone || now - before.startedAt < AS_OLD_AS_MS)
      return
    this.#history.violated('depends on past: tasks', `${runId}/${taskId} although the one before is ${then.state}`)
  }

  #before(run: MirroredRun): MirroredRun[] {
    return [...this.#mirror.runs.values()]
      .filter(({ stream, dueAt }) => stream === run.stream && dueAt < run.dueAt)
      .sort((a, b) => a.dueAt - b.dueAt)
  }

  #lookedForOverlaps(asked: readonly string[]): void {
    for (const [runId, run] of this.#mirror.runs) {
      if (this.#paused.get(run.dag.id) === true) continue
      if (run.state !== 'queued' || run.kind !== 'scheduled' || run.revision > 0 || run.dag.overlap !== 'skip') continue
      const running = [...this.#mirror.runs.values()].filter(
        ({ dag, state }) => dag.id === run.dag.id && state === 'running',
      )
      if (running.length >= run.dag.maxActiveRuns && !asked.includes(runId)) this.#late.add(runId)
    }
  }

  #onForTooLong(runId: string, schedules: boolean, now: number): void {
    const run = this.#mirror.runs.get(runId)
    if (run?.state !== 'running' || run.dag.runTimeoutMs === null || !schedules) return
    const end = run.startedAt + run.dag.runTimeoutMs
    if (now > end + 2 * AS_OLD_AS_MS) this.#history.violated('run_timeout', `${runId} goes on at ${now}, after ${end}`)
  }
}
