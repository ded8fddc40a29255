import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_ALERTS } from '../../../scheduler/core/alerts.js'
import { Turns } from '../../../scheduler/loop/turns.js'
import { DEFAULT_LIMITS } from '../../../scheduler/scheduler.js'
import { dag, NOW, task } from '../core/dags.js'
import { ANA, BY_HAND, bench } from './bench.js'

const chain = dag('chain', [task('a'), task('b', ['a']), task('c', ['b'])])

async function triggered(of = chain, options: Parameters<typeof bench>[0] = {}) {
  const on = bench(options)
  await on.register(of)
  const { run } = await on.commands.trigger(of.id, BY_HAND, ANA, null)
  await on.scheduler.idle()
  return { on, run }
}

describe('a run', () => {
  it('goes from its first task to its last, each queued as soon as the one before has ended', async () => {
    const { on, run } = await triggered()
    for (const expected of ['a', 'b', 'c']) {
      expect(on.dispatched.at(-1)).toMatchObject({ runId: run, taskId: expected, attempt: 1 })
      expect((await on.finish()).taskId).toBe(expected)
    }
    expect(await on.store.run(run)).toMatchObject({ state: 'success', startedAt: NOW, endedAt: NOW })
    expect(on.errors).toEqual([])
  })

  it('costs a hop two calls to the store, besides the claim and the report', async () => {
    const { on } = await triggered()
    on.calls.length = 0
    await on.finish()
    expect(on.calls).toEqual(['applyDecision', 'queueReady'])
  })

  it('is queued behind the decision where the store works in order, and claimed behind that', async () => {
    const asked: string[] = []
    const { on } = await triggered(chain, { expect: () => new Set(asked.push('claim') > 0 ? ['default'] : []) })
    on.calls.length = 0
    on.dispatched.length = 0
    asked.length = 0
    let answered = false
    const { applyDecision } = on.store
    on.store.applyDecision = async (...args) => {
      const outcome = await applyDecision(...args)
      await new Promise((resolve) => setImmediate(resolve))
      expect(on.calls).toEqual(['applyDecision', 'queueReady'])
      answered = true
      return outcome
    }
    await on.finish()
    expect([answered, asked, on.dispatched]).toEqual([true, ['claim'], []])
    expect(on.calls).toEqual(['applyDecision', 'queueReady'])
    await on.finish()
    // the last decision makes nothing ready
    await on.finish()
    expect(asked).toEqual(['claim', 'claim'])
  })

  it('is hinted all the same when it was queued in a later step than the first', async () => {
    const { on } = await triggered(chain, { expect: () => new Set(['default']) })
    const { queueReady } = on.store
    on.store.queueReady = async (...args) => (await queueReady(...args)).map((task) => ({ ...task, late: true }))
    on.dispatched.length = 0
    await on.finish()
    expect(on.dispatched.map(({ taskId }) => taskId)).toEqual(['b'])
  })

  it('that finds no place is told why once a second, however much else moves', async () => {
    const { on, run } = await triggered(dag('wide', [task('a'), task('b'), task('c')], { maxActiveTasks: 1 }))
    const told: (boolean | undefined)[] = []
    const { queueReady } = on.store
    on.store.queueReady = (now, limit, tell) => {
      told.push(tell)
      return queueReady(now, limit, tell)
    }
    await on.finish()
    await on.finish()
    await on.pass(999)
    expect(told).toEqual([false, false])
    await on.pass(1)
    expect(told).toEqual([false, false, true])
    expect((await on.store.taskRuns(run)).map(({ reason }) => reason).at(-1)).toBe(
      'waits for a worker of queue default',
    )
  })

  it('settles many outcomes at once in one step', async () => {
    const wide = dag('wide', [...Array.from({ length: 50 }, (_, index) => task(`t${index}`))])
    const { on, run } = await triggered(wide)
    const claims = await on.claim(50)
    const ended = claims.map(({ taskId, attempt, claimToken }) => ({
      runId: run,
      taskId,
      attempt,
      claimToken,
      outcome: { taskId, attempt, result: 'success' as const, reason: '', retryable: true, outputs: {}, endedAt: NOW },
      facts: { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} },
    }))
    await on.store.recordOutcomes(ended, NOW)
    on.calls.length = 0
    on.scheduler.recorded(ended)
    await on.scheduler.idle()
    expect(on.calls.filter((call) => call === 'applyDecision')).toHaveLength(1)
    expect((await on.store.run(run))?.state).toBe('success')
  })

  it('tells what happens, in order', async () => {
    const { on, run } = await triggered(dag('one', [task('a')]))
    await on.finish()
    const told = on.events.flatMap((event) => {
      if (event.kind === 'run') return [`run ${event.state}`]
      return event.kind === 'task' ? [`${event.taskId} ${event.state}`] : []
    })
    expect(told).toEqual(['run queued', 'run running', 'a scheduled', 'a queued', 'a success', 'run success'])
    expect(run).toBe('one-20261120T050000000Z-manual')
  })

  it('wakes the outbox when it fails, and not with each success that might have been a recovery', async () => {
    const alerts = { ...NO_ALERTS, onFailure: { email: ['team@example.com'], webhook: null } }
    for (const [result, wakes] of [
      ['success', 0],
      ['failed', 1],
    ] as const) {
      const { on, run } = await triggered(dag('one', [task('a')], { alerts }))
      await on.finish({ result })
      expect((await on.store.run(run))?.state).toBe(result)
      expect(on.events.filter(({ kind }) => kind === 'alerts')).toHaveLength(wakes)
    }
  })

  it('is retried when the time of the retry has come, without a sweep', async () => {
    const { on, run } = await triggered(dag('one', [task('a', [], { retries: 1, retryDelayMs: 800 })]))
    await on.finish({ result: 'failed', reason: 'exit 1' })
    expect((await on.store.taskRuns(run))[0]).toMatchObject({
      state: 'up_for_retry',
      reason: 'retry 1 of 1 at 05:00:00Z: exit 1',
    })
    await on.pass(799)
    expect(await on.states(run)).toEqual({ a: 'up_for_retry' })
    await on.pass(1)
    expect(on.dispatched.at(-1)).toMatchObject({ taskId: 'a', attempt: 2 })
  })

  it('goes on from where it was when the scheduler is another one', async () => {
    const { on, run } = await triggered()
    await on.finish()
    await on.scheduler.stop()
    const [claimed] = await on.claim()
    const { runId, taskId, attempt, claimToken } = claimed ?? { runId: '', taskId: '', attempt: 0, claimToken: '' }
    const outcome = {
      taskId,
      attempt,
      result: 'success' as const,
      reason: '',
      retryable: true,
      outputs: {},
      endedAt: NOW,
    }
    const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
    await on.store.recordOutcomes([{ runId, taskId, attempt, claimToken, outcome, facts }], NOW)

    const next = bench({ store: on.store })
    next.scheduler.start()
    await next.scheduler.idle()
    expect(next.dispatched).toMatchObject([{ runId: run, taskId: 'c' }])
    await next.finish()
    expect((await next.store.run(run))?.state).toBe('success')
  })

  it('is loaded again when another scheduler has changed it', async () => {
    const { on, run } = await triggered(dag('two', [task('a'), task('b')]))
    const other = bench({ store: on.store })
    await other.commands.mark(run, ['b'], 'skipped', ANA)
    await other.scheduler.idle()
    on.calls.length = 0
    await on.finish()
    expect(on.calls).toContain('snapshot')
    expect((await on.store.run(run))?.state).toBe('success')
  })

  it('starts when one before it of the same DAG has ended', async () => {
    const { on, run } = await triggered(dag('one', [task('a')], { maxActiveRuns: 1 }))
    const second = await on.commands.trigger('one', BY_HAND, ANA, null)
    await on.scheduler.idle()
    expect(await on.store.run(second.run)).toMatchObject({
      state: 'queued',
      reason: 'waits: 1 of 1 runs of one are active',
    })
    await on.finish()
    expect((await on.store.run(run))?.state).toBe('success')
    expect((await on.store.run(second.run))?.state).toBe('running')
  })
})

describe('runs that wait to be settled', () => {
  /** in which order they are looked at when all are woken at once */
  async function looked(runs: readonly string[]): Promise<string[]> {
    const on = bench()
    const order = new Set<string>()
    on.store.snapshot = async (runId) => {
      order.add(runId)
      return null
    }
    for (const run of runs) on.scheduler.run(run)
    await on.scheduler.idle()
    return [...order]
  }
  const due = Array.from({ length: 60 }, (_, minute) => `big-20261120T05${String(minute).padStart(2, '0')}00Z`)

  it('take turns by DAG: hundreds of one hold up no run of another', async () => {
    const order = await looked([...due, 'live-20261120T060000Z', 'other-20261120T060000Z'])
    expect(order).toHaveLength(due.length + 2)
    // those that had begun before it came, and one of each other DAG
    expect(order.indexOf('live-20261120T060000Z')).toBeLessThanOrEqual(DEFAULT_LIMITS.parallelRuns + 1)
    expect(order.indexOf('other-20261120T060000Z')).toBeLessThanOrEqual(DEFAULT_LIMITS.parallelRuns + 2)
  })

  it('of a backfill take turns with the others of its DAG', async () => {
    const order = await looked([...due.map((run) => `${run}-backfill7`), 'big-20261120T060000Z'])
    expect(order.indexOf('big-20261120T060000Z')).toBeLessThanOrEqual(DEFAULT_LIMITS.parallelRuns + 1)
  })

  it('go in the order of their coming within a line, once each', () => {
    const visits = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9)), { maxLength: 60 })
    fc.assert(
      fc.property(visits, fc.nat(9), (ids, refused) => {
        const turns = new Turns((id) => id.slice(0, 1))
        const names = [...new Set(ids.map(([line, index]) => `${line}${index}`))]
        for (const [line, index] of ids) turns.add(`${line}${index}`)
        const taken: string[] = []
        for (let id = turns.take(mayGo); id !== null; id = turns.take(mayGo)) taken.push(id)
        function mayGo(id: string): boolean {
          return !id.endsWith(String(refused))
        }
        const lineOf = (all: readonly string[], line: string) => all.filter((id) => id.startsWith(line) && mayGo(id))
        for (const line of ['a', 'b', 'c']) expect(lineOf(taken, line)).toEqual(lineOf(names, line))
        expect(taken).toHaveLength(names.filter(mayGo).length)
        // nobody goes twice while another line has somebody who may go
        for (const [index, id] of taken.entries()) {
          const waiting = new Set(taken.slice(index).map((other) => other.slice(0, 1)))
          if (taken[index - 1]?.slice(0, 1) === id.slice(0, 1)) expect(waiting.size).toBe(1)
        }
        // who was refused has kept its place
        const left: string[] = []
        for (let id = turns.take(() => true); id !== null; id = turns.take(() => true)) left.push(id)
        expect(left.toSorted()).toEqual(names.filter((id) => !mayGo(id)).toSorted())
      }),
    )
  })
})

describe('two schedulers on one store', () => {
  /** `mine` has the only place of the pool, `theirs` waits for it with its run known to the other scheduler alone. */
  async function contended() {
    const mine = bench()
    await mine.store.setPools({ narrow: 1 })
    await mine.register(
      dag('mine', [task('a', [], { pool: 'narrow' })]),
      dag('theirs', [task('b', [], { pool: 'narrow' })]),
    )
    const first = await mine.commands.trigger('mine', BY_HAND, ANA, null)
    await mine.scheduler.idle()
    const other = bench({ store: mine.store })
    const { run } = await other.commands.trigger('theirs', BY_HAND, ANA, null)
    await other.scheduler.idle()
    expect((await mine.store.taskRuns(run))[0]).toMatchObject({
      state: 'scheduled',
      reason: 'pool narrow is full, 1 of 1',
    })
    return { mine, other, ended: first.run, run }
  }

  it('give a place in a pool that one has freed to a task of the other at once', async () => {
    const { mine, run } = await contended()
    await mine.finish()
    expect(mine.dispatched.at(-1)).toMatchObject({ runId: run, taskId: 'b', attempt: 1 })
    expect(await mine.states(run)).toEqual({ b: 'queued' })
  })

  it('do so when the place was freed by hand', async () => {
    const { mine, run, ended } = await contended()
    await mine.commands.mark(ended, ['a'], 'success', ANA)
    await mine.scheduler.idle()
    expect(await mine.states(run)).toEqual({ b: 'queued' })
  })

  it('each go on with a task that the other has queued', async () => {
    const { mine, other, run } = await contended()
    await mine.finish()
    await other.finish()
    expect((await other.store.run(run))?.state).toBe('success')
    expect([...mine.errors, ...other.errors]).toEqual([])
  })
})

describe('the sweep', () => {
  it('reaps a lease that has ended, and the task is retried with the true reason', async () => {
    const { on, run } = await triggered(dag('one', [task('a', [], { retries: 1 })]))
    on.scheduler.start()
    await on.scheduler.idle()
    await on.claim()
    await on.pass(29_000)
    expect(await on.states(run)).toEqual({ a: 'running' })
    await on.pass(7_000)
    expect(on.dispatched.at(-1)).toMatchObject({ taskId: 'a', attempt: 2 })
    const attempt = on.store.tables.attempt(run, 'a', 1)
    expect(attempt?.outcome).toMatchObject({
      result: 'lost',
      reason: 'worker worker-1 was not heard of since 2026-11-20T05:00:00.000Z',
    })
  })

  it('reaps a lease when it ends, not with the sweep after', async () => {
    const { on, run } = await triggered(dag('one', [task('a', [], { retries: 1 })]))
    on.scheduler.start()
    await on.scheduler.idle()
    await on.claim()
    await on.pass(30_000)
    expect(on.store.tables.attempt(run, 'a', 1)?.outcome).toBeNull()
    await on.pass(2)
    expect(on.store.tables.attempt(run, 'a', 1)?.outcome).toMatchObject({ result: 'lost' })
  })

  it('gives the hint again for a task that nobody has claimed', async () => {
    const { on } = await triggered()
    on.scheduler.start()
    await on.pass(9_000)
    expect(on.dispatched).toHaveLength(1)
    await on.pass(10_000)
    expect(on.dispatched.length).toBeGreaterThan(1)
    expect(new Set(on.dispatched.map(({ taskId, attempt }) => `${taskId}/${attempt}`))).toEqual(new Set(['a/1']))
  })

  it('finds an outcome that nobody told of', async () => {
    const { on, run } = await triggered()
    on.scheduler.start()
    await on.scheduler.idle()
    const recorded = on.scheduler.recorded
    on.scheduler.recorded = () => {}
    await on.finish()
    on.scheduler.recorded = recorded
    expect(await on.states(run)).toMatchObject({ a: 'running' })
    await on.pass(5_000)
    expect(await on.states(run)).toMatchObject({ a: 'success', b: 'queued' })
  })
})

describe('failures', () => {
  it('of the store are logged, and the run goes on a second later', async () => {
    const { on, run } = await triggered()
    const { applyDecision } = on.store
    on.store.applyDecision = async () => {
      throw new Error('the disk is full')
    }
    await on.finish()
    expect(on.errors).toEqual(['settling a run failed; it is tried again'])
    on.store.applyDecision = applyDecision
    await on.pass(1_000)
    expect(await on.states(run)).toMatchObject({ a: 'success', b: 'queued' })
  })

  it('leave no timer behind once it is stopped', async () => {
    const { on } = await triggered()
    on.scheduler.start()
    await on.scheduler.idle()
    expect(on.clock.armed).toBe(1)
    await on.scheduler.stop()
    expect(on.clock.armed).toBe(0)
    on.scheduler.all()
    on.scheduler.run('chain-20261120T050000000Z-manual')
    await on.scheduler.idle()
    expect(on.clock.armed).toBe(0)
  })
})

describe('a crash between two writes', () => {
  it.each(['run:decided', 'run:applied', 'ready:queued', 'runs:started'] as const)(
    'at %s loses nothing',
    async (at) => {
      let armed = false
      const never = new Promise<void>(() => {})
      const { on, run } = await triggered(chain, { debugPoint: (point) => (armed && point === at ? never : undefined) })
      armed = true
      if (at === 'runs:started') await on.commands.trigger('chain', BY_HAND, ANA, null)
      const [claimed] = await on.claim()
      const { runId, taskId, attempt, claimToken } = claimed ?? { runId: '', taskId: '', attempt: 0, claimToken: '' }
      const outcome = {
        taskId,
        attempt,
        result: 'success' as const,
        reason: '',
        retryable: true,
        outputs: {},
        endedAt: NOW,
      }
      const facts = { rendered: null, logLines: 0, logBytes: 0, reads: [], writes: [], checks: [], metrics: {} }
      await on.store.recordOutcomes([{ runId, taskId, attempt, claimToken, outcome, facts }], NOW)
      on.scheduler.recorded([{ runId, outcome }])
      // the first one hangs where it is, for good
      for (let turn = 0; turn < 50; turn += 1) await null

      const next = bench({ store: on.store })
      next.scheduler.start()
      while ((await next.store.run(run))?.state === 'running') await next.finish()
      expect(await next.states(run)).toEqual({ a: 'success', b: 'success', c: 'success' })
    },
  )
})
