import { describe, expect, it } from 'vitest'
import type { Instant } from '../../../json.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import { cronSchedule, dag, NOW, task } from '../core/dags.js'
import { ANA, BY_HAND, bench } from './bench.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const hourly = cronSchedule('0 * * * *')
const sales = (set: Partial<Dag> = {}) => dag('sales', [task('a')], { schedule: hourly, ...set })

async function started(...dags: Dag[]) {
  const on = bench()
  on.scheduler.start()
  await on.register(...dags)
  return on
}

function made(on: { store: { tables: { runs: Map<string, { run: { dueAt: Instant } }> } } }): string[] {
  return [...on.store.tables.runs.keys()]
}

describe('a scheduled run', () => {
  it('is decided from what was made, without asking the store for it', async () => {
    const on = bench() // whose sweeps would look at everything
    await on.register(sales())
    on.calls.length = 0
    await on.pass(HOUR)
    expect(await on.states('sales-20261120T060000Z')).toEqual({ a: 'queued' })
    expect(on.calls).not.toContain('snapshot')
  })

  it('is asked for again when somebody has changed it before it started', async () => {
    const on = await started(sales({ maxActiveRuns: 1 }))
    const { run } = await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.pass(HOUR)
    const due = 'sales-20261120T060000Z'
    expect((await on.store.run(due))?.state).toBe('queued')
    await bench({ store: on.store }).commands.mark(due, ['a'], 'skipped', ANA)
    expect((await on.finish()).runId).toBe(run)
    expect(await on.store.run(due)).toMatchObject({ state: 'success' })
    expect(await on.states(due)).toEqual({ a: 'skipped' })
  })

  it('is not made at the first start, but at the next tick, for the interval that ends there', async () => {
    const on = await started(sales())
    expect(made(on)).toEqual([])
    await on.pass(HOUR - 1)
    expect(made(on)).toEqual([])
    await on.pass(1)
    expect(made(on)).toEqual(['sales-20261120T060000Z'])
    expect(await on.store.run('sales-20261120T060000Z')).toMatchObject({
      state: 'running',
      kind: 'scheduled',
      dueAt: NOW + HOUR,
      intervalStart: NOW,
      intervalEnd: NOW + HOUR,
      triggeredBy: 'schedule',
    })
    expect((await on.store.dag('sales'))?.nextDueAt).toBe(NOW + 2 * HOUR)
  })

  it('is made once, the latest, after a downtime', async () => {
    const before = await started(sales())
    await before.scheduler.stop()
    const on = bench({ store: before.store })
    await on.clock.moveTo(NOW + 5 * HOUR + MINUTE, async () => {})
    on.scheduler.start()
    await on.register(sales())
    expect(made(on)).toEqual(['sales-20261120T100000Z'])
    expect((await on.store.dag('sales'))?.nextDueAt).toBe(NOW + 6 * HOUR)
  })

  it('is made for each tick missed with catchup', async () => {
    const catching = sales({ catchup: 'all' })
    const before = await started(catching)
    await before.scheduler.stop()
    const on = bench({ store: before.store })
    await on.clock.moveTo(NOW + 3 * HOUR + MINUTE, async () => {})
    on.scheduler.start()
    await on.register(catching)
    expect(made(on)).toEqual(['sales-20261120T060000Z', 'sales-20261120T070000Z', 'sales-20261120T080000Z'])
  })

  it('begins with catchup at the first interval that begins at or after start', async () => {
    const on = await started(sales({ catchup: 'all', start: NOW - 3 * HOUR - 1 }))
    expect(made(on)).toEqual(['sales-20261120T030000Z', 'sales-20261120T040000Z', 'sales-20261120T050000Z'])
    expect((await on.store.run('sales-20261120T030000Z'))?.intervalStart).toBe(NOW - 3 * HOUR)
  })

  it('is not made for an interval that begins before start', async () => {
    const on = await started(sales({ start: NOW + MINUTE }))
    await on.pass(HOUR)
    expect(made(on)).toEqual([])
    await on.pass(HOUR)
    expect(made(on)).toEqual(['sales-20261120T070000Z'])
  })

  it('is made once, however many schedulers there are', async () => {
    const one = await started(sales())
    const two = bench({ store: one.store })
    two.scheduler.start()
    await Promise.all([one.pass(HOUR), two.pass(HOUR)])
    expect(made(one)).toEqual(['sales-20261120T060000Z'])
    expect(one.store.tables.runs.size).toBe(1)
  })

  it('takes the defaults of the parameters', async () => {
    const on = await started(sales({ params: { country: { type: 'string', default: 'all' }, day: { type: 'date' } } }))
    await on.pass(HOUR)
    expect((await on.store.run('sales-20261120T060000Z'))?.params).toEqual({ country: 'all' })
  })

  it('is not kept from being made by another DAG that cannot be', async () => {
    const on = await started(sales(), dag('broken', [task('a')], { schedule: hourly }))
    on.store.tables.versions.delete('version-of-broken')
    await on.pass(HOUR)
    expect(made(on)).toEqual(['sales-20261120T060000Z'])
  })
})

describe('registering', () => {
  it('keeps the due instant of what has not changed, and takes a new one for a changed schedule', async () => {
    const on = await started(sales())
    await on.pass(30 * MINUTE)
    await on.register(sales({ version: 'second', description: 'new words' }))
    expect((await on.store.dag('sales'))?.nextDueAt).toBe(NOW + HOUR)
    await on.register(sales({ version: 'third', schedule: cronSchedule('45 * * * *') }))
    expect((await on.store.dag('sales'))?.nextDueAt).toBe(NOW + 45 * MINUTE)
    await on.register(sales({ version: 'fourth', schedule: null }))
    expect((await on.store.dag('sales'))?.nextDueAt).toBeNull()
    await on.pass(3 * HOUR)
    expect(made(on)).toEqual([])
  })

  it('makes no run for the time in which the file was away', async () => {
    const on = await started(sales())
    await on.register()
    expect(await on.store.dag('sales')).toMatchObject({ present: false, paused: true, pauseReason: 'file disappeared' })
    await on.pass(3 * HOUR + MINUTE)
    await on.register(sales())
    expect(await on.store.dag('sales')).toMatchObject({ present: true, paused: false, nextDueAt: NOW + 4 * HOUR })
    expect(made(on)).toEqual([])
  })

  it('keeps the DAGs of a folder that cannot be read, and no others', async () => {
    const on = await started(
      sales({ file: 'team/sales.yaml' }),
      dag('stock', [task('a')], { file: 'teams/stock.yaml' }),
    )
    await on.scheduler.register({ dags: [], broken: ['team/'], problems: [] })
    const present = async (id: string) => (await on.store.dag(id))?.present
    expect([await present('sales'), await present('stock')]).toEqual([true, false])
  })

  it('keeps a DAG whose file is broken', async () => {
    const on = await started(sales())
    await on.scheduler.register({ dags: [], broken: ['sales.yaml'], problems: [] })
    await on.pass(HOUR)
    expect(made(on)).toEqual(['sales-20261120T060000Z'])
  })

  it('pins a run to the version it was made from', async () => {
    const on = await started(sales())
    await on.pass(HOUR)
    await on.register(dag('sales', [task('a'), task('b', ['a'])], { version: 'second', schedule: hourly }))
    await on.finish()
    expect(await on.store.run('sales-20261120T060000Z')).toMatchObject({
      state: 'success',
      version: 'version-of-sales',
    })
  })
})
