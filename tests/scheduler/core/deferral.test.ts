import { describe, expect, it } from 'vitest'
import { applied } from '../../../scheduler/core/apply.js'
import { cancelTask } from '../../../scheduler/core/cancel.js'
import { clear } from '../../../scheduler/core/clear.js'
import { decide } from '../../../scheduler/core/decide.js'
import { mark } from '../../../scheduler/core/mark.js'
import type { AttemptOutcome, RunSnapshot, TaskRun } from '../../../scheduler/core/model.js'
import { leavingWork } from '../../../scheduler/store/left-work.js'
import { dag, NOW, snapshot, task } from './dags.js'

const WAITING: AttemptOutcome = {
  ...{ taskId: 'a', attempt: 1, result: 'deferred', reason: 'waits for a file', retryable: true, outputs: {} },
  ...{ wakeAt: NOW + 60_000, endedAt: NOW },
}
const sales = dag('sales', [task('a', [], { retries: 1 }), task('b', ['a'])])

function decided(before: RunSnapshot, now = NOW): { run: RunSnapshot; a: TaskRun | undefined; wakeAt: number | null } {
  const decision = decide(before, now, () => 0)
  const run = applied(before, decision, now)
  return { run, a: run.tasks.find(({ taskId }) => taskId === 'a'), wakeAt: decision.wakeAt }
}

const running = (set: Partial<TaskRun> = {}) =>
  snapshot(sales, { a: { state: 'running', attempt: 1, tries: 1, startedAt: NOW, ...set } })
const deferred = () => decided({ ...running(), outcomes: [WAITING] })

describe('a deferred task', () => {
  it('waits without a slot and without using up a try, until its instant', () => {
    const { run, a, wakeAt } = deferred()
    expect(a).toMatchObject({ state: 'deferred', tries: 0, notBefore: NOW + 60_000, reason: 'waits for a file' })
    expect(wakeAt).toBe(NOW + 60_000)
    expect(decided(run, NOW + 59_999).a?.state).toBe('deferred')
    expect(decided(run, NOW + 60_000).a).toMatchObject({ state: 'scheduled', notBefore: null })
  })

  it('waits for ever when only an event wakes it', () => {
    const { run, wakeAt } = decided({ ...running(), outcomes: [{ ...WAITING, wakeAt: null }] })
    expect(wakeAt).toBeNull()
    expect(decided(run, NOW + 1e12).a?.state).toBe('deferred')
  })

  it('is cancelled, cleared and marked at once, as nothing of it runs', () => {
    const { run } = deferred()
    expect(cancelTask(run, 'a', NOW, 'ana')).toMatchObject({ tasks: [{ set: { state: 'cancelled' } }], stop: [] })
    const options = { tasks: ['a'], downstream: false, failedOnly: false }
    expect(clear(run, options, 'ana').decision).toMatchObject({ tasks: [{ set: { state: 'none' } }], stop: [] })
    expect(mark(run, ['a'], 'success', NOW, 'ana').decision).toMatchObject({ tasks: [{ set: { state: 'success' } }] })
  })

  it.each([
    ['waits for a slot after its wait', {}, 'scheduled'],
    ['waits for what was cleared upstream of it', { state: 'none' }, 'none'],
  ] as const)(
    'is cleared like one that waits when it %s: what it has begun is not gone on with',
    (_, upstream, state) => {
      const waited = dag('sales', [task('z'), task('a', ['z'])])
      const a = { state: 'running', attempt: 1, tries: 1, startedAt: NOW } as const
      const before = snapshot(waited, { z: { state: 'success', attempt: 1, tries: 1 }, a })
      const { run } = decided({ ...before, outcomes: [WAITING] })
      const tasks = run.tasks.map((row) => ({ ...row, ...(row.taskId === 'z' ? upstream : {}) }))
      const woken = decided({ ...run, tasks }, NOW + 60_000)
      expect(woken.a).toMatchObject({ state, tries: 0, generation: 1 })
      const options = { tasks: ['a'], downstream: false, failedOnly: false }
      const { decision, cleared } = clear(woken.run, options, 'ana')
      expect(cleared).toEqual(['a'])
      expect(leavingWork(decision)).toEqual(['a'])
      const after = applied(woken.run, decision, NOW)
      expect(after.tasks.find(({ taskId }) => taskId === 'a')).toMatchObject({ state: 'none', generation: 2 })
      expect(clear(after, options, 'ben').cleared).toEqual([])
      expect(clear(decided(after).run, options, 'ben').cleared).toEqual([])
    },
  )

  it('that fails for good when it comes back says so once, and is found among what failed', () => {
    const again = {
      ...running({ attempt: 2 }),
      outcomes: [{ ...WAITING, attempt: 2, result: 'failed' as const, reason: 'no such file' }],
    }
    const retried = decided(again)
    expect(retried.a).toMatchObject({ state: 'up_for_retry' })
    const last = {
      ...running({ attempt: 3, tries: 2 }),
      outcomes: [{ ...WAITING, attempt: 3, result: 'failed' as const, reason: 'no such file' }],
    }
    const { run, a } = decided(last)
    expect(a).toMatchObject({ state: 'failed', reason: 'failed 2 times, at last: no such file' })
    expect(clear(run, { tasks: null, downstream: false, failedOnly: true }, 'ana').cleared).toEqual(['a', 'b'])
  })

  it('is cancelled when that was asked for while its attempt still ran', () => {
    const { a } = decided({ ...running({ cancelRequested: true, reason: 'cancelled by ana' }), outcomes: [WAITING] })
    expect(a).toMatchObject({ state: 'cancelled', reason: 'cancelled by ana' })
  })
})
