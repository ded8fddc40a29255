import { describe, expect, it } from 'vitest'
import { GRACE_MS } from '../../../scheduler/loop/reaper.js'
import type { ClaimedTask } from '../../../scheduler/store/store.js'
import { dag, task } from '../core/dags.js'
import { ANA, type Bench, BY_HAND, bench, NO_FACTS } from './bench.js'

const LEASE_MS = 30_000
const AWAY_MS = 40_000

/** A task runs on a worker that the test plays; its lease is kept by nobody. */
async function claimed(on: Bench): Promise<ClaimedTask> {
  await on.register(dag('sales', [task('a')]))
  await on.commands.trigger('sales', BY_HAND, ANA, null)
  await on.scheduler.idle()
  on.scheduler.start()
  await on.pass(1_000)
  const [claim] = await on.claim()
  if (claim === undefined) throw new Error('There is nothing to claim.')
  return claim
}

/** The store answers nobody for so long. */
async function away(on: Bench, ms: number): Promise<void> {
  const { reapExpired, nextLeaseEnd } = on.store
  const silent = () => Promise.reject(new Error('the store is away'))
  Object.assign(on.store, { reapExpired: silent, nextLeaseEnd: silent })
  await on.pass(ms)
  Object.assign(on.store, { reapExpired, nextLeaseEnd })
}

async function report(on: Bench, { runId, taskId, attempt, claimToken }: ClaimedTask) {
  const ended = { result: 'success', reason: '', retryable: true, outputs: {}, endedAt: on.clock.now() } as const
  const outcome = { taskId, attempt, ...ended }
  return on.store.recordOutcomes([{ runId, taskId, attempt, claimToken, outcome, facts: NO_FACTS }], on.clock.now())
}

const resultOf = ({ store }: Bench, { runId, taskId }: ClaimedTask) =>
  store.tables.attempt(runId, taskId, 1)?.outcome?.result

describe('a lease that ended while the store was away', () => {
  it('leaves its worker time to report what it has done', async () => {
    const on = bench()
    const claim = await claimed(on)
    await away(on, AWAY_MS)
    await on.pass(GRACE_MS - 1_000)
    expect(await report(on, claim)).toEqual(['recorded'])
    await on.pass(10_000)
    expect(await on.store.run(claim.runId)).toMatchObject({ state: 'success' })
  })

  it('counts as lost when nobody has kept it after that', async () => {
    const on = bench()
    const claim = await claimed(on)
    await away(on, AWAY_MS)
    await on.pass(GRACE_MS - 1_000)
    expect(resultOf(on, claim)).toBeUndefined()
    await on.pass(1_000 + 5_000)
    expect(resultOf(on, claim)).toBe('lost')
  })

  it('is left alone by a scheduler that has just started too, which cannot know where the store was', async () => {
    const first = bench()
    const claim = await claimed(first)
    await first.scheduler.stop()
    const next = bench({ store: first.store })
    await next.pass(LEASE_MS + 5_000)
    next.scheduler.start()
    await next.pass(GRACE_MS - 1)
    expect(resultOf(next, claim)).toBeUndefined()
    await next.pass(1)
    expect(resultOf(next, claim)).toBe('lost')
  })

  it('is reaped at once by a scheduler that has heard of the store all along', async () => {
    const on = bench()
    const claim = await claimed(on)
    await away(on, 10_000)
    await on.pass(LEASE_MS - 10_000)
    expect(resultOf(on, claim)).toBeUndefined()
    await on.pass(2)
    expect(resultOf(on, claim)).toBe('lost')
  })
})

describe('a scheduler whose sweeps are far between', () => {
  it('does not take the time between its own looks for one outage after the other', async () => {
    const on = bench({ limits: { sweepMs: 1_000_000_000 } })
    const claim = await claimed(on)
    await on.pass(LEASE_MS + GRACE_MS)
    expect(resultOf(on, claim)).toBe('lost')
  })
})
