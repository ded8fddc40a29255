import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../scheduler/scheduler.js'
import { cronSchedule, dag, NOW, task } from '../core/dags.js'
import { ANA, type Bench, BY_HAND, bench, NO_FACTS } from './bench.js'

const HOUR = 3_600_000
const wide = dag('wide', [task('long'), task('short'), task('after', ['short'])])

/** A scheduler that begins where the first was killed. */
async function next({ store }: Bench): Promise<Bench> {
  const second = bench({ store })
  second.scheduler.start()
  await second.scheduler.idle()
  return second
}

/** Its run has a task that runs on, and another that has failed. */
async function halfFailed(): Promise<{ on: Bench; run: string }> {
  const on = bench()
  await on.register(wide)
  const { run } = await on.commands.trigger('wide', BY_HAND, ANA, null)
  await on.scheduler.idle()
  expect((await on.claim()).map(({ taskId }) => taskId)).toEqual(['long'])
  await on.finish({ result: 'failed' })
  expect(await on.states(run)).toEqual({ long: 'running', short: 'failed', after: 'upstream_failed' })
  return { on, run }
}

describe('a command that nobody hears of', () => {
  const commands = {
    clear: ({ commands }: Bench, run: string) =>
      commands.clear(run, ['short'], { downstream: true, failedOnly: false }, ANA),
    mark: ({ commands }: Bench, run: string) => commands.mark(run, ['short'], 'success', ANA),
  }

  it.each([
    ['clear', { long: 'running', short: 'queued', after: 'none' }],
    ['mark', { long: 'running', short: 'success', after: 'queued' }],
  ] as const)('is gone on with by the next sweep beside a task that runs: %s', async (command, states) => {
    const { on, run } = await halfFailed()
    await on.scheduler.stop()
    await commands[command](on, run)
    expect((await on.store.run(run))?.unsettled).toBe(true)
    const second = await next(on)
    expect(await on.states(run)).toEqual(states)
    expect((await on.store.run(run))?.unsettled).toBe(false)
    expect(second.errors).toEqual([])
  })

  it('cancelling one task has what needs it judged', async () => {
    const on = bench()
    await on.register(dag('wide', [task('long'), task('late', ['long']), task('after', ['late'])]))
    const { run } = await on.commands.trigger('wide', BY_HAND, ANA, null)
    await on.scheduler.idle()
    await on.claim()
    await on.scheduler.stop()
    await on.commands.cancelTask(run, 'late', ANA)
    await next(on)
    expect(await on.states(run)).toEqual({ long: 'running', late: 'cancelled', after: 'upstream_failed' })
  })

  it('marks no run that it leaves nothing to decide about, so that no step is made for the mark alone', async () => {
    const { on, run } = await halfFailed()
    await on.commands.cancelTask(run, 'long', ANA)
    await on.scheduler.idle()
    const { revision } = (await on.store.run(run)) ?? { revision: -1 }
    await on.scheduler.stop()
    await on.commands.clear(run, ['long'], { downstream: false, failedOnly: false }, ANA)
    expect(await on.store.run(run)).toMatchObject({ revision: revision + 1, unsettled: false })
  })
})

describe('a task that depends on the past', () => {
  it('goes on with the next sweep when the scheduler is killed before it wakes the run, beside a task that runs', async () => {
    let killed = false
    const on = bench({ debugPoint: (point) => (killed && point === 'run:applied' ? new Promise(() => {}) : undefined) })
    const tasks = [task('load', [], { dependsOnPast: true }), task('long')]
    await on.register(dag('daily', tasks, { schedule: cronSchedule('0 * * * *'), start: NOW, catchup: 'all' }))
    await on.pass(2 * HOUR)
    const [first, second] = [...on.store.tables.runs.keys()].sort()
    if (first === undefined || second === undefined) throw new Error('There are no two runs.')
    expect(await on.states(second)).toEqual({ load: 'none', long: 'queued' })
    const claims = await on.claim(3)
    const load = claims.find(({ taskId }) => taskId === 'load')
    if (load === undefined) throw new Error('It was not claimed.')
    killed = true
    const outcome = { result: 'success', reason: '', retryable: true, outputs: {}, endedAt: on.clock.now() } as const
    const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
    await on.store.recordOutcomes([{ ...load, outcome: { ...load, ...outcome }, facts }], on.clock.now())
    on.scheduler.run(first)
    while ((await on.states(first)).load !== 'success') await new Promise((resolve) => setImmediate(resolve))
    expect(await on.states(second)).toEqual({ load: 'none', long: 'running' })
    const successor = await next(on)
    expect(await on.states(second)).toEqual({ load: 'queued', long: 'running' })
    await successor.pass(DEFAULT_LIMITS.sweepMs as number)
    expect(successor.errors).toEqual([])
  })
})

describe('what nobody hears of beside many runs about which nothing can be done yet', () => {
  it('is found at one of the next sweeps', async () => {
    const on = bench({ limits: { foundRuns: 2 } })
    await on.register(dag('sales', [task('a')]))
    const trigger = async () => {
      const { run } = await on.commands.trigger('sales', BY_HAND, ANA, null)
      await on.pass(1)
      return run
    }
    const stopping = [await trigger(), await trigger(), await trigger()]
    const heard = await trigger()
    const claims = await on.claim(4)
    // their attempts never come to an end here, so each look finds them
    for (const run of stopping) await on.commands.cancel(run, ANA)
    const last = claims.find(({ runId }) => runId === heard)
    if (last === undefined) throw new Error('the last run was not claimed')
    const outcome = { taskId: 'a', attempt: 1, result: 'success', reason: '', retryable: true, outputs: {} } as const
    const ended = { ...outcome, endedAt: on.clock.now() }
    await on.store.recordOutcomes([{ ...last, outcome: ended, facts: NO_FACTS }], on.clock.now())
    on.scheduler.start()
    await on.scheduler.idle()
    expect(await on.store.run(heard)).toMatchObject({ state: 'running' })
    await on.pass(DEFAULT_LIMITS.sweepMs as number)
    expect(await on.store.run(heard)).toMatchObject({ state: 'success' })
  })
})
