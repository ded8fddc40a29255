import type { Instant } from '../../../json.js'
import type { ClaimedTask } from '../../../scheduler/store/store.js'
import type { History } from '../history.js'
import type { StoreCall } from '../remote-store.js'

interface Live {
  token: string
  attempt: number
  epoch: number
  leaseUntil: Instant
  /** the outcome accepted for it; from then on it is only waited for to be settled */
  result: string | null
}

/**
 * Who may speak for a task: at most one claim at a time, no older one after a newer one, none after its lease was taken
 * away. Kept from calls and answers alone.
 */
export class ClaimsCheck {
  readonly #history: History
  readonly #live = new Map<string, Live>()
  /** by claim token: how it ended, once it has */
  readonly #recorded = new Map<string, string>()
  readonly #attempts = new Map<string, number>()
  /** tokens that a worker has spoken of: it knows that it has them */
  readonly #known = new Set<string>()
  #epoch = 0

  constructor(history: History) {
    this.#history = history
  }

  observe(call: StoreCall): void {
    switch (call.method) {
      case 'claim':
        for (const claimed of call.result) this.#claimed(claimed, call.args[0].epoch)
        return
      case 'giveBack':
        for (const back of call.result) this.#givenBack(back)
        return
      case 'heartbeat':
        this.#beat(call)
        return
      case 'recordOutcomes':
        for (const [index, report] of call.args[0].entries()) this.#reported(report, call.result[index])
        return
      case 'reapExpired':
        this.#reaped(call.args[0], call.result)
        return
      case 'beginEpoch':
        this.#epochBegan(call.result.epoch)
        return
      case 'applyDecision':
        if (call.result === 'applied') this.#decided(call)
        return
    }
  }

  #givenBack(back: { runId: string; taskId: string; attempt: number }): void {
    const key = keyOf(back)
    const live = this.#live.get(key)
    if (live?.attempt !== back.attempt || live.result !== null || this.#known.has(live.token))
      this.#violated(
        'only what nobody runs is given back',
        `attempt ${back.attempt} of ${key} was not a live claim, or its worker had spoken of it`,
      )
    this.#live.delete(key)
    // it is claimed again as the attempt that it was
    this.#attempts.set(key, back.attempt - 1)
  }

  #claimed(claimed: ClaimedTask, epoch: number): void {
    const key = keyOf(claimed)
    const live = this.#live.get(key)
    if (live !== undefined) this.#violated('one live claim', `${key} was claimed while ${live.token} held it`)
    if (claimed.attempt <= (this.#attempts.get(key) ?? 0)) {
      this.#violated('attempts grow', `attempt ${claimed.attempt} of ${key} was claimed again`)
    }
    if (epoch < this.#epoch) this.#violated('epoch', `a worker of epoch ${epoch} claimed ${key} in ${this.#epoch}`)
    this.#attempts.set(key, claimed.attempt)
    const { claimToken: token, attempt, leaseUntil } = claimed
    this.#live.set(key, { token, attempt, epoch, leaseUntil, result: null })
  }

  #beat(call: Extract<StoreCall, { method: 'heartbeat' }>): void {
    const [, claims, { now, leaseMs }] = call.args
    const lost = new Set(call.result.lost.map(({ claimToken }) => claimToken))
    for (const ref of claims) {
      this.#known.add(ref.claimToken)
      const live = this.#live.get(keyOf(ref))
      const ours = live?.token === ref.claimToken && live.result === null
      if (lost.has(ref.claimToken)) {
        if (ours) this.#violated('live claims are kept', `the heartbeat of ${ref.claimToken} was told it had lost`)
      } else if (!ours) this.#violated('lost claims stay lost', `the lease of ${ref.claimToken} was extended`)
      else live.leaseUntil = Math.max(live.leaseUntil, now + leaseMs)
    }
  }

  #reported(
    report: { runId: string; taskId: string; claimToken: string; outcome: { result: string } },
    answer: 'recorded' | 'lost_claim' | undefined,
  ): void {
    const key = keyOf(report)
    this.#known.add(report.claimToken)
    const live = this.#live.get(key)
    const ours = live?.token === report.claimToken
    if (answer === 'lost_claim') {
      if (ours && live.result === null) {
        this.#violated('live claims are kept', `the finish of ${report.claimToken} was refused`)
      }
      return
    }
    if (!ours) {
      const repeated = this.#recorded.get(report.claimToken) === report.outcome.result
      if (!repeated) this.#violated('no finish from a lost claim', `${key} took one from ${report.claimToken}`)
      return
    }
    if (live.result !== null && live.result !== report.outcome.result) {
      this.#violated('an outcome is final', `${key} ended ${live.result}, then ${report.outcome.result}`)
    }
    live.result = report.outcome.result
    this.#recorded.set(report.claimToken, report.outcome.result)
  }

  #reaped(now: Instant, runs: string[]): void {
    const expired = new Set<string>()
    for (const [key, live] of this.#live) {
      if (live.result !== null || live.leaseUntil >= now) continue
      live.result = 'lost'
      this.#recorded.set(live.token, 'lost')
      expired.add(key.slice(0, key.indexOf('/')))
    }
    for (const run of runs) {
      if (!expired.has(run)) this.#violated('leases are kept', `${run} lost a claim whose lease had not ended`)
    }
  }

  #epochBegan(epoch: number): void {
    this.#epoch = epoch
    for (const live of this.#live.values()) {
      if (live.result !== null || live.epoch >= epoch) continue
      live.result = 'lost'
      this.#recorded.set(live.token, 'lost')
    }
  }

  #decided(call: Extract<StoreCall, { method: 'applyDecision' }>): void {
    const [runId, , decision] = call.args
    for (const { taskId, attempt, result } of decision.settled) {
      const live = this.#live.get(keyOf({ runId, taskId }))
      if (live?.attempt !== attempt || live.result === result) continue
      const recorded = live.result ?? 'nothing'
      this.#violated(
        'only what is recorded counts',
        `${runId}/${taskId} was settled as ${result}, recorded was ${recorded}`,
      )
    }
    // an item that is made anew has ended: the mirror sees to that
    for (const { taskId, items } of decision.expand) {
      for (const index of items.keys()) this.#live.delete(keyOf({ runId, taskId: `${taskId}.${index}` }))
    }
    for (const { taskId, set } of decision.tasks) {
      const key = keyOf({ runId, taskId })
      const live = this.#live.get(key)
      if (live === undefined || set.state === 'running') continue
      if (live.result === null) this.#recorded.set(live.token, 'cancelled')
      this.#live.delete(key)
    }
  }

  #violated(invariant: string, message: string): void {
    this.#history.violated(invariant, message)
  }
}

function keyOf({ runId, taskId }: { runId: string; taskId: string }): string {
  return `${runId}/${taskId}`
}
