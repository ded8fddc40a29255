import type { Instant } from '../../../json.js'
import type { Run } from '../../../scheduler/core/model.js'
import type { SlaKind } from '../../../scheduler/core/sla.js'
import { isFinalRun } from '../../../scheduler/core/states.js'
import type { Dag, Sla } from '../../../scheduler/dag/model.js'
import type { SlaChange } from '../../../scheduler/store/sla-store.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'

interface Ends {
  /** when the store executed the decision that ended the run */
  at: Instant
  times: number
}

/** Each deadline is told of as it should be, once, whatever happens to those who look at it. */
export class SlasCheck {
  readonly #history: History
  readonly #isPaused: (dagId: string) => boolean
  /** by run, task and SLA: what was told, in order */
  readonly #told = new Map<string, SlaKind[]>()
  readonly #ends = new Map<string, Ends>()
  readonly #everPaused = new Set<string>()

  constructor(history: History, isPaused: (dagId: string) => boolean) {
    this.#history = history
    this.#isPaused = isPaused
  }

  observe(call: StoreCall): void {
    if (call.method === 'setPaused' && call.args[1]) this.#everPaused.add(call.args[0])
    if (call.method === 'applyDecision' && call.result === 'applied') {
      const [runId, , { run }] = call.args
      if (run?.state === undefined || !isFinalRun(run.state)) return
      this.#ends.set(runId, { at: this.#history.now, times: (this.#ends.get(runId)?.times ?? 0) + 1 })
    }
    if (call.method !== 'settleSlas') return
    const [changes, now] = call.args
    const written = new Set(call.result.map(({ runId, taskId, sla }) => keyOf(runId, taskId, sla)))
    for (const change of changes) {
      if (written.has(keyOf(change.runId, change.taskId, change.sla))) this.#settled(change, now)
    }
  }

  #settled({ runId, taskId, sla, deadlineAt, notices }: SlaChange, now: Instant): void {
    const key = keyOf(runId, taskId, sla)
    const told = this.#told.get(key) ?? []
    this.#told.set(key, told)
    for (const { kind, alert } of notices) {
      if (told.includes(kind)) this.#history.violated('one notice of a kind', `${key} ${kind} a second time`)
      told.push(kind)
      if (kind === 'recovered') {
        if (!told.includes('missed')) this.#history.violated('recovered from a miss', key)
        continue
      }
      if (this.#isPaused(alert.dagId ?? '')) this.#history.violated('no SLA of a paused DAG', `${key} ${kind}`)
      const isBefore = deadlineAt === null || now < deadlineAt
      if (isBefore !== (kind === 'at_risk')) this.#history.violated('at the deadline', `${key} ${kind} at ${now}`)
    }
  }

  /** Runs that people did not pause, and that have ended once: what happened to them is simple enough to judge. */
  end(runs: Iterable<{ run: Run; dag: Dag | undefined }>): void {
    for (const { run, dag } of runs) {
      const ends = this.#ends.get(run.id)
      if (dag === undefined || ends?.times !== 1 || this.#everPaused.has(run.dagId)) continue
      if (run.kind === 'backfill' || run.onlyTasks !== null) continue
      for (const sla of dag.slas) this.#judge(run, sla, ends.at)
    }
  }

  #judge(run: Run, sla: Sla, executedAt: Instant): void {
    const { rule } = sla
    if (rule.kind === 'by' || run.endedAt === null) return
    const from = rule.from === 'due' ? run.dueAt : run.startedAt
    // a queued run that was cancelled, or whose tasks were all marked, has no start to count from
    const deadline = from === null ? null : from + rule.withinMs
    const told = this.#told.get(keyOf(run.id, null, sla.name)) ?? []
    const say = (invariant: string) => {
      this.#history.violated(invariant, `${run.id} ${sla.name} ${run.state} at ${run.endedAt}, told ${told.join(', ')}`)
    }
    if (deadline === null || executedAt < deadline) {
      const fires = deadline !== null && run.state === 'failed' && sla.afterFailure === 'fire'
      if (told.includes('missed') !== fires) say(fires ? 'late is told' : 'only what is late')
      return
    }
    // who was down at the deadline tells nothing of what a person has given up since
    if (run.endedAt > deadline && run.state !== 'cancelled' && !told.includes('missed')) say('late is told')
    if (told.includes('missed') && told.includes('recovered') !== (run.state === 'success')) say('recovery is told')
  }
}

const keyOf = (runId: string, taskId: string | null, sla: string): string => `${runId}/${taskId ?? ''} ${sla}`
