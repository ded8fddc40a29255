import { describe, expect, it } from 'vitest'
import { applied } from '../../../scheduler/core/apply.js'
import { decide } from '../../../scheduler/core/decide.js'
import { isEmpty } from '../../../scheduler/core/draft.js'
import type { AttemptOutcome, RunSnapshot, TaskRun } from '../../../scheduler/core/model.js'
import { dag, NOW, snapshot, task } from './dags.js'

const NO_JITTER = () => 0
const RUNNING: Partial<TaskRun> = { state: 'running', attempt: 1, tries: 1, startedAt: NOW }

function outcome(taskId: string, set: Partial<AttemptOutcome> = {}): AttemptOutcome {
  return { taskId, attempt: 1, result: 'success', reason: '', retryable: true, outputs: {}, endedAt: NOW + 5, ...set }
}

/** what becomes of the run when these outcomes are settled at `NOW + 10` */
function settled(before: RunSnapshot, ...outcomes: AttemptOutcome[]) {
  const decision = decide({ ...before, outcomes }, NOW + 10, NO_JITTER)
  const after = applied({ ...before, outcomes }, decision, NOW + 10)
  return { decision, after, task: (id: string) => after.tasks.find(({ taskId }) => taskId === id) }
}

describe('readiness', () => {
  it('schedules what needs nothing and says what the rest waits for', () => {
    const { task: now } = settled(snapshot(dag('sales', [task('a'), task('b'), task('c', ['a', 'b'])])))
    expect(now('a')).toMatchObject({ state: 'scheduled', reason: 'waits for a slot in pool default' })
    expect(now('c')).toMatchObject({ state: 'none', reason: 'waits for a, b' })
  })

  it('names at most three of many upstream tasks', () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map((id) => task(id))
    const all = many.map(({ id }) => id)
    expect(settled(snapshot(dag('sales', [...many, task('z', all)]))).task('z')?.reason).toBe(
      'waits for a, b, c and 2 more',
    )
  })

  it('carries a failure down the graph in one decision, each with its reason', () => {
    const chain = dag('sales', [
      task('a'),
      task('b', ['a']),
      task('c', ['b']),
      task('d', ['c'], { triggerRule: 'all_done' }),
    ])
    const { task: now } = settled(snapshot(chain, { a: RUNNING }), outcome('a', { result: 'failed', reason: 'exit 1' }))
    expect(now('a')).toMatchObject({ state: 'failed', reason: 'exit 1', endedAt: NOW + 5 })
    expect(now('b')).toMatchObject({ state: 'upstream_failed', reason: 'upstream a failed, rule all_success' })
    expect(now('c')).toMatchObject({ state: 'upstream_failed', reason: 'upstream b could not run, rule all_success' })
    expect(now('d')).toMatchObject({ state: 'scheduled' })
  })

  it('takes needs on tasks outside the run as satisfied', () => {
    const whole = snapshot(dag('sales', [task('a'), task('b', ['a']), task('c', ['b'])]))
    const only = { ...whole, tasks: whole.tasks.filter(({ taskId }) => taskId !== 'a') }
    const { task: now } = settled(only)
    expect(now('b')?.state).toBe('scheduled')
    expect(now('c')?.reason).toBe('waits for b')
  })

  it('takes back a task that is ready no longer, because something upstream was cleared', () => {
    const pair = dag('sales', [task('a'), task('b', ['a'])])
    const { task: now } = settled(snapshot(pair, { a: RUNNING, b: { state: 'scheduled' } }))
    expect(now('b')).toMatchObject({ state: 'none', reason: 'waits for a' })
  })

  it('starts nothing of a run that is queued', () => {
    const queued = snapshot(dag('sales', [task('a')]))
    expect(isEmpty(decide({ ...queued, run: { ...queued.run, state: 'queued' } }, NOW, NO_JITTER))).toBe(true)
  })
})

describe('outcomes', () => {
  const retrying = dag('sales', [task('a', [], { retries: 2, retryDelayMs: 1_000, backoff: 3, maxDelayMs: 2_000 })])

  it('keeps outputs and the summary of a success', () => {
    const { task: now, after } = settled(
      snapshot(retrying, { a: RUNNING }),
      outcome('a', { outputs: { rows: 3 }, reason: 'bronze.orders 12, +3 rows' }),
    )
    expect(now('a')).toMatchObject({ state: 'success', outputs: { rows: 3 }, reason: 'bronze.orders 12, +3 rows' })
    expect(after.run).toMatchObject({ state: 'success', endedAt: NOW + 10, reason: '' })
  })

  it.each(['failed', 'timed_out', 'lost'] as const)('retries what %s, after the delay, and says so', (result) => {
    const { task: now, decision } = settled(snapshot(retrying, { a: RUNNING }), outcome('a', { result, reason: 'why' }))
    expect(now('a')).toMatchObject({
      state: 'up_for_retry',
      notBefore: NOW + 1_010,
      reason: 'retry 1 of 2 at 05:00:01Z: why',
    })
    expect(decision.wakeAt).toBe(NOW + 1_010)
    expect(decision.settled).toEqual([{ taskId: 'a', attempt: 1, result }])
  })

  it('makes the second delay longer, capped', () => {
    const second = snapshot(retrying, { a: { ...RUNNING, attempt: 2, tries: 2 } })
    const { task: now } = settled(second, outcome('a', { attempt: 2, result: 'failed' }))
    expect(now('a')?.notBefore).toBe(NOW + 10 + 2_000)
  })

  it.each(['failed', 'timed_out', 'lost'] as const)(
    'fails what %s with no retry left, with the true reason',
    (result) => {
      const last = snapshot(retrying, { a: { ...RUNNING, attempt: 5, tries: 3 } })
      const { task: now, after } = settled(last, outcome('a', { attempt: 5, result, reason: 'worker w-1 was killed' }))
      expect(now('a')).toMatchObject({ state: 'failed', reason: 'failed 3 times, at last: worker w-1 was killed' })
      expect(after.run).toMatchObject({ state: 'failed', reason: 'a failed' })
    },
  )

  it('runs again what a stop of its worker has ended, with the tries that it had and the true reason', () => {
    const last = snapshot(retrying, { a: { ...RUNNING, attempt: 5, tries: 3 } })
    const stopped = outcome('a', { attempt: 5, result: 'stopped', reason: 'Sluice was stopped' })
    const { task: now, decision, after } = settled(last, stopped)
    expect(now('a')).toMatchObject({ state: 'scheduled', attempt: 5, tries: 2 })
    expect(now('a')?.reason).toBe('starts again: Sluice was stopped')
    expect(decision.settled).toEqual([{ taskId: 'a', attempt: 5, result: 'stopped' }])
    expect(after.run.state).toBe('running')
  })

  it('fails at once what is not worth a retry', () => {
    const { task: now } = settled(
      snapshot(retrying, { a: RUNNING }),
      outcome('a', { result: 'failed', retryable: false }),
    )
    expect(now('a')?.state).toBe('failed')
  })

  it('schedules a retry when its time has come, not before', () => {
    const waiting = snapshot(retrying, { a: { state: 'up_for_retry', attempt: 1, tries: 1, notBefore: NOW + 50 } })
    expect(decide(waiting, NOW + 49, NO_JITTER)).toMatchObject({ tasks: [], wakeAt: NOW + 50 })
    expect(decide(waiting, NOW + 50, NO_JITTER).tasks[0]?.set.state).toBe('scheduled')
  })

  it.each([
    ['of an earlier attempt', { ...RUNNING, attempt: 2 }],
    ['of a task that was marked meanwhile', { ...RUNNING, state: 'success' as const }],
  ])('settles an outcome %s without effect', (_, state) => {
    const pair = dag('sales', [task('a'), task('b', ['a'])])
    const before = snapshot(pair, { a: state, b: { ...RUNNING } })
    const { decision } = settled(before, outcome('a', { result: 'failed' }))
    expect(decision).toMatchObject({ tasks: [], settled: [{ taskId: 'a', attempt: 1 }] })
  })

  it('settles an outcome that comes after the run has ended, and nothing else', () => {
    const before = snapshot(retrying, { a: { ...RUNNING, state: 'cancelled' } })
    const ended = { ...before, run: { ...before.run, state: 'cancelled' as const } }
    const { decision } = settled(ended, outcome('a'))
    expect(decision).toMatchObject({ tasks: [], run: null, settled: [{ taskId: 'a', attempt: 1 }] })
  })

  it('starts anew a task that was cleared while it ran, whatever its attempt came to', () => {
    const cleared = snapshot(retrying, { a: { ...RUNNING, tries: 0, generation: 2, cancelRequested: true } })
    const { task: now } = settled(cleared, outcome('a', { outputs: { rows: 1 } }))
    expect(now('a')).toMatchObject({ state: 'scheduled', cancelRequested: false, outputs: {}, generation: 2 })
  })
})

describe('the end of a run', () => {
  const handled = dag('sales', [task('a'), task('alarm', ['a'], { triggerRule: 'one_failed' })])

  it('is a success when every leaf ended well, though a failure lies above', () => {
    const before = snapshot(handled, { a: { state: 'failed' }, alarm: RUNNING })
    expect(settled(before, outcome('alarm')).after.run).toMatchObject({
      state: 'success',
      reason: 'a failed, but every task that nothing needs ended well',
    })
  })

  it.each(['failed', 'upstream_failed', 'cancelled'] as const)('is a failure when a leaf is %s', (state) => {
    const before = snapshot(handled, { a: { state: 'success' }, alarm: { state } })
    expect(settled(before).after.run.state).toBe('failed')
  })

  it('is a success when all tasks were skipped', () => {
    const before = snapshot(handled, { a: { state: 'skipped' }, alarm: { state: 'skipped' } })
    expect(settled(before).after.run.state).toBe('success')
  })
})
