import { describe, expect, it } from 'vitest'
import { type ErrorCode, isSluiceError } from '../../../errors.js'
import type { ManualRunOptions } from '../../../scheduler/core/model.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import { cronSchedule, dag, NOW, task } from '../core/dags.js'
import { ANA, BY_HAND, bench } from '../loop/bench.js'

const HOUR = 3_600_000
const sales = (set: Partial<Dag> = {}) => dag('sales', [task('a'), task('b', ['a']), task('c', ['b'])], set)

async function on(of: Dag = sales()) {
  const here = bench()
  await here.register(of)
  const trigger = (options: Partial<ManualRunOptions> = {}, key: string | null = null) =>
    here.commands.trigger('sales', { ...BY_HAND, ...options }, ANA, key)
  return { ...here, trigger }
}

async function refusal(code: ErrorCode, act: Promise<unknown>): Promise<string> {
  const error = await act.then(
    () => new Error('not refused'),
    (reason: unknown) => reason,
  )
  expect(error).toSatisfy((thrown) => isSluiceError(thrown, code))
  return error instanceof Error ? error.message : ''
}

describe('trigger', () => {
  it('makes the run durable before it answers, named after its instant', async () => {
    const { trigger, store } = await on()
    const { run, repeated } = await trigger()
    expect({ run, repeated }).toEqual({ run: 'sales-20261120T050000000Z-manual', repeated: false })
    expect(await store.run(run)).toMatchObject({
      kind: 'manual',
      triggeredBy: 'ana',
      intervalStart: NOW,
      intervalEnd: NOW,
    })
    expect(store.tables.audit).toMatchObject([{ user: 'ana', action: 'trigger', target: 'sales' }])
  })

  it('gives two triggers within one millisecond two runs', async () => {
    const { trigger } = await on()
    const runs = await Promise.all([trigger(), trigger(), trigger()])
    expect(new Set(runs.map(({ run }) => run)).size).toBe(3)
  })

  it('takes the latest complete interval of a schedule', async () => {
    const { trigger, store, clock } = await on(sales({ schedule: cronSchedule('0 * * * *') }))
    await clock.moveTo(NOW + HOUR / 2, async () => {})
    expect(await store.run((await trigger()).run)).toMatchObject({ intervalStart: NOW - HOUR, intervalEnd: NOW })
  })

  it('takes the interval it is told, and refuses an empty one', async () => {
    const { trigger, store } = await on()
    const { run } = await trigger({ interval: { start: NOW - 2 * HOUR, end: NOW - HOUR } })
    expect(await store.run(run)).toMatchObject({ intervalStart: NOW - 2 * HOUR, intervalEnd: NOW - HOUR })
    await refusal('INTERVAL_INVALID', trigger({ interval: { start: NOW, end: NOW } }))
  })

  it('limits the run to the tasks it is told, and refuses unknown ones', async () => {
    const { trigger, store, scheduler, states } = await on()
    const { run } = await trigger({ onlyTasks: ['b', 'c'] })
    await scheduler.idle()
    expect(await states(run)).toEqual({ b: 'queued', c: 'none' })
    expect((await store.run(run))?.onlyTasks).toEqual(['b', 'c'])
    expect(await refusal('TASK_UNKNOWN', trigger({ onlyTasks: ['x'] }))).toContain('no task x')
    await refusal('TASK_UNKNOWN', trigger({ onlyTasks: [] }))
  })

  it('checks parameters, with a sentence for each field', async () => {
    const { trigger, store } = await on(
      sales({
        params: {
          country: { type: 'string', enum: ['all', 'France'], default: 'all' },
          rows: { type: 'integer', minimum: 1 },
          day: { type: 'date', default: '2026-01-01' },
        },
      }),
    )
    const message = await refusal(
      'PARAMS_INVALID',
      trigger({ params: { country: 'Spain', rows: 0, day: 'soon', x: 1 } }),
    )
    for (const name of ['`country`', '`rows`', '`day`', '`x`']) expect(message).toContain(name)
    expect(await refusal('PARAMS_INVALID', trigger())).toContain('`rows` is missing')
    const near = await refusal('PARAMS_INVALID', trigger({ params: { rows: 1, country: 'Frence' } }))
    expect(near).toMatch(/not the text "Frence": did you mean `France`\?$/)
    const { run } = await trigger({ params: { rows: 3 } })
    expect((await store.run(run))?.params).toEqual({ country: 'all', rows: 3, day: '2026-01-01' })
  })

  it('repeats a request with the same key, whatever the order of its parameters', async () => {
    const params = { a: { type: 'integer' as const, default: 0 }, b: { type: 'integer' as const, default: 0 } }
    const { trigger, store } = await on(sales({ params }))
    const first = await trigger({ params: { a: 1, b: 2 } }, 'key')
    expect(await trigger({ params: { b: 2, a: 1 } }, 'key')).toEqual({ run: first.run, repeated: true })
    expect(store.tables.runs.size).toBe(1)
    await refusal('IDEMPOTENCY_CONFLICT', trigger({ params: { a: 1, b: 3 } }, 'key'))
  })

  it('leaves one audit row for each run that it makes, and none for a repeated or refused request', async () => {
    const { trigger, store } = await on(sales({ params: { a: { type: 'integer', default: 0 } } }))
    // both want the same instant, so that one of them tries twice
    const [first, second] = await Promise.all([trigger({ params: { a: 1 } }, 'key'), trigger()])
    await trigger({ params: { a: 1 } }, 'key')
    await refusal('IDEMPOTENCY_CONFLICT', trigger({ params: { a: 2 } }, 'key'))
    await refusal('PARAMS_INVALID', trigger({ params: { b: 2 } }))
    expect(store.tables.audit.map(({ detail }) => detail.run).sort()).toEqual([first.run, second.run].sort())
  })

  it('finds the run of a repeated request although its DAG has changed or gone since', async () => {
    const { trigger, register, store } = await on(sales({ params: { a: { type: 'integer', default: 0 } } }))
    const first = await trigger({ params: { a: 1 } }, 'key')
    await register({ ...sales(), version: 'without a' })
    expect(await trigger({ params: { a: 1 } }, 'key')).toEqual({ run: first.run, repeated: true })
    await register()
    expect(await trigger({ params: { a: 1 } }, 'key')).toEqual({ run: first.run, repeated: true })
    await refusal('IDEMPOTENCY_CONFLICT', trigger({ params: { a: 2 } }, 'key'))
    expect(store.tables.audit).toHaveLength(1)
  })

  it('refuses a DAG that does not exist or whose file has gone', async () => {
    const { commands, register, trigger } = await on()
    await refusal('DAG_UNKNOWN', commands.trigger('stock', BY_HAND, ANA, null))
    await register()
    expect(await refusal('DAG_UNKNOWN', trigger())).toContain('sales.yaml, has disappeared')
  })

  it('says of a file that was never good what is wrong with it', async () => {
    const { commands, scheduler } = await on()
    const wrong = {
      file: 'team/stock.yaml',
      line: 3,
      column: 1,
      path: 'tasks',
      hint: '',
      message: 'there are no tasks',
    }
    const problems = [{ ...wrong, severity: 'error' as const }]
    await scheduler.register({ dags: [sales()], broken: ['team/stock.yaml'], problems })
    const said = await refusal('DAG_INVALID', commands.trigger('stock', BY_HAND, ANA, null))
    expect(said).toBe('team/stock.yaml has problems and was never good: line 3, there are no tasks.')
    await refusal('DAG_UNKNOWN', commands.trigger('stocks', BY_HAND, ANA, null))
  })
})

describe('a delivery', () => {
  const delivery = { webhook: 'orders', id: 'd1', bodyHash: 'h1', payload: {} }
  const hooked = () => sales({ triggers: [{ kind: 'webhook', name: 'orders', connection: 'shop', params: {} }] })

  it('makes one run and one audit row, however often it comes, also when its DAG has gone', async () => {
    const { commands, register, store } = await on(hooked())
    const first = await commands.deliver('sales', delivery)
    expect(await commands.deliver('sales', delivery)).toEqual({ run: first.run, repeated: true })
    await register()
    expect(await commands.deliver('sales', delivery)).toEqual({ run: first.run, repeated: true })
    await refusal('IDEMPOTENCY_CONFLICT', commands.deliver('sales', { ...delivery, bodyHash: 'h2' }))
    const detail = { run: first.run, delivery: 'd1' }
    expect(store.tables.audit).toMatchObject([{ user: 'webhook orders', action: 'trigger', target: 'sales', detail }])
  })
})

describe('commands on a run', () => {
  it('cancel: stops what runs, and the run ends cancelled with its attempt', async () => {
    const { trigger, scheduler, claim, commands, stopped, store, states } = await on()
    const { run } = await trigger()
    await scheduler.idle()
    const [claimed] = await claim()
    await commands.cancel(run, ANA)
    expect(stopped).toEqual([{ runId: run, taskId: 'a', attempt: 1 }])
    expect(await states(run)).toEqual({ a: 'running', b: 'cancelled', c: 'cancelled' })
    const outcome = {
      taskId: 'a',
      attempt: 1,
      result: 'cancelled' as const,
      reason: '',
      retryable: false,
      outputs: {},
      endedAt: NOW,
    }
    const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
    const ref = { runId: run, taskId: 'a', attempt: 1, claimToken: claimed?.claimToken ?? '' }
    expect(await store.recordOutcomes([{ ...ref, outcome, facts }], NOW)).toEqual(['recorded'])
    scheduler.recorded([{ runId: run, outcome }])
    await scheduler.idle()
    expect(await store.run(run)).toMatchObject({ state: 'cancelled', reason: 'cancelled by ana' })
    expect(await refusal('STATE_CONFLICT', commands.cancel(run, ANA))).toContain('has ended already: cancelled')
  })

  it('clear: runs again what failed and what needs it', async () => {
    const { trigger, finish, commands, scheduler, states, store } = await on()
    const { run } = await trigger()
    await finish()
    await finish({ result: 'failed' })
    expect((await store.run(run))?.state).toBe('failed')
    expect(await commands.clear(run, ['b'], { downstream: true, failedOnly: false }, ANA)).toEqual({
      cleared: ['b', 'c'],
    })
    await scheduler.idle()
    expect(await states(run)).toEqual({ a: 'success', b: 'queued', c: 'none' })
    const again = await finish()
    expect(again).toMatchObject({ taskId: 'b', attempt: 2, tries: 1, generation: 2 })
    await finish()
    expect((await store.run(run))?.state).toBe('success')
  })

  it('clear: a run that has to wait for its place is not looked at before it starts', async () => {
    const { trigger, finish, commands, scheduler, store, calls } = await on(sales({ maxActiveRuns: 1 }))
    const { run } = await trigger()
    for (const _ of ['a', 'b', 'c']) await finish()
    const { run: other } = await trigger()
    await scheduler.idle()
    expect((await store.run(other))?.state).toBe('running')
    calls.length = 0
    await commands.clear(run, null, { downstream: false, failedOnly: false }, ANA)
    await scheduler.idle()
    expect(calls.filter((call) => call === 'snapshot')).toHaveLength(1)
    expect(await store.run(run)).toMatchObject({
      state: 'queued',
      reason: 'waits: 1 of 1 runs of sales are active',
    })
    for (const _ of ['a', 'b', 'c']) await finish()
    expect((await finish()).runId).toBe(run)
  })

  it('clear: what depends on a run goes on while that waits in the queue', async () => {
    const { trigger, finish, commands, scheduler, calls } = await on(sales({ dependsOnPast: true, maxActiveRuns: 1 }))
    const { run } = await trigger()
    for (const _ of ['a', 'b', 'c']) await finish()
    await trigger()
    await scheduler.idle()
    calls.length = 0
    await commands.clear(run, null, { downstream: false, failedOnly: false }, ANA)
    await scheduler.idle()
    expect(calls).toContain('nextRun')
  })

  it('clear of a range: in parts, and what ran again since is not taken a second time', async () => {
    const { trigger, finish, commands, scheduler, store, clock } = await on(
      dag('sales', [task('a')], { maxActiveRuns: 99 }),
    )
    const runs: string[] = []
    for (let index = 0; index < 52; index += 1) {
      const start = NOW - (60 - index) * HOUR
      runs.push((await trigger({ interval: { start, end: start + HOUR } })).run)
      await finish()
    }
    await clock.moveTo(NOW + 1_000, () => scheduler.idle())
    const range = { from: NOW - 60 * HOUR, to: NOW, endedBefore: NOW + 1_000 }
    const all = { downstream: false, failedOnly: false }
    const first = await commands.clearRuns('sales', { ...range, after: null }, null, all, ANA)
    expect(first).toEqual({ cleared: runs.slice(0, 50).map((run) => ({ run, tasks: ['a'] })), next: runs[49] })
    await scheduler.idle()
    expect((await finish()).runId).toBe(runs[0])
    // cut off here, and sent again from the beginning
    const again = await commands.clearRuns('sales', { ...range, after: null }, null, all, ANA)
    expect(again).toEqual({ cleared: runs.slice(50).map((run) => ({ run, tasks: ['a'] })), next: null })
    expect(await store.run(runs[0] ?? '')).toMatchObject({ state: 'success' })
    expect(await commands.clearRuns('sales', { ...range, after: first.next }, null, all, ANA)).toEqual({
      cleared: [],
      next: null,
    })
  })

  it('clear of a range: leaves alone what somebody else has cleared since it was chosen', async () => {
    const { trigger, commands, scheduler, store, claim } = await on()
    const { run } = await trigger()
    await scheduler.idle()
    await claim()
    store.runsToClear = async () => [run]
    const range = { from: NOW - HOUR, to: NOW + HOUR, endedBefore: NOW + HOUR, after: null }
    const all = { downstream: false, failedOnly: false }
    expect(await commands.clearRuns('sales', range, null, all, ANA)).toEqual({ cleared: [], next: null })
    expect((await store.taskRuns(run))[0]).toMatchObject({ state: 'running', cancelRequested: false })
  })

  it('clear of a range: is refused for what is not there', async () => {
    const { trigger, commands } = await on()
    const { run } = await trigger()
    const all = { downstream: false, failedOnly: false }
    const range = { from: NOW - HOUR, to: NOW + HOUR, endedBefore: NOW, after: null }
    await refusal('DAG_UNKNOWN', commands.clearRuns('nobody', range, null, all, ANA))
    await refusal('TASK_UNKNOWN', commands.clearRuns('sales', range, ['z'], all, ANA))
    await refusal('INTERVAL_INVALID', commands.clearRuns('sales', { ...range, to: range.from }, null, all, ANA))
    await refusal('RUN_UNKNOWN', commands.clearRuns('sales', { ...range, after: 'sales-1' }, null, all, ANA))
    // it has not ended
    expect(await commands.clearRuns('sales', { ...range, after: run }, null, all, ANA)).toEqual({
      cleared: [],
      next: null,
    })
  })

  it('clear of a running task: stops it, and it runs again once it has', async () => {
    const { trigger, scheduler, claim, commands, stopped, store, states } = await on()
    const { run } = await trigger()
    await scheduler.idle()
    const [claimed] = await claim()
    await commands.clear(run, ['a'], { downstream: false, failedOnly: false }, ANA)
    await scheduler.idle()
    expect(stopped).toHaveLength(1)
    expect(await states(run)).toMatchObject({ a: 'running' })
    const outcome = {
      taskId: 'a',
      attempt: 1,
      result: 'success' as const,
      reason: '',
      retryable: true,
      outputs: {},
      endedAt: NOW,
    }
    const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
    const ref = { runId: run, taskId: 'a', attempt: 1, claimToken: claimed?.claimToken ?? '' }
    await store.recordOutcomes([{ ...ref, outcome, facts }], NOW)
    scheduler.recorded([{ runId: run, outcome }])
    await scheduler.idle()
    const [again] = await claim()
    expect(again).toMatchObject({ taskId: 'a', attempt: 2, generation: 2, tries: 1 })
  })

  it('mark: acts on what has been reported but not settled yet', async () => {
    const { trigger, scheduler, claim, commands, store, states } = await on()
    const { run } = await trigger()
    await scheduler.idle()
    const [claimed] = await claim()
    const outcome = {
      taskId: 'a',
      attempt: 1,
      result: 'success' as const,
      reason: '',
      retryable: true,
      outputs: { rows: 1 },
      endedAt: NOW,
    }
    const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
    const ref = { runId: run, taskId: 'a', attempt: 1, claimToken: claimed?.claimToken ?? '' }
    await store.recordOutcomes([{ ...ref, outcome, facts }], NOW)
    expect(await commands.mark(run, ['a', 'c'], 'success', ANA)).toEqual({ marked: ['c'] })
    await scheduler.idle()
    expect(await states(run)).toEqual({ a: 'success', b: 'queued', c: 'success' })
    expect((await store.taskRuns(run))[0]?.outputs).toEqual({ rows: 1 })
  })

  it('begin anew when the run moves under them', async () => {
    const { trigger, scheduler, commands, store } = await on()
    const { run } = await trigger()
    await scheduler.idle()
    const { applyDecision } = store
    let conflicts = 0
    store.applyDecision = async (...args) => {
      conflicts += 1
      return conflicts <= 3 ? 'conflict' : applyDecision(...args)
    }
    expect(await commands.mark(run, ['c'], 'failed', ANA)).toEqual({ marked: ['c'] })
    store.applyDecision = async () => 'conflict'
    await refusal('STATE_CONFLICT', commands.mark(run, ['c'], 'success', ANA))
    expect(store.tables.audit.filter(({ action }) => action === 'mark')).toHaveLength(2)
  })

  it('are refused for runs and tasks that do not exist, and leave no audit row then', async () => {
    const { trigger, commands, store } = await on()
    await refusal('RUN_UNKNOWN', commands.cancel('sales-x', ANA))
    const { run } = await trigger()
    await refusal('TASK_UNKNOWN', commands.clear(run, ['x'], { downstream: false, failedOnly: false }, ANA))
    await refusal('TASK_UNKNOWN', commands.mark(run, ['x'], 'success', ANA))
    await refusal('TASK_UNKNOWN', commands.cancelTask(run, 'x', ANA))
    expect(store.tables.audit.map(({ action }) => action)).toEqual(['trigger'])
  })

  it('cancel of a task: what needs it follows its rule, and it cannot be cancelled twice', async () => {
    const { trigger, commands, scheduler, states } = await on()
    const { run } = await trigger()
    await commands.cancelTask(run, 'b', ANA)
    await scheduler.idle()
    expect(await states(run)).toMatchObject({ b: 'cancelled', c: 'upstream_failed' })
    await refusal('STATE_CONFLICT', commands.cancelTask(run, 'b', ANA))
  })
})

describe('pause and resume', () => {
  const hourly = sales({ schedule: cronSchedule('0 * * * *') })

  it('no run is made while paused, and missed ticks are not made up for', async () => {
    const { commands, scheduler, store, pass } = await on(hourly)
    scheduler.start()
    await commands.pause('sales', 'month end', ANA)
    expect(await store.dag('sales')).toMatchObject({ paused: true, pauseReason: 'paused by ana: month end' })
    await pass(3 * HOUR + 1)
    expect(store.tables.runs.size).toBe(0)
    await commands.resume('sales', ANA)
    await scheduler.idle()
    expect(await store.dag('sales')).toMatchObject({ paused: false, pauseReason: '', nextDueAt: NOW + 4 * HOUR })
    expect(store.tables.runs.size).toBe(0)
    await pass(HOUR)
    expect([...store.tables.runs.keys()]).toEqual(['sales-20261120T090000Z'])
  })

  it('change nothing when it is so already, and are refused for what is not there', async () => {
    const { commands, store, register } = await on(hourly)
    await commands.resume('sales', ANA)
    expect((await store.dag('sales'))?.nextDueAt).toBe(NOW + HOUR)
    await refusal('DAG_UNKNOWN', commands.pause('stock', '', ANA))
    await refusal('DAG_UNKNOWN', commands.resume('stock', ANA))
    await register()
    expect(await refusal('STATE_CONFLICT', commands.resume('sales', ANA))).toContain('has disappeared')
    expect(store.tables.audit).toMatchObject([{ action: 'resume', target: 'sales' }])
  })
})
