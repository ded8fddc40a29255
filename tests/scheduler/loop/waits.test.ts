import { describe, expect, it } from 'vitest'
import type { ChildWait, RunWait, Wait } from '../../../operators/wait.js'
import type { ParamSpec } from '../../../scheduler/dag/model.js'
import { dag, NOW, task } from '../core/dags.js'
import { ANA, BY_HAND, bench } from './bench.js'

const parent = dag('sales', [task('a', [], { retries: 1 }), task('b', ['a'])], { maxActiveRuns: 9 })
const rows: ParamSpec = { type: 'integer', default: 1 }
const child = dag('publish', [task('x')], { params: { rows }, maxActiveRuns: 9 })

const CHILD: ChildWait = {
  ...{
    on: 'dag:publish',
    kind: 'child',
    dag: 'publish',
    key: 'k/1',
    params: { rows: '5' },
    interval: 'same',
    wait: true,
  },
}
const LAST: RunWait = { on: 'dag:publish', kind: 'run', dag: 'publish', interval: null, states: ['success'] }

/** A run of sales whose task a has just been deferred. */
async function waiting(waitsFor: Wait, options: Parameters<typeof bench>[0] = {}) {
  const on = bench(options)
  await on.register(parent, child)
  const { run } = await on.commands.trigger('sales', BY_HAND, ANA, null)
  await on.finish({ result: 'deferred', reason: 'waits', wakeAt: null, waitsFor })
  const children = () => [...on.store.tables.runs.values()].flatMap(({ run }) => (run.parent ? run : []))
  return { on, run, children }
}

const woken = async (on: ReturnType<typeof bench>) => {
  await on.scheduler.idle()
  return (await on.claim(10)).map(({ taskId, woken }) => ({ taskId, woken }))
}

describe('a task that starts a run', () => {
  it('gets it at once, with its interval, and goes on when it has ended', async () => {
    const { on, run, children } = await waiting(CHILD)
    const [made] = children()
    expect(made).toMatchObject({
      ...{ dagId: 'publish', kind: 'manual', params: { rows: 5 }, triggeredBy: `${run}/a` },
      parent: { runId: run, taskId: 'a', generation: 1, waits: true },
      ...{ intervalStart: NOW, intervalEnd: NOW },
    })
    expect(await on.states(run)).toEqual({ a: 'deferred', b: 'none' })
    await on.finish({ result: 'failed' })
    expect(await woken(on)).toEqual([{ taskId: 'a', woken: { run: made?.id, state: 'failed' } }])
    expect(on.errors).toEqual([])
  })

  it('goes on at once when it does not wait', async () => {
    const { on, children } = await waiting({ ...CHILD, wait: false })
    const claims = await woken(on)
    expect(claims).toContainEqual({ taskId: 'a', woken: { run: children()[0]?.id, state: 'running' } })
  })

  it('gets one run however often and by however many it is made', async () => {
    const { on, run, children } = await waiting(CHILD)
    const second = bench({ store: on.store })
    await Promise.all([on, second].map(({ scheduler }) => scheduler.start()))
    await Promise.all([on, second].map(({ scheduler }) => scheduler.idle()))
    expect(children()).toHaveLength(1)
    expect(await on.states(run)).toMatchObject({ a: 'deferred' })
  })

  it('gets it although the scheduler died before it made it', async () => {
    const dead = bench({ debugPoint: (point) => (point === 'run:applied' ? new Promise(() => {}) : undefined) })
    await dead.register(parent, child)
    const { run } = await dead.commands.trigger('sales', BY_HAND, ANA, null)
    const next = bench({ store: dead.store })
    next.scheduler.start()
    await next.finish({ result: 'deferred', reason: 'waits', wakeAt: null, waitsFor: CHILD })
    expect([...dead.store.tables.runs.values()].map((row) => row.run.parent?.runId)).toEqual([undefined, run])
  })

  it('is told why there is none', async () => {
    const { on } = await waiting({ ...CHILD, params: { rows: 'many' } })
    expect(await woken(on)).toEqual([{ taskId: 'a', woken: { refused: expect.stringContaining('whole number') } }])
    const unknown = await waiting({ ...CHILD, dag: 'nothing' })
    expect(await woken(unknown.on)).toEqual([{ taskId: 'a', woken: { refused: 'There is no DAG nothing.' } }])
  })

  it.each([
    ['cancelled', ({ commands }: ReturnType<typeof bench>, run: string) => commands.cancelTask(run, 'a', ANA)],
    ['cancelled with its run', ({ commands }: ReturnType<typeof bench>, run: string) => commands.cancel(run, ANA)],
    [
      'cleared',
      ({ commands }: ReturnType<typeof bench>, run: string) =>
        commands.clear(run, ['a'], { downstream: true, failedOnly: false }, ANA),
    ],
  ])('takes it along when it is %s', async (_, act) => {
    const { on, run, children } = await waiting(CHILD)
    await act(on, run)
    await on.scheduler.idle()
    const [made] = children()
    expect(made).toMatchObject({ state: 'cancelled', reason: expect.stringContaining(`${run}/a`) })
  })

  it('leaves it alone when it is marked, or does not wait for it', async () => {
    const { on, run, children } = await waiting(CHILD)
    await on.commands.mark(run, ['a'], 'success', ANA)
    await on.scheduler.idle()
    expect(children()[0]?.state).toBe('running')
    const other = await waiting({ ...CHILD, wait: false })
    await other.on.commands.cancel(other.run, ANA)
    await other.on.scheduler.idle()
    expect(other.children()[0]?.state).toBe('running')
  })
})

describe('a task that waits for a run of another DAG', () => {
  it('goes on as soon as that has ended as it should', async () => {
    const { on, run } = await waiting(LAST)
    await on.commands.trigger('publish', BY_HAND, ANA, null)
    await on.finish({ result: 'failed' })
    expect(await on.states(run)).toMatchObject({ a: 'deferred' })
    const second = await on.commands.trigger('publish', BY_HAND, ANA, null)
    await on.finish()
    expect(await woken(on)).toEqual([{ taskId: 'a', woken: { run: second.run, state: 'success' } }])
  })

  it('goes on at once when it is there already', async () => {
    const on = bench()
    await on.register(parent, child)
    await on.commands.trigger('publish', BY_HAND, ANA, null)
    await on.finish()
    await on.commands.trigger('sales', BY_HAND, ANA, null)
    await on.finish({ result: 'deferred', reason: 'waits', wakeAt: null, waitsFor: LAST })
    expect(await woken(on)).toHaveLength(1)
  })

  it('goes on when a command ends that run', async () => {
    const { on } = await waiting({ ...LAST, states: ['cancelled'] })
    const { run } = await on.commands.trigger('publish', BY_HAND, ANA, null)
    await on.scheduler.idle()
    await on.commands.cancel(run, ANA)
    expect(await woken(on)).toMatchObject([{ taskId: 'a' }])
  })

  it('is found by the sweep when nobody was told', async () => {
    const { on, run } = await waiting(LAST)
    const other = await on.commands.trigger('publish', BY_HAND, ANA, null)
    await on.scheduler.idle()
    const end = { state: 'success' as const, endedAt: NOW }
    const decision = { tasks: [], expand: [], run: end, settled: [], stop: [], wakeAt: null }
    const revision = (await on.store.run(other.run))?.revision ?? -1
    expect(await on.store.applyDecision(other.run, revision, decision, NOW)).toBe('applied')
    await on.scheduler.idle()
    expect(await on.states(run)).toMatchObject({ a: 'deferred' })
    on.scheduler.start()
    await on.pass(5_000)
    expect(await on.states(run)).toMatchObject({ a: 'queued' })
  })
})

describe('a task that waits for a person', () => {
  const ASKED: Wait = {
    on: 'approval',
    kind: 'approval',
    message: 'go?',
    role: 'operator',
    users: [],
    onReject: 'fail',
  }
  const OPERATOR = { user: 'ana', role: 'operator' as const }
  const yes = { approved: true, comment: 'looks good' }

  it('ends by the decision itself, and tells who, when and why', async () => {
    const { on, run } = await waiting(ASKED)
    await on.commands.approve(run, 'a', yes, OPERATOR)
    const [a] = await on.store.taskRuns(run)
    expect(a).toMatchObject({
      ...{ state: 'success', reason: 'approved by ana: looks good', endedAt: NOW },
      outputs: { approved: true, by: 'ana', at: '2026-11-20T05:00:00.000Z', comment: 'looks good' },
    })
    expect(on.store.tables.audit.at(-1)).toMatchObject({ user: 'ana', action: 'approve', target: `${run}/a` })
    await on.scheduler.idle()
    expect(await on.states(run)).toMatchObject({ b: 'queued' })
    const again = on.commands.approve(run, 'a', { approved: false, comment: '' }, OPERATOR)
    await expect(again).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
  })

  it.each([
    ['fail', 'failed', 'upstream_failed'],
    ['skip', 'skipped', 'skipped'],
  ] as const)('with %s a rejection makes it %s', async (onReject, state, after) => {
    const { on, run } = await waiting({ ...ASKED, onReject })
    await on.commands.approve(run, 'a', { approved: false, comment: '' }, OPERATOR)
    await on.scheduler.idle()
    expect(await on.states(run)).toEqual({ a: state, b: after })
  })

  it('listens to those who may, and to nobody else', async () => {
    const admins = await waiting({ ...ASKED, role: 'admin' })
    const refused = admins.on.commands.approve(admins.run, 'a', yes, OPERATOR)
    await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const named = await waiting({ ...ASKED, users: ['bo'] })
    await expect(named.on.commands.approve(named.run, 'a', yes, OPERATOR)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(await named.on.states(named.run)).toMatchObject({ a: 'deferred' })
    await named.on.commands.approve(named.run, 'a', yes, { user: 'bo', role: 'operator' })
    expect(await named.on.states(named.run)).toMatchObject({ a: 'success' })
  })

  it('is asked about each item by itself', async () => {
    const on = bench()
    const forEach = { source: { kind: 'list' as const, values: ['x', 'y'] }, concurrency: null }
    await on.register(dag('each', [task('a', [], { forEach }), task('b', ['a'])]))
    const { run } = await on.commands.trigger('each', BY_HAND, ANA, null)
    for (const _ of forEach.source.values) {
      await on.finish({ result: 'deferred', reason: 'waits', wakeAt: null, waitsFor: ASKED })
    }
    await on.commands.approve(run, 'a.0', yes, OPERATOR)
    await on.scheduler.idle()
    expect(await on.states(run)).toMatchObject({ a: 'deferred', 'a.0': 'success', 'a.1': 'deferred', b: 'none' })
    await on.commands.approve(run, 'a.1', yes, OPERATOR)
    await on.scheduler.idle()
    expect(await on.states(run)).toMatchObject({ a: 'success', b: 'queued' })
  })

  it('is not decided by what wakes others', async () => {
    const { on, run } = await waiting(ASKED)
    on.scheduler.start()
    await on.pass(60_000)
    expect(await on.states(run)).toMatchObject({ a: 'deferred' })
    await expect(on.commands.approve(run, 'b', yes, OPERATOR)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    await expect(on.commands.approve(run, 'x', yes, OPERATOR)).rejects.toMatchObject({ code: 'TASK_UNKNOWN' })
  })
})
