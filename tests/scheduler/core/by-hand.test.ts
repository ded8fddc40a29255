import { describe, expect, it } from 'vitest'
import { applied } from '../../../scheduler/core/apply.js'
import { cancelRun, cancelTask } from '../../../scheduler/core/cancel.js'
import { type ClearOptions, clear } from '../../../scheduler/core/clear.js'
import { decide } from '../../../scheduler/core/decide.js'
import { isEmpty } from '../../../scheduler/core/draft.js'
import { mark } from '../../../scheduler/core/mark.js'
import type { Decision, RunSnapshot, RunState, TaskRun } from '../../../scheduler/core/model.js'
import { dag, NOW, snapshot, task } from './dags.js'

const RUNNING: Partial<TaskRun> = { state: 'running', attempt: 1, tries: 1 }
const DONE: Partial<TaskRun> = { state: 'success', attempt: 1, tries: 1, endedAt: NOW }
const FAILED: Partial<TaskRun> = { ...DONE, state: 'failed' }
const UPSTREAM_FAILED: Partial<TaskRun> = { state: 'upstream_failed', endedAt: NOW }
const WHOLE: ClearOptions = { tasks: null, downstream: false, failedOnly: false }
/** a -> b -> c, and d apart */
const sales = dag('sales', [task('a'), task('b', ['a']), task('c', ['b']), task('d')])

function ended(before: RunSnapshot, state: RunState, cancelRequested = false): RunSnapshot {
  return { ...before, run: { ...before.run, state, cancelRequested, endedAt: NOW, reason: 'before' } }
}

/** after the decision and what the scheduler makes of it */
function then(before: RunSnapshot, decision: Decision | null) {
  if (decision === null) throw new Error('refused')
  const written = applied(before, decision, NOW + 10)
  const after = applied(
    written,
    decide(written, NOW + 10, () => 0),
    NOW + 10,
  )
  return { after, task: (id: string) => after.tasks.find(({ taskId }) => taskId === id) }
}

describe('cancel of a run', () => {
  it('ends at once what does not run, and asks what runs to stop', () => {
    const before = snapshot(sales, { a: RUNNING, d: { state: 'queued', attempt: 1, tries: 1 } })
    const decision = cancelRun(before, NOW, 'ana')
    const { after, task: now } = then(before, decision)
    expect(decision?.stop).toEqual([{ taskId: 'a', attempt: 1 }])
    expect(now('a')).toMatchObject({ state: 'running', cancelRequested: true })
    expect(now('a')?.reason).toBe('cancelled by ana, its attempt is being stopped')
    expect(now('d')).toMatchObject({ state: 'cancelled', reason: 'cancelled by ana' })
    expect(after.run).toMatchObject({ state: 'running', cancelRequested: true })
  })

  it.each(['cancelled', 'failed', 'lost', 'timed_out', 'stopped'] as const)(
    'is over when the attempt has %s',
    (result) => {
      const before = snapshot(sales, {
        a: { ...RUNNING, cancelRequested: true, reason: 'cancelled by ana, its attempt is being stopped' },
      })
      const outcome = { taskId: 'a', attempt: 1, result, reason: 'signal', retryable: true, outputs: {}, endedAt: NOW }
      const asked = {
        ...before,
        run: { ...before.run, cancelRequested: true, reason: 'cancelled by ana' },
        outcomes: [outcome],
      }
      const { after, task: now } = then(
        asked,
        decide(asked, NOW, () => 0),
      )
      expect(now('a')).toMatchObject({ state: 'cancelled', cancelRequested: false })
      expect(now('a')?.reason).toBe(result === 'cancelled' ? 'cancelled by ana' : 'cancelled by ana: signal')
      expect(after.run).toMatchObject({ state: 'cancelled', reason: 'cancelled by ana' })
    },
  )

  it('keeps the success of an attempt that was quicker', () => {
    const alone = dag('sales', [task('a')])
    const before = snapshot(alone, { a: { ...RUNNING, cancelRequested: true } })
    const outcome = {
      taskId: 'a',
      attempt: 1,
      result: 'success' as const,
      reason: '',
      retryable: true,
      outputs: {},
      endedAt: NOW,
    }
    const asked = { ...before, run: { ...before.run, cancelRequested: true }, outcomes: [outcome] }
    expect(
      then(
        asked,
        decide(asked, NOW, () => 0),
      ).after.run.state,
    ).toBe('success')
  })

  it('ends a queued run at once', () => {
    const queued = { ...snapshot(sales), run: { ...snapshot(sales).run, state: 'queued' as const } }
    expect(then(queued, cancelRun(queued, NOW, 'ana')).after.run.state).toBe('cancelled')
  })

  it('is refused for a run that has ended', () => {
    expect(cancelRun(ended(snapshot(sales), 'success'), NOW, 'ana')).toBeNull()
  })
})

describe('cancel of a task', () => {
  it('leaves what needs it to its trigger rule', () => {
    const before = snapshot(sales, { a: { state: 'scheduled' } })
    const { task: now } = then(before, cancelTask(before, 'a', NOW, 'ana'))
    expect(now('a')?.state).toBe('cancelled')
    expect(now('b')).toMatchObject({ state: 'upstream_failed', reason: 'upstream a was cancelled, rule all_success' })
    expect(now('d')?.state).toBe('scheduled')
  })

  it('takes back the clear of a task that is still running', () => {
    const before = snapshot(sales, { a: { ...RUNNING, tries: 0, generation: 2, cancelRequested: true } })
    expect(cancelTask(before, 'a', NOW, 'ana')?.tasks[0]?.set).toMatchObject({ state: 'running', tries: 1 })
  })

  it('is refused for a task that has ended', () => {
    expect(cancelTask(snapshot(sales, { a: DONE }), 'a', NOW, 'ana')).toBeNull()
  })
})

describe('clear', () => {
  const finished = ended(snapshot(sales, { a: DONE, b: FAILED, c: UPSTREAM_FAILED, d: DONE }), 'failed')
  const cleared = (options: Partial<ClearOptions>) => clear(finished, { ...WHOLE, ...options }, 'ana')

  it('touches only the tasks it was asked for', () => {
    const { decision, cleared: which } = cleared({ tasks: ['b'] })
    expect(which).toEqual(['b'])
    expect(decision.tasks).toHaveLength(1)
    expect(decision.tasks[0]?.set).toMatchObject({
      state: 'none',
      generation: 2,
      tries: 0,
      endedAt: null,
      reason: 'cleared by ana',
    })
  })

  it('reaches everything downstream when asked to', () => {
    expect(cleared({ tasks: ['a'], downstream: true }).cleared).toEqual(['a', 'b', 'c'])
  })

  it('takes of those only what went wrong when asked to', () => {
    expect(cleared({ tasks: ['a'], downstream: true, failedOnly: true }).cleared).toEqual(['b', 'c'])
  })

  it('sends a finished run back to the queue', () => {
    expect(cleared({}).decision.run).toMatchObject({
      state: 'queued',
      startedAt: null,
      endedAt: null,
      reason: 'cleared by ana',
    })
  })

  it('lets a cancelled run go on', () => {
    const cancelled = ended(snapshot(sales, { a: DONE, b: { ...DONE, state: 'cancelled' } }), 'cancelled', true)
    const { decision } = clear(cancelled, { ...WHOLE, tasks: ['b'] }, 'ana')
    expect(decision.run).toMatchObject({ state: 'queued', cancelRequested: false })
  })

  it('stops a running attempt first, and starts anew when it has ended', () => {
    const before = snapshot(sales, { a: RUNNING })
    const { decision } = clear(before, { ...WHOLE, tasks: ['a'] }, 'ana')
    expect(decision.stop).toEqual([{ taskId: 'a', attempt: 1 }])
    expect(decision.tasks[0]?.set).toMatchObject({ state: 'running', generation: 2, tries: 0, cancelRequested: true })
  })

  it('changes nothing when asked again, or where nothing was tried', () => {
    const before = snapshot(sales, { a: RUNNING })
    const { after } = then(before, clear(before, WHOLE, 'ana').decision)
    expect(clear(after, WHOLE, 'ben').cleared).toEqual([])
    expect(isEmpty(clear(snapshot(sales), WHOLE, 'ana').decision)).toBe(true)
  })
})

describe('mark', () => {
  it('stops a running attempt and lets downstream go on at once', () => {
    const before = snapshot(sales, { a: RUNNING })
    const { decision, marked } = mark(before, ['a'], 'success', NOW, 'ana')
    expect(marked).toEqual(['a'])
    expect(decision.stop).toEqual([{ taskId: 'a', attempt: 1 }])
    const { task: now } = then(before, decision)
    expect(now('a')).toMatchObject({ state: 'success', reason: 'marked success by ana', endedAt: NOW })
    expect(now('b')?.state).toBe('scheduled')
  })

  it('lets what could not run downstream be judged anew', () => {
    const before = ended(snapshot(sales, { a: FAILED, b: UPSTREAM_FAILED, c: UPSTREAM_FAILED, d: DONE }), 'failed')
    const { decision } = mark(before, ['a'], 'success', NOW, 'ana')
    expect(decision.tasks.map(({ taskId, set }) => [taskId, set.state])).toEqual([
      ['a', 'success'],
      ['b', 'none'],
      ['c', 'none'],
    ])
    expect(decision.run).toMatchObject({ state: 'queued', reason: 'a marked success by ana' })
  })

  it('gives a finished run the state that its tasks now give it', () => {
    const before = ended(snapshot(sales, { a: DONE, b: DONE, c: FAILED, d: DONE }), 'failed')
    expect(mark(before, ['c'], 'success', NOW, 'ana').decision.run).toEqual({ state: 'success', reason: '' })
    const good = ended(snapshot(sales, { a: DONE, b: DONE, c: DONE, d: DONE }), 'success')
    expect(mark(good, ['d'], 'failed', NOW, 'ana').decision.run).toEqual({ state: 'failed', reason: 'd failed' })
  })

  it('changes nothing where the state is the same', () => {
    const before = snapshot(sales, { a: DONE })
    expect(mark(before, ['a'], 'success', NOW, 'ana')).toMatchObject({ marked: [], decision: { tasks: [], run: null } })
  })
})
