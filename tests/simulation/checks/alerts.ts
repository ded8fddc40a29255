import type { Instant } from '../../../json.js'
import { destinationsOf } from '../../../scheduler/core/alert.js'
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
  /** by `run task generation.attempt` of each retry that a decision has written: who asked to be told */
  readonly #retries = new Map<string, string[]>()
  /** who sends a message now, and until when */
  readonly #claims = new Map<number, { token: string; until: Instant }>()

  constructor(history: History, dags: (version: string) => Dag | undefined) {
    this.#history = history
    this.#dags = dags
  }

  /** @param tables after the call */
  observe(call: StoreCall, tables: Tables): void {
    if (call.method === 'applyDecision' && call.result === 'applied') this.#failed(call, tables)
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

  /** A run that fails is told of in the step that makes it fail, unless a person did it. */
  #failed({ args: [runId, , decision], host }: Extract<StoreCall, { method: 'applyDecision' }>, tables: Tables): void {
    const run = tables.runs.get(runId)?.run
    if (run !== undefined) this.#versions.set(runId, run.version)
    const dag = this.#dags(this.#versions.get(runId) ?? '')
    for (const { taskId, expect, set } of decision.tasks) {
      const task = dag?.tasks.find(({ id }) => id === taskId)
      if (task === undefined || set.state !== 'up_for_retry' || expect.state === 'up_for_retry') continue
      const to = task.alerts.onRetry ?? dag?.alerts.onRetry ?? null
      const asked = to === null ? [] : destinationsOf(to)
      this.#retries.set(`${runId} ${taskId} ${expect.generation}.${expect.attempt}`, asked)
    }
    const { onFailure } = dag?.alerts ?? { onFailure: null }
    if (decision.run?.state !== 'failed' || host === 'ana' || onFailure === null) return
    if (destinationsOf(onFailure).length === 0) return
    const told = tables.alerts.some((alert) => alert.runId === runId && alert.kind === 'run_failed')
    if (!told) this.#history.violated('every failure is told', `${runId} failed and no alert says so`)
  }

  /** Each retry is told to those who asked for it and to nobody else, and what is told of as a retry was one. */
  #retriesAreTold({ alerts, deliveries }: Tables): void {
    const told = new Map<string, string[]>()
    for (const { id, kind, key } of alerts) {
      if (kind !== 'task_retry') continue
      const to = deliveries.filter(({ alertId }) => alertId === id).map(({ destination }) => destination)
      const name = key.slice('task_retry '.length)
      told.set(name, [...(told.get(name) ?? []), ...to])
      if (!this.#retries.has(name)) this.#history.violated('only a retry is told as one', `${key} was none`)
    }
    for (const [name, asked] of this.#retries) {
      const found = told.get(name) ?? []
      if ([...found].sort().join() === [...asked].sort().join()) continue
      this.#history.violated(
        'every retry is told',
        `${name} to ${asked.join() || 'nobody'}, told ${found.join() || 'nobody'}`,
      )
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
    this.#retriesAreTold(tables)
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
