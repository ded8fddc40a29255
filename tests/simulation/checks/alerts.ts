import type { Instant } from '../../../json.js'
import { destinationsOf, type Recipients } from '../../../scheduler/core/alert.js'
import type { Decision } from '../../../scheduler/core/model.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import type { History } from '../history.js'
import type { MailServer } from '../mail.js'
import type { Tables } from '../memory-store/index.js'
import type { StoreCall } from '../remote-store.js'

/** Alerts are raised once, put into one message, sent by one sender at a time, and arrive. */
export class AlertsCheck {
  readonly #history: History
  readonly #dags: (version: string) => Dag | undefined
  readonly #versions = new Map<string, string>()
  readonly #raised = new Map<string, number>()
  /** by key of each alert of a retry or of failed checks that a decision has given reason for: who asked to be told */
  readonly #asked = new Map<string, string[]>()
  /** attempts that reported failed checks: `run/task/attempt` */
  readonly #unchecked = new Set<string>()
  /** who sends a message now, and until when */
  readonly #claims = new Map<number, { token: string; until: Instant }>()

  constructor(history: History, dags: (version: string) => Dag | undefined) {
    this.#history = history
    this.#dags = dags
  }

  /** @param tables after the call */
  observe(call: StoreCall, tables: Tables): void {
    if (call.method === 'applyDecision' && call.result === 'applied') this.#failed(call, tables)
    else if (call.method === 'recordOutcomes') this.#recorded(call)
    else if (call.method === 'makeMessages') this.#made(tables)
    else if (call.method === 'releaseMessages') this.#claims.clear()
    else if (call.method === 'claimMessages') {
      for (const { id, claimToken, leaseUntil } of call.result) {
        const held = this.#claims.get(id)
        if (held !== undefined && held.until > call.args[0].now) {
          this.#history.violated('one sender at a time', `message ${id} is being sent until ${held.until}`)
        }
        this.#claims.set(id, { token: claimToken, until: leaseUntil })
      }
    } else if (call.method === 'settleMessage' && call.result === 'settled') {
      const { id, claimToken } = call.args[0]
      if (this.#claims.get(id)?.token !== claimToken) {
        this.#history.violated('no end from a lost sender', `message ${id} was settled by another than its sender`)
      }
      this.#claims.delete(id)
    }
  }

  #recorded({ args: [reports], result }: Extract<StoreCall, { method: 'recordOutcomes' }>): void {
    for (const [index, { runId, taskId, attempt, outcome }] of reports.entries()) {
      if (result[index] !== 'recorded' || outcome.failedChecks === undefined) continue
      this.#unchecked.add(`${runId}/${taskId}/${attempt}`)
    }
  }

  /** A run that fails is told of in the step that makes it fail, unless a person did it. */
  #failed({ args: [runId, , decision], host }: Extract<StoreCall, { method: 'applyDecision' }>, tables: Tables): void {
    const run = tables.runs.get(runId)?.run
    if (run !== undefined) this.#versions.set(runId, run.version)
    const dag = this.#dags(this.#versions.get(runId) ?? '')
    // what attempts have reported is settled, and told, before what a person wants is written
    if (dag !== undefined) this.#tells(runId, dag, decision)
    const { onFailure } = dag?.alerts ?? { onFailure: null }
    if (decision.run?.state !== 'failed' || host === 'ana' || onFailure === null) return
    if (destinationsOf(onFailure).length === 0) return
    const told = tables.alerts.some((alert) => alert.runId === runId && alert.kind === 'run_failed')
    if (!told) this.#history.violated('every failure is told', `${runId} failed and no alert says so`)
  }

  /** Of each retry, and of each attempt with failed checks, those are told who asked for it, but of a failed task once. */
  #tells(runId: string, dag: Dag, { tasks, settled }: Decision): void {
    const ended = new Set(settled.map(({ taskId, attempt }) => `${runId}/${taskId}/${attempt}`))
    for (const { taskId, expect, set } of tasks) {
      const task = dag.tasks.find(({ id }) => id === taskId)
      if (task === undefined) continue
      const to = (recipients: Recipients | null) => (recipients === null ? [] : destinationsOf(recipients))
      const name = `${runId} ${taskId} ${expect.generation}.${expect.attempt}`
      if (set.state === 'up_for_retry') {
        this.#asked.set(`task_retry ${name}`, to(task.alerts.onRetry ?? dag.alerts.onRetry))
      }
      const attempt = `${runId}/${taskId}/${expect.attempt}`
      if (expect.state !== 'running' || !ended.has(attempt) || !this.#unchecked.has(attempt)) continue
      const told = set.state === 'failed' ? to(task.alerts.onFailure) : []
      const asked = to(task.alerts.onFailedChecks ?? dag.alerts.onFailedChecks)
      this.#asked.set(
        `checks_failed ${name}`,
        asked.filter((one) => !told.includes(one)),
      )
    }
  }

  /** What was asked for is told, to nobody else, and nothing is told that was not so. */
  #whatWasAskedIsTold({ alerts, deliveries }: Tables): void {
    const told = new Map<string, string[]>()
    for (const { id, kind, key } of alerts) {
      if (kind !== 'task_retry' && kind !== 'checks_failed') continue
      const to = deliveries.filter(({ alertId }) => alertId === id).map(({ destination }) => destination)
      told.set(key, [...(told.get(key) ?? []), ...to])
      if (!this.#asked.has(key)) this.#history.violated('only what has happened is told', key)
    }
    for (const [key, asked] of this.#asked) {
      const found = told.get(key) ?? []
      if (found.toSorted().join() === asked.toSorted().join()) continue
      const what = key.startsWith('task_retry') ? 'every retry is told' : 'failed checks are told'
      this.#history.violated(what, `${key} to ${asked.join() || 'nobody'}, told ${found.join() || 'nobody'}`)
    }
  }

  #made(tables: Tables): void {
    const open = [...tables.messages.values()].filter(({ state, byHand }) => state === 'waiting' && !byHand)
    const destinations = open.map(({ destination }) => destination)
    for (const [index, destination] of destinations.entries()) {
      if (destinations.indexOf(destination) === index) continue
      this.#history.violated('one message under way', `two are under way to ${destination}`)
    }
  }

  end(tables: Tables, mail: MailServer): void {
    for (const { key } of tables.alerts) this.#raised.set(key, (this.#raised.get(key) ?? 0) + 1)
    for (const [key, times] of this.#raised) {
      if (times > 1) this.#history.violated('an alert is raised once', `${key} was raised ${times} times`)
    }
    this.#whatWasAskedIsTold(tables)
    const carriedBy = new Map<string, Set<string>>()
    for (const { key, destination, alerts } of mail.arrived) {
      for (const alert of alerts) {
        const name = `${alert} to ${destination}`
        carriedBy.set(name, (carriedBy.get(name) ?? new Set()).add(key))
      }
    }
    for (const [name, keys] of carriedBy) {
      if (keys.size > 1) this.#history.violated('one message for each alert', `${name} is in ${[...keys].join(', ')}`)
    }
    const keyOf = new Map(tables.alerts.map(({ id, key }) => [id, key]))
    for (const { alertId, destination, state } of tables.deliveries) {
      // that it may be left out is for the check of mutes to say
      if (state === 'muted') continue
      const name = `${keyOf.get(alertId)} to ${destination}`
      if (!carriedBy.has(name)) this.#history.violated('every alert arrives', `${name} has not`)
    }
  }
}
