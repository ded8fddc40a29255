import type { Instant } from '../../../json.js'
import { createCommands } from '../../../scheduler/commands/create.js'
import type { Commands } from '../../../scheduler/commands.js'
import type { Recipients } from '../../../scheduler/core/alert.js'
import type { AttemptOutcome } from '../../../scheduler/core/model.js'
import type { Dag, EarlyWarning } from '../../../scheduler/dag/model.js'
import { intervalOf, nextDue, previousDue } from '../../../scheduler/dag/schedule.js'
import { Events, type SluiceEvent } from '../../../scheduler/events.js'
import {
  createScheduler,
  type DebugPoint,
  type Log,
  type Scheduler,
  type SchedulerLimits,
} from '../../../scheduler/scheduler.js'
import type { ClaimedTask, QueuedTask, Store } from '../../../scheduler/store/store.js'
import { createMemoryStore } from '../../simulation/memory-store/index.js'
import { NOW } from '../core/dags.js'

/** A clock that stands still until it is moved. */
export class ManualClock {
  #now: Instant = NOW
  #timers: { at: Instant; ring: () => void }[] = []

  now(): Instant {
    return this.#now
  }

  at(at: Instant, ring: () => void): () => void {
    const timer = { at, ring }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  get armed(): number {
    return this.#timers.length
  }

  /** rings what is due on the way, one after the other, and lets each have its effect before the next */
  async moveTo(instant: Instant, settled: () => Promise<void>): Promise<void> {
    for (;;) {
      await settled()
      const [next] = this.#timers.filter(({ at }) => at <= instant).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#now = Math.max(this.#now, next.at)
      next.ring()
    }
    this.#now = instant
  }
}

export interface Bench {
  store: ReturnType<typeof createMemoryStore>
  clock: ManualClock
  scheduler: Scheduler
  commands: Commands
  events: SluiceEvent[]
  dispatched: QueuedTask[]
  stopped: { runId: string; taskId: string; attempt: number }[]
  /** what went wrong, as logged */
  errors: string[]
  /** names of the store's methods as they were called */
  calls: string[]
  /** everything asked for has been done and `ms` have passed */
  pass(ms: number): Promise<void>
  register(...dags: Dag[]): Promise<void>
  claim(limit?: number): Promise<ClaimedTask[]>
  /** claims one task and ends it, telling the scheduler */
  finish(how?: Partial<AttemptOutcome>): Promise<ClaimedTask>
  states(runId: string): Promise<Record<string, string>>
}

/** of an attempt that has touched no table */
export const NO_FACTS = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }

/** A scheduler on the memory store with a clock that stands still; `store` lets a second one share the first one's. */
export function bench(
  options: {
    store?: ReturnType<typeof createMemoryStore>
    debugPoint?: (point: DebugPoint) => Promise<void> | undefined
    /** a worker beside the scheduler, on a store that works in order */
    expect?: () => ReadonlySet<string>
    earlyWarning?: EarlyWarning
    projectAlerts?: Recipients
    limits?: Partial<SchedulerLimits>
  } = {},
): Bench {
  const store = options.store ?? createMemoryStore()
  const clock = new ManualClock()
  const calls: string[] = []
  const watched = new Proxy(store, {
    get(target, method: keyof Store) {
      const call: unknown = target[method]
      if (typeof call !== 'function') return call
      return (...args: unknown[]) => {
        calls.push(method)
        return call.apply(target, args)
      }
    },
  })
  const heard: SluiceEvent[] = []
  const events = new Events()
  events.subscribe((event) => heard.push(event))
  const dispatched: QueuedTask[] = []
  const stopped: Bench['stopped'] = []
  const queue = {
    dispatch: async (tasks: QueuedTask[]) => void dispatched.push(...tasks),
    stop: async (attempts: Bench['stopped']) => void stopped.push(...attempts),
    close: async () => {},
    ...(options.expect === undefined ? {} : { expect: options.expect }),
  }
  const errors: string[] = []
  const note = (_fields: object, message: string) => void errors.push(message)
  const log: Log = { debug: () => {}, info: () => {}, warn: note, error: note }
  const timetable = { nextDue, previousDue, intervalOf }
  const debugPoint = options.debugPoint ?? (() => undefined)
  const random = () => 0
  const { earlyWarning = 'p90', projectAlerts = null } = options
  const storeInOrder = options.expect !== undefined
  const ports = { store: watched, storeInOrder, queue, clock, events, timetable, random, debugPoint }
  const scheduler = createScheduler({ ...ports, earlyWarning, projectAlerts, log }, options.limits)
  const commands = createCommands({ ...ports, wake: scheduler })

  const claim = (limit = 1) =>
    store.claim({ id: 'worker-1', epoch: 0, queues: ['default'] }, { now: clock.now(), leaseMs: 30_000, limit })
  const self: Bench = {
    store,
    clock,
    scheduler,
    commands,
    events: heard,
    dispatched,
    stopped,
    errors,
    calls,
    pass: (ms) => clock.moveTo(clock.now() + ms, () => scheduler.idle()),
    register: async (...dags) => {
      await scheduler.register({ dags, broken: [], problems: [] })
      await scheduler.idle()
    },
    claim,
    async finish(how = {}) {
      await scheduler.idle()
      const [claimed] = await claim()
      if (claimed === undefined) throw new Error('There is nothing to claim.')
      const { runId, taskId, attempt, claimToken } = claimed
      const ended = { result: 'success' as const, reason: '', retryable: true, outputs: {}, endedAt: clock.now() }
      const outcome: AttemptOutcome = { taskId, attempt, ...ended, ...how }
      await store.recordOutcomes([{ runId, taskId, attempt, claimToken, outcome, facts: NO_FACTS }], clock.now())
      scheduler.recorded([{ runId, outcome }])
      await scheduler.idle()
      return claimed
    },
    async states(runId) {
      return Object.fromEntries((await store.taskRuns(runId)).map(({ taskId, state }) => [taskId, state]))
    },
  }
  return self
}

export const ANA = { user: 'ana' }
export const BY_HAND = { params: {}, interval: null, onlyTasks: null, noChecks: false }
