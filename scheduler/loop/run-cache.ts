import type { Instant } from '../../json.js'
import type { AttemptOutcome, RunSnapshot, TaskRun } from '../core/model.js'
import type { QueuedTask } from '../store/store.js'

/**
 * Snapshots of the runs in motion, so that a hop reads nothing. What is cached is a guess: every decision made from it
 * is checked by revision and expected states when it is applied, and a conflict loads the run again. Claims are not seen
 * here; a recorded outcome implies its claim.
 */
export class RunCache {
  readonly #runs = new Map<string, RunSnapshot>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get(runId: string): RunSnapshot | undefined {
    return this.#runs.get(runId)
  }

  /** keeps the most recently used */
  put(snapshot: RunSnapshot): void {
    this.#runs.delete(snapshot.run.id)
    this.#runs.set(snapshot.run.id, snapshot)
    const oldest = this.#runs.keys().next()
    if (this.#runs.size > this.#limit && !oldest.done) this.#runs.delete(oldest.value)
  }

  forget(runId: string): void {
    this.#runs.delete(runId)
  }

  /** takes note of runs that the store has started; what is known of one that was not new is forgotten */
  started(runIds: readonly string[], now: Instant): void {
    for (const runId of runIds) {
      const snapshot = this.#runs.get(runId)
      if (snapshot === undefined) continue
      const { run } = snapshot
      if (run.state !== 'queued') this.#runs.delete(runId)
      else {
        const started = { ...run, state: 'running', startedAt: now, reason: '', revision: run.revision + 1 } as const
        this.#runs.set(runId, { ...snapshot, run: started })
      }
    }
  }

  /** takes note of what the store has moved to `queued` */
  queued(tasks: readonly QueuedTask[]): void {
    const byRun = new Map<string, Map<string, number>>()
    for (const { runId, taskId, attempt } of tasks) {
      const attempts = byRun.get(runId) ?? new Map<string, number>()
      byRun.set(runId, attempts.set(taskId, attempt))
    }
    for (const [runId, attempts] of byRun) {
      const snapshot = this.#runs.get(runId)
      if (snapshot === undefined) continue
      const tasksNow = snapshot.tasks.map((task) => {
        const attempt = attempts.get(task.taskId)
        return attempt === undefined || attempt <= task.attempt ? task : inAttempt(task, 'queued', attempt)
      })
      this.#runs.set(runId, { ...snapshot, tasks: tasksNow })
    }
  }
}

/**
 * The snapshot with outcomes that have just been recorded; null when it does not know their tasks and must be loaded.
 * Outcomes of attempts that it knows to be over are left out.
 */
export function withOutcomes(snapshot: RunSnapshot, outcomes: readonly AttemptOutcome[]): RunSnapshot | null {
  const tasks = new Map(snapshot.tasks.map((task) => [task.taskId, task]))
  const fresh = [...snapshot.outcomes]
  for (const outcome of outcomes) {
    const task = tasks.get(outcome.taskId)
    if (task === undefined) return null
    const current = outcome.attempt === task.attempt && (task.state === 'queued' || task.state === 'running')
    if (outcome.attempt <= task.attempt && !current) continue
    // a message that came twice
    if (fresh.some(({ taskId, attempt }) => taskId === outcome.taskId && attempt === outcome.attempt)) continue
    tasks.set(task.taskId, inAttempt(task, 'running', outcome.attempt))
    fresh.push(outcome)
  }
  return { ...snapshot, tasks: [...tasks.values()], outcomes: fresh }
}

function inAttempt(task: TaskRun, state: 'queued' | 'running', attempt: number): TaskRun {
  return { ...task, state, attempt, tries: task.tries + (attempt - task.attempt) }
}
