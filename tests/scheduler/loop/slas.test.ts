import { describe, expect, it } from 'vitest'
import type { Dag, EarlyWarning, Sla, Task } from '../../../scheduler/dag/model.js'
import { cronSchedule, dag, NOW, task } from '../core/dags.js'
import { ANA, type Bench, BY_HAND, bench } from './bench.js'

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

function within(ms: number, set: Partial<Sla> = {}): Sla {
  return {
    name: `within ${ms / MINUTE}m`,
    rule: { kind: 'within', withinMs: ms, from: 'due' },
    afterFailure: 'fire',
    earlyWarning: 'off',
    to: { email: ['sales@example.com'], webhook: null },
    ...set,
  }
}

const fromStart = (ms: number): Sla =>
  within(ms, { name: 'from start', rule: { kind: 'within', withinMs: ms, from: 'start' } })

const sales = (set: Partial<Dag> = {}, tasks: Task[] = [task('a')]) =>
  dag('sales', tasks, { schedule: cronSchedule('0 * * * *'), slas: [within(10 * MINUTE)], ...set })

/** A scheduler that makes the run of 06:00, an hour from the beginning. */
async function dueAtSix(of: Dag = sales()): Promise<Bench> {
  const on = bench()
  on.scheduler.start()
  await on.register(of)
  await on.pass(HOUR)
  return on
}

/** What was told: kind, task, minutes after six. */
function told(on: Bench): string[] {
  return on.store.tables.alerts.map(({ kind, taskId, raisedAt }) => {
    return [
      kind.replace('sla_', ''),
      ...(taskId === null ? [] : [taskId]),
      `+${(raisedAt - NOW - HOUR) / MINUTE}`,
    ].join(' ')
  })
}

const SIX = 'sales-20261120T060000Z'

describe('the deadline of a run', () => {
  it('is told at the deadline while the run is late, to the addresses of the file', async () => {
    const on = await dueAtSix()
    await on.pass(10 * MINUTE - 1)
    expect(told(on)).toEqual([])
    await on.pass(1)
    expect(told(on)).toEqual(['missed +10'])
    expect(on.store.tables.alerts[0]).toMatchObject({
      kind: 'sla_missed',
      subject: 'sales',
      dagId: 'sales',
      runId: SIX,
      taskId: null,
      payload: { sla: 'within 10m', deadline: '2026-11-20T06:10:00.000Z', due: '2026-11-20T06:00:00.000Z' },
    })
    expect(on.store.tables.deliveries).toMatchObject([{ destination: 'email sales@example.com' }])
    expect(on.events).toContainEqual({ kind: 'sla', dagId: 'sales', runId: SIX })
  })

  it('is not told of a run that ends in time, and nothing is left to look at', async () => {
    const on = await dueAtSix()
    await on.finish()
    await on.pass(20 * MINUTE)
    expect(told(on)).toEqual([])
    expect(await on.store.nextSlaLook()).toBeNull()
  })

  it('is followed by the recovery as soon as the run ends well', async () => {
    const on = await dueAtSix()
    await on.pass(12 * MINUTE)
    await on.finish()
    expect(told(on)).toEqual(['missed +10', 'recovered +12'])
    await on.pass(30 * MINUTE)
    expect(told(on)).toHaveLength(2)
  })

  it('is told of a run that never started', async () => {
    const on = bench()
    on.scheduler.start()
    await on.register(sales({ maxActiveRuns: 1 }))
    await on.pass(HOUR)
    await on.pass(HOUR + 10 * MINUTE)
    expect((await on.store.run('sales-20261120T070000Z'))?.state).toBe('queued')
    expect(told(on)).toEqual(['missed +10', 'missed +70'])
  })

  it('is told of a run whose pool has no room', async () => {
    const on = bench()
    await on.store.setPools({ default: 0 })
    on.scheduler.start()
    await on.register(sales())
    await on.pass(HOUR + 10 * MINUTE)
    expect(told(on)).toEqual(['missed +10'])
  })

  it('is told at once when the scheduler was down at the deadline, of the run it missed to make as well', async () => {
    const before = bench()
    before.scheduler.start()
    await before.register(sales())
    await before.scheduler.stop()
    const on = bench({ store: before.store })
    await on.clock.moveTo(NOW + HOUR + 25 * MINUTE, async () => {})
    on.scheduler.start()
    await on.register(sales())
    expect(told(on)).toEqual(['missed +25'])
  })

  it('is told once by three schedulers', async () => {
    const on = await dueAtSix()
    const others = [bench({ store: on.store }), bench({ store: on.store })]
    for (const other of others) {
      await other.clock.moveTo(NOW + HOUR, async () => {})
      other.scheduler.start()
    }
    await Promise.all([on, ...others].map((one) => one.pass(10 * MINUTE)))
    expect(told(on)).toEqual(['missed +10'])
    await on.finish()
    await Promise.all(others.map((one) => one.pass(MINUTE)))
    expect(told(on)).toEqual(['missed +10', 'recovered +10'])
  })

  it('is not told while the DAG is paused, and when it is resumed with the run still late it is', async () => {
    const on = await dueAtSix()
    await on.commands.pause('sales', '', ANA)
    await on.pass(20 * MINUTE)
    expect(told(on)).toEqual([])
    await on.commands.resume('sales', ANA)
    await on.scheduler.idle()
    expect(told(on)).toEqual(['missed +20'])
  })

  it('is let go when the run ends while the DAG is paused', async () => {
    const on = await dueAtSix()
    await on.commands.pause('sales', '', ANA)
    await on.pass(20 * MINUTE)
    await on.finish()
    await on.commands.resume('sales', ANA)
    await on.pass(MINUTE)
    expect(told(on)).toEqual([])
  })

  it('fires or is dropped after a failure, as the file says', async () => {
    const fire = await dueAtSix()
    const drop = await dueAtSix(sales({ slas: [within(10 * MINUTE, { afterFailure: 'drop' })] }))
    for (const on of [fire, drop]) {
      await on.finish({ result: 'failed', reason: 'exit 1' })
      await on.pass(11 * MINUTE)
    }
    expect(told(fire).filter((line) => line.startsWith('missed'))).toEqual(['missed +10'])
    expect(told(drop).filter((line) => line.startsWith('missed'))).toEqual([])
    await fire.commands.clear(SIX, null, { downstream: false, failedOnly: true }, ANA)
    await fire.finish()
    expect(told(fire).filter((line) => line.startsWith('recovered'))).toEqual(['recovered +11'])
  })

  it('counts again for a run that is cleared before it', async () => {
    const on = await dueAtSix()
    await on.finish()
    await on.pass(5 * MINUTE)
    await on.commands.clear(SIX, null, { downstream: false, failedOnly: false }, ANA)
    await on.pass(5 * MINUTE)
    expect(told(on)).toEqual(['missed +10'])
  })

  it('may count from the start of the run', async () => {
    const on = bench()
    on.scheduler.start()
    await on.register(sales({ maxActiveRuns: 1, slas: [fromStart(90 * MINUTE)] }))
    await on.pass(2 * HOUR)
    await on.pass(29 * MINUTE)
    expect(told(on)).toEqual([])
    await on.pass(MINUTE)
    await on.finish()
    await on.pass(90 * MINUTE - 1)
    expect(told(on)).toEqual(['missed +90', 'recovered +90'])
    await on.pass(1)
    expect(told(on).at(-1)).toBe('missed +180')
  })

  it('of a task is told of that task, whatever becomes of the run', async () => {
    const slas = [within(10 * MINUTE)]
    const on = await dueAtSix(sales({ slas: [] }, [task('a', [], { slas }), task('b', ['a'], { slas })]))
    await on.pass(9 * MINUTE)
    await on.finish()
    await on.pass(MINUTE)
    expect(told(on)).toEqual(['missed b +10'])
    await on.finish()
    expect(told(on)).toEqual(['missed b +10', 'recovered b +10'])
  })

  it('of a run by hand counts from its trigger; a backfill has none', async () => {
    const on = bench()
    on.scheduler.start()
    await on.register(sales())
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    const backfill = { from: NOW - 3 * HOUR, to: NOW, which: 'all', reverse: false, maxActive: null } as const
    await on.commands.startBackfill('sales', backfill, ANA)
    await on.pass(10 * MINUTE)
    expect(on.store.tables.slas.size).toBe(1)
    expect(told(on)).toEqual(['missed +-50'])
  })

  it('costs a hop of a DAG without SLAs nothing', async () => {
    const on = await dueAtSix(sales({ slas: [] }, [task('a'), task('b', ['a']), task('c', ['b'])]))
    on.calls.length = 0
    await on.finish()
    expect(on.calls).toEqual(['applyDecision', 'queueReady'])
  })

  it('costs a hop of a backfill nothing', async () => {
    const on = bench()
    await on.register(sales({}, [task('a'), task('b', ['a'])]))
    const backfill = { from: NOW - HOUR, to: NOW, which: 'all', reverse: false, maxActive: null } as const
    await on.commands.startBackfill('sales', backfill, ANA)
    await on.scheduler.idle()
    on.calls.length = 0
    await on.finish()
    expect(on.calls).toEqual(['applyDecision', 'queueReady'])
  })

  it('does not keep others from theirs when one cannot be judged', async () => {
    const on = await dueAtSix()
    const other = dag('other', [task('a')], { slas: [within(5 * MINUTE)] })
    await on.register(sales(), other)
    await on.commands.trigger('other', BY_HAND, ANA, null)
    await on.scheduler.idle()
    for (const row of on.store.tables.slas.values()) if (row.dagId === 'sales') row.sla = 'within nobody knows what'
    await on.pass(11 * MINUTE)
    expect(told(on)).toEqual(['missed +5'])
  })
})

describe('an early warning', () => {
  const warned = sales({ slas: [within(60 * MINUTE, { earlyWarning: 'p90' })] }, [task('a'), task('b', ['a'])])

  async function workedOn(on: Bench, ms: number): Promise<void> {
    const worker = { id: 'worker-1', epoch: 0, queues: ['default'] }
    const [claimed] = await on.store.claim(worker, { now: on.clock.now(), leaseMs: 24 * HOUR, limit: 1 })
    if (claimed === undefined) throw new Error('there is nothing to claim')
    await on.pass(ms)
    const { runId, taskId, attempt, claimToken } = claimed
    const ended = { result: 'success' as const, reason: '', retryable: true, outputs: {}, endedAt: on.clock.now() }
    const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
    const outcome = { taskId, attempt, ...ended }
    await on.store.recordOutcomes([{ runId, taskId, attempt, claimToken, outcome, facts }], on.clock.now())
    on.scheduler.recorded([{ runId, outcome }])
    await on.scheduler.idle()
  }

  /** Runs of the past, in which each task took as long as given. */
  async function withHistory(of: Dag, minutes: readonly number[], project: EarlyWarning = 'p90'): Promise<Bench> {
    const on = bench({ earlyWarning: project })
    on.scheduler.start()
    await on.register(of)
    for (const took of minutes) {
      await on.commands.trigger('sales', BY_HAND, ANA, null)
      await on.scheduler.idle()
      for (const _ of of.tasks) await workedOn(on, took * MINUTE)
    }
    on.store.tables.alerts.length = 0
    return on
  }

  const since = (on: Bench, from: number) =>
    on.store.tables.alerts.map(({ kind, raisedAt }) => [kind, (raisedAt - from) / SECOND] as const)

  it('comes when history says that the deadline will be missed, once, before it', async () => {
    const on = await withHistory({ ...warned, schedule: null }, [20, 20, 20, 20, 20, 20])
    const from = on.clock.now()
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.pass(SECOND)
    expect(since(on, from)).toEqual([])
    // twenty minutes each, so the first has to begin within twenty
    await on.pass(19 * MINUTE)
    expect(since(on, from)).toEqual([])
    await on.pass(5 * MINUTE)
    expect(since(on, from).map(([kind]) => kind)).toEqual(['sla_at_risk'])
    expect(since(on, from)[0]?.[1]).toBeGreaterThan(20 * 60)
    await on.pass(36 * MINUTE)
    expect(since(on, from).map(([kind]) => kind)).toEqual(['sla_at_risk', 'sla_missed'])
    const { payload } = on.store.tables.alerts[0] ?? {}
    expect(Date.parse(String(payload?.p90))).toBeGreaterThan(Date.parse(String(payload?.deadline)))
  })

  it('does not come without history, nor when it is off', async () => {
    const off = sales({ schedule: null, slas: [within(60 * MINUTE)] }, [task('a'), task('b', ['a'])])
    for (const [of, history] of [
      [{ ...warned, schedule: null }, [20, 20, 20]],
      [off, [20, 20, 20, 20, 20, 20]],
    ] as const) {
      const on = await withHistory(of, history)
      const from = on.clock.now()
      await on.commands.trigger('sales', BY_HAND, ANA, null)
      await on.pass(50 * MINUTE)
      expect(since(on, from)).toEqual([])
    }
  })

  it.each([
    ['p80', null, false],
    ['p81', null, true],
    ['p50', 'p81', true],
    ['p90', 'p80', false],
    ['off', null, false],
    ['p90', 'off', false],
  ] as const)('goes by the quantile of the project, %s, or its own, %s', async (project, own, comes) => {
    const of = sales({ schedule: null, slas: [within(60 * MINUTE, { earlyWarning: own })] }, [task('a')])
    // one run in five would be late
    const on = await withHistory(of, [20, 20, 20, 20, 80], project)
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.pass(15 * SECOND)
    const told = on.store.tables.alerts.map(({ kind, payload }) => [kind, payload.early_warning])
    expect(told).toEqual(comes ? [['sla_at_risk', own ?? project]] : [])
  })

  it('comes with the fifth run there is to go by, however quickly they follow each other', async () => {
    const on = await withHistory({ ...warned, schedule: null }, [1, 1, 1, 1])
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.pass(15 * SECOND)
    for (const _ of warned.tasks) await workedOn(on, 10 * SECOND)
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.pass(59 * MINUTE)
    expect(on.store.tables.alerts.map(({ kind }) => kind)).toEqual(['sla_at_risk'])
  })

  it('takes back nothing, and costs few looks', async () => {
    const on = await withHistory({ ...warned, schedule: null }, [20, 20, 20, 20, 20, 20])
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.scheduler.idle()
    on.calls.length = 0
    await on.pass(59 * MINUTE)
    const looks = on.calls.filter((call) => call === 'settleSlas').length
    expect(looks).toBeGreaterThan(0)
    expect(looks).toBeLessThan(12)
  })
})
