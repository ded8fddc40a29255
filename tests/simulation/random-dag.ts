import type { Recipients } from '../../scheduler/core/alert.js'
import { NO_ALERTS } from '../../scheduler/core/alerts.js'
import {
  type AlertRules,
  type Catchup,
  type Dag,
  type ForEach,
  type Schedule,
  type Sla,
  type Task,
  TRIGGER_RULES,
} from '../../scheduler/dag/model.js'
import { cronSchedule, dag, everySchedule, task } from '../scheduler/core/dags.js'
import type { Prng } from './prng.js'

export const POOLS: Record<string, number> = { default: 4, narrow: 1 }

/** A DAG of a few tasks with any needs, rules, pools and retries. */
export function randomDag(random: Prng, id: string, version: number): Dag {
  const tasks: Task[] = []
  const past = random.pick(['no', 'no', 'no', 'tasks', 'run'] as const)
  const size = random.int(1, 7)
  for (let index = 0; index < size; index += 1) tasks.push(randomTask(random, tasks, past === 'tasks'))
  return dag(id, withBranches(random, tasks), {
    version: `${id}-v${version}`,
    schedule: random.chance(0.7) ? randomSchedule(random) : null,
    ...(past === 'no' && random.chance(0.3)
      ? { overlap: random.pick(['skip', 'cancel_running'] as const), catchup: random.pick<Catchup>(['none', 'last']) }
      : { catchup: random.chance(0.4) ? 'all' : random.pick<Catchup>(['none', 'last', { windowMs: 90_000 }]) }),
    dependsOnPast: past === 'run',
    runTimeoutMs: random.pick([null, null, null, 20_000, 60_000]),
    slas: random.chance(0.5) ? [anySla(random)] : [],
    maxActiveRuns: random.int(1, 3),
    maxActiveTasks: random.int(1, 5),
    alerts: { ...NO_ALERTS, onFailure: anyRecipients(random), onRecovery: anyRecipients(random) },
  })
}

/** @param earlier tasks that it may need */
function randomTask(random: Prng, earlier: readonly Task[], past: boolean): Task {
  const index = earlier.length
  const needs = random.some(
    earlier.map((upstream) => upstream.id),
    0.4,
  )
  return task(`t${index}`, needs, {
    triggerRule: random.chance(0.5) ? 'all_success' : random.pick(TRIGGER_RULES),
    retries: random.pick([0, 0, 1, 2, 3]),
    retryDelayMs: random.pick([0, 500, 5_000]),
    backoff: random.pick([1, 2]),
    maxDelayMs: 10_000,
    ...random.pick([{ pool: 'narrow' }, ...[1, 1, 1, 2, 4].map((poolSlots) => ({ pool: 'default', poolSlots }))]),
    dependsOnPast: past && random.chance(0.4),
    skipIfDone: index % 3 === 1,
    priority: random.int(0, 2),
    slas: random.chance(0.1) ? [anySla(random)] : [],
    forEach: random.chance(0.15) ? anyItems(random) : null,
    when: random.chance(0.15) ? 'params.wanted' : null,
    outputs: random.chance(0.15) ? { rows: 'integer' } : {},
    alerts: taskAlerts(random),
  })
}

/** Who asks for retries asks for failed checks. */
function taskAlerts(random: Prng): AlertRules {
  const onFailure = anyRecipients(random)
  const onRetry = anyRecipients(random)
  return { ...NO_ALERTS, onFailure, onRetry, onFailedChecks: onRetry }
}

/** Some of those that others need choose which of them run. */
function withBranches(random: Prng, tasks: readonly Task[]): Task[] {
  const needed = new Set(tasks.flatMap(({ needs }) => needs))
  return tasks.map((one) => {
    if (!needed.has(one.id) || one.forEach !== null || !random.chance(0.35)) return one
    return { ...one, operator: 'branch', outputs: {} }
  })
}

function anyRecipients(random: Prng): Recipients | null {
  if (random.chance(0.4)) return null
  const email = random.some(['team@example.com', 'ops@example.com'], 0.6)
  return { email, webhook: random.chance(0.3) ? 'chat' : null }
}

/** Deadlines that some runs keep and others miss. */
function anySla(random: Prng): Sla {
  const withinMs = random.pick([5_000, 15_000, 40_000, 90_000])
  const from = random.pick(['due', 'start'] as const)
  return {
    name: `within ${withinMs} from ${from}`,
    rule: { kind: 'within', withinMs, from },
    afterFailure: random.pick(['fire', 'drop']),
    earlyWarning: random.pick(['p50', 'p90', 'off']),
    to: anyRecipients(random),
  }
}

function anyItems(random: Prng): ForEach {
  const values = Array.from({ length: random.pick([0, 1, 3, 5, 9]) }, (_, index) => index)
  return { source: { kind: 'list', values }, concurrency: random.pick([null, 1, 2]) }
}

/** Every kind of schedule there is, due so often that four minutes see several ticks. */
function randomSchedule(random: Prng): Schedule {
  const timezone = random.pick(['UTC', 'Asia/Kathmandu', AT_MIDNIGHT, AT_MIDNIGHT])
  const calendar = timezone === AT_MIDNIGHT ? random.pick(CALENDARS) : {}
  const every = everySchedule(random.pick([30, 60, 90]) * 1_000, { timezone, ...calendar })
  const crons = random.pick([['*/30 * * * * *'], ['* * * * *'], ['*/45 * * * * *', '30 * * * * *']])
  return random.chance(0.6) ? every : cronSchedule(crons, timezone, calendar)
}

/** Where the second of the simulation's minutes is the last of a Friday, 20 November 2026. */
const AT_MIDNIGHT = 'America/Bogota'

/** That leave out nothing, what is before midnight, or what comes after it. */
const CALENDARS: readonly Partial<Schedule>[] = [
  {},
  { skip: ['2026-11-20'] },
  { skip: ['2026-11-21', '2026-12-25'] },
  { businessDays: true },
]
