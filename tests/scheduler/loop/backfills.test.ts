import { describe, expect, it } from 'vitest'
import type { BackfillRequest } from '../../../scheduler/commands.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import { cronSchedule, dag, everySchedule, NOW, task } from '../core/dags.js'
import { ANA, type Bench, bench } from './bench.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const sales = (set: Partial<Dag> = {}) => dag('sales', [task('a')], { schedule: everySchedule(HOUR), ...set })
const last = (hours: number, set: Partial<BackfillRequest> = {}): BackfillRequest => ({
  from: NOW - hours * HOUR,
  to: NOW,
  which: 'all',
  reverse: false,
  maxActive: 2,
  ...set,
})

async function on(...dags: Dag[]): Promise<Bench> {
  const at = bench()
  at.scheduler.start()
  await at.register(...dags)
  return at
}

/** due hours, relative to now, in the order in which the runs were made */
const hours = (at: Bench) => [...at.store.tables.runs.values()].map(({ run }) => (run.dueAt - NOW) / HOUR)

/** Ends runs one after the other until nothing is left; returns how many were active at most. */
async function workOff(at: Bench): Promise<number> {
  let most = 0
  for (;;) {
    await at.scheduler.idle()
    most = Math.max(most, [...at.store.tables.activeRuns()].length)
    const tasks = [...at.store.tables.activeRuns()].flatMap(({ tasks: rows }) => [...rows.values()])
    if (!tasks.some(({ task: { state } }) => state === 'queued')) return most
    await at.finish()
  }
}

describe('a backfill', () => {
  it('of one idempotency key is started once; another request may not use the key', async () => {
    const at = await on(sales())
    const once = await at.commands.startBackfill('sales', last(3), ANA, 'monday')
    const again = await at.commands.startBackfill('sales', last(3), ANA, 'monday')
    expect([again.id, once.repeated, again.repeated]).toEqual([once.id, false, true])
    await expect(at.commands.startBackfill('sales', last(4), ANA, 'monday')).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    })
    expect(at.store.tables.backfills.size).toBe(1)
  })

  it('makes each interval of its range once, a few at a time, and ends', async () => {
    const at = await on(sales())
    const { id, preview } = await at.commands.startBackfill('sales', last(10), ANA)
    expect(preview).toEqual({
      slots: 10,
      good: 0,
      failed: 0,
      missing: 10,
      makes: 10,
      first: NOW - 9 * HOUR,
      last: NOW,
      maxActive: 2,
    })
    await at.scheduler.idle()
    expect(hours(at)).toEqual([-9, -8])
    expect(await workOff(at)).toBe(2)
    expect(hours(at)).toEqual([-9, -8, -7, -6, -5, -4, -3, -2, -1, 0])
    expect(await at.store.run('sales-20261119T200000Z-backfill1')).toMatchObject({
      kind: 'backfill',
      intervalStart: NOW - 10 * HOUR,
      intervalEnd: NOW - 9 * HOUR,
      triggeredBy: 'ana',
    })
    expect(await at.store.backfill(id)).toMatchObject({ state: 'done', passed: 10, runs: { success: 10 } })
    expect(at.errors).toEqual([])
  })

  it('begins with the latest in reverse', async () => {
    const at = await on(sales())
    await at.commands.startBackfill('sales', last(4, { reverse: true, maxActive: 1 }), ANA)
    await workOff(at)
    expect(hours(at)).toEqual([0, -1, -2, -3])
  })

  it('takes only intervals that lie whole in its range, are over, and begin at or after start', async () => {
    const at = await on(sales({ start: NOW - 3 * HOUR }))
    const range = { from: NOW - 10 * HOUR, to: NOW + DAY }
    const preview = await at.commands.previewBackfill('sales', last(0, range))
    expect(preview).toMatchObject({ slots: 3, first: NOW - 2 * HOUR, last: NOW })
    const within = { from: NOW - 2 * HOUR - 1, to: NOW - 1 }
    expect(await at.commands.previewBackfill('sales', last(0, within))).toMatchObject({ slots: 1 })
  })

  it('of what is missing, or has failed, leaves the rest alone', async () => {
    const at = await on(sales())
    await at.commands.startBackfill('sales', last(6, { to: NOW - 2 * HOUR }), ANA)
    await at.scheduler.idle()
    await at.finish({ result: 'failed', retryable: false })
    await workOff(at)
    const preview = await at.commands.previewBackfill('sales', last(6))
    expect(preview).toMatchObject({ slots: 6, good: 3, failed: 1, missing: 2, makes: 6 })
    await at.commands.startBackfill('sales', last(6, { which: 'missing' }), ANA)
    await workOff(at)
    expect(hours(at)).toEqual([-5, -4, -3, -2, -1, 0])
    await at.commands.startBackfill('sales', last(6, { which: 'failed' }), ANA)
    await workOff(at)
    expect(hours(at)).toEqual([-5, -4, -3, -2, -1, 0, -5])
    const refused = at.commands.startBackfill('sales', last(6, { which: 'missing' }), ANA)
    await expect(refused).rejects.toMatchObject({ code: 'BACKFILL_INVALID' })
  })

  it('passes a long stretch in which nothing is missing at once', async () => {
    const at = await on(sales({ schedule: everySchedule(60_000) }))
    const range = { from: NOW - 1_000 * 60_000, to: NOW, maxActive: 16 }
    await at.commands.startBackfill('sales', last(0, range), ANA)
    await workOff(at)
    at.store.tables.runs.delete('sales-20261120T045900Z-backfill1')
    await at.commands.startBackfill('sales', last(0, { ...range, which: 'missing' }), ANA)
    await at.scheduler.idle()
    expect(at.store.tables.runs.has('sales-20261120T045900Z-backfill2')).toBe(true)
    await workOff(at)
    expect(await at.store.backfill(2)).toMatchObject({ state: 'done', passed: 1_000, runs: { success: 1 } })
  })

  it('leaves a place to the schedule, and its runs go first', async () => {
    const at = await on(sales({ maxActiveRuns: 2 }))
    const { preview } = await at.commands.startBackfill('sales', last(50, { maxActive: null }), ANA)
    expect(preview.maxActive).toBe(1)
    await at.pass(HOUR)
    expect((await at.store.run('sales-20261120T060000Z'))?.state).toBe('running')
    const one = await on(sales({ maxActiveRuns: 1 }))
    await one.commands.startBackfill('sales', last(50, { maxActive: 5 }), ANA)
    await one.pass(HOUR)
    await one.finish()
    expect((await one.store.run('sales-20261120T060000Z'))?.state).toBe('running')
  })

  it('stands still while it is paused, and goes on', async () => {
    const at = await on(sales())
    const { id } = await at.commands.startBackfill('sales', last(5), ANA)
    await at.scheduler.idle()
    await at.commands.pauseBackfill(id, ANA)
    await workOff(at)
    expect(hours(at)).toEqual([-4, -3])
    await expect(at.commands.pauseBackfill(id, ANA)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    await at.commands.resumeBackfill(id, ANA)
    await workOff(at)
    expect(hours(at)).toEqual([-4, -3, -2, -1, 0])
  })

  it('keeps its slots when the schedule changes on the way, and takes the new tasks', async () => {
    const at = await on(sales())
    await at.commands.startBackfill('sales', last(4, { maxActive: 1 }), ANA)
    await at.scheduler.idle()
    await at.register(sales({ version: 'second', schedule: everySchedule(7 * HOUR) }))
    await workOff(at)
    expect(hours(at)).toEqual([-3, -2, -1, 0])
    expect((await at.store.run('sales-20261120T050000Z-backfill1'))?.version).toBe('second')
  })

  it('is cancelled with its runs, and not resumed', async () => {
    const at = await on(sales())
    const { id } = await at.commands.startBackfill('sales', last(5), ANA)
    await at.scheduler.idle()
    const { cancelled } = await at.commands.cancelBackfill(id, ANA)
    await at.scheduler.idle()
    expect(cancelled).toEqual(['sales-20261120T010000Z-backfill1', 'sales-20261120T020000Z-backfill1'])
    expect(await at.store.backfill(id)).toMatchObject({ state: 'cancelled', runs: { cancelled: 2 } })
    await expect(at.commands.resumeBackfill(id, ANA)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    expect(hours(at)).toHaveLength(2)
  })

  it('is refused for what has no intervals', async () => {
    const at = await on(
      sales(),
      dag('by_hand', [task('a')]),
      dag('often', [task('a')], { schedule: cronSchedule('* * * * * *') }),
    )
    const refused = async (dagId: string, request: BackfillRequest) =>
      at.commands.startBackfill(dagId, request, ANA).catch((error: unknown) => String(error))
    expect(await refused('by_hand', last(5))).toContain('no schedule')
    expect(await refused('nobody', last(5))).toContain('There is no DAG nobody')
    expect(await refused('sales', last(0))).toContain('the range is empty')
    expect(await refused('sales', last(0, { from: NOW - HOUR + 1 }))).toContain('no whole interval')
    expect(await refused('often', last(100))).toContain('more than 105120 intervals')
    await expect(at.commands.pauseBackfill(7, ANA)).rejects.toMatchObject({ code: 'BACKFILL_UNKNOWN' })
  })
})

describe('resuming a DAG', () => {
  it.each([
    ['none', 5, 0, []],
    ['last', 5, 1, [5]],
    ['all', 5, 5, [1, 2, 3, 4, 5]],
    [{ windowMs: 2.5 * HOUR }, 5, 3, [3, 4, 5]],
  ] as const)('with %j tells what was missed and makes of it what it says', async (catchup, count, makes, made) => {
    const at = await on(sales({ catchup }))
    await at.commands.pause('sales', '', ANA)
    await at.pass(5 * HOUR + 60_000)
    const expected = { count, first: NOW + HOUR, last: NOW + 5 * HOUR, makes }
    expect(await at.commands.missed('sales')).toEqual(expected)
    expect(await at.commands.resume('sales', ANA)).toEqual(expected)
    await at.scheduler.idle()
    expect(hours(at)).toEqual(made)
    expect((await at.store.dag('sales'))?.nextDueAt).toBe(NOW + 6 * HOUR)
    expect(await at.commands.missed('sales')).toMatchObject({ count: 0 })
  })

  it('may leave all of it out, once', async () => {
    const at = await on(sales({ catchup: 'all' }))
    await at.commands.pause('sales', '', ANA)
    await at.pass(5 * HOUR + 60_000)
    const skipped = await at.commands.resume('sales', ANA, { skipMissed: true })
    expect(skipped).toMatchObject({ count: 5, makes: 0 })
    await at.scheduler.idle()
    expect(hours(at)).toEqual([])
  })
})
