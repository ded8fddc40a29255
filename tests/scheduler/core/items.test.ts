import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json, JsonObject } from '../../../json.js'
import { applied } from '../../../scheduler/core/apply.js'
import { withAside } from '../../../scheduler/core/aside.js'
import { cancelRun, cancelTask } from '../../../scheduler/core/cancel.js'
import { clear } from '../../../scheduler/core/clear.js'
import { decide, decideFromPart } from '../../../scheduler/core/decide.js'
import { isEmpty } from '../../../scheduler/core/draft.js'
import { mark } from '../../../scheduler/core/mark.js'
import type { AttemptOutcome, Decision, RunSnapshot, TaskRun } from '../../../scheduler/core/model.js'
import { isFinal } from '../../../scheduler/core/states.js'
import type { ForEach, Task } from '../../../scheduler/dag/model.js'
import { leavingWork } from '../../../scheduler/store/left-work.js'
import { dag, NOW, snapshot, task } from './dags.js'

const SALES = (values: Json[], set: Partial<Task> = {}, concurrency: number | null = null) => [
  task('load', [], { forEach: { source: { kind: 'list', values }, concurrency }, ...set }),
  task('report', ['load']),
]

/** A run that can be played by hand: every step is decided and applied as the scheduler does. */
class Played {
  now = NOW

  constructor(public run: RunSnapshot) {
    this.settle()
  }

  settle(...outcomes: AttemptOutcome[]): this {
    this.run = { ...this.run, outcomes }
    this.apply(decide(this.run, this.now, () => 0))
    expect(isEmpty(decide(this.run, this.now, () => 0))).toBe(true)
    return this
  }

  apply(decision: Decision): this {
    this.run = applied(this.run, decision, this.now)
    return this
  }

  /** what the store does: scheduled -> queued -> running */
  start(...ids: string[]): this {
    const tasks = this.run.tasks.map((row): TaskRun => {
      if (!ids.includes(row.taskId)) return row
      expect(row.state).toBe('scheduled')
      return { ...row, state: 'running', attempt: row.attempt + 1, tries: row.tries + 1, startedAt: this.now }
    })
    this.run = { ...this.run, tasks }
    return this
  }

  end(id: string, result: AttemptOutcome['result'] = 'success', outputs: JsonObject = {}): this {
    const attempt = this.of(id).attempt
    return this.settle({ taskId: id, attempt, result, reason: 'why', retryable: true, outputs, endedAt: this.now })
  }

  of(id: string): TaskRun {
    const row = this.run.tasks.find(({ taskId }) => taskId === id)
    if (row === undefined) throw new Error(`there is no ${id}`)
    return row
  }

  states(): Record<string, string> {
    return Object.fromEntries(this.run.tasks.map(({ taskId, state }) => [taskId, state]))
  }
}

const played = (tasks: Task[], states: Record<string, Partial<TaskRun>> = {}) =>
  new Played(snapshot(dag('sales', tasks), states))

describe('for_each', () => {
  it('makes an item for each value in one decision, and waits for them without a slot', () => {
    const run = played(SALES(['fr', 'de']))
    expect(run.states()).toEqual({ load: 'deferred', report: 'none', 'load.0': 'scheduled', 'load.1': 'scheduled' })
    expect(run.of('load').reason).toBe('0 of 2 items have ended')
    expect(run.of('report').reason).toBe('waits for load')
    expect(decide(snapshot(dag('sales', SALES(['fr', 'de']))), NOW, () => 0).expand).toEqual([
      {
        taskId: 'load',
        items: ['fr', 'de'].map((value) => ({
          ...{ value, state: 'scheduled', generation: 1, reason: 'waits for a slot in pool default' },
        })),
      },
    ])
  })

  it('collects the outputs of all items in their order, and goes on', () => {
    const run = played(SALES(['fr', 'de', 'it'])).start('load.0', 'load.1', 'load.2')
    run
      .end('load.2', 'success', { rows: 3 })
      .end('load.0', 'success', { rows: 1, extra: true })
      .end('load.1', 'skipped')
    expect(run.of('load')).toMatchObject({ state: 'success', reason: '3 items, 1 of them skipped' })
    expect(run.of('load').outputs).toEqual({ rows: [1, null, 3], extra: [true, null, null] })
    expect(run.of('report').state).toBe('scheduled')
  })

  it('runs no more items at once than concurrency allows, a retry among them', () => {
    const run = played(SALES(['a', 'b', 'c'], { retries: 1, retryDelayMs: 1_000 }, 1))
    expect(run.states()).toMatchObject({ 'load.0': 'scheduled', 'load.1': 'none', 'load.2': 'none' })
    expect(run.of('load.1').reason).toBe('waits for its turn, 1 items at once')
    run.start('load.0').end('load.0', 'failed')
    expect(run.states()).toMatchObject({ 'load.0': 'up_for_retry', 'load.1': 'scheduled', 'load.2': 'none' })
    run.now += 2_000
    run.settle()
    expect(run.states()).toMatchObject({ 'load.0': 'none', 'load.1': 'scheduled' })
    run.start('load.1').end('load.1')
    expect(run.states()).toMatchObject({ 'load.0': 'scheduled', 'load.2': 'none' })
  })

  it('fails once all items have ended, naming those that failed; what needs it follows its rule', () => {
    const run = played(SALES(['a', 'b']))
      .start('load.0', 'load.1')
      .end('load.0', 'failed')
    expect(run.of('load')).toMatchObject({ state: 'deferred', reason: '1 of 2 items have ended, 1 failed' })
    run.end('load.1')
    expect(run.of('load')).toMatchObject({ state: 'failed', reason: '1 of 2 items failed (load.0): why' })
    expect(run.of('report').state).toBe('upstream_failed')
    expect(run.run.run.state).toBe('failed')
  })

  it.each<[string, ForEach['source'], string, string]>([
    ['an empty list', { kind: 'list', values: [] }, 'skipped', 'for_each: the list is empty'],
    [
      'too long a list',
      { kind: 'list', values: Array.from({ length: 10_001 }, () => 0) },
      'failed',
      'for_each: the list has 10001 items, more than 10000',
    ],
    ['no list', { kind: 'param', name: 'text' }, 'failed', 'for_each: `params.text` is no list'],
    [
      'nothing',
      { kind: 'output', task: 'list', name: 'files' },
      'failed',
      'for_each: `tasks.list.outputs.files` is not there',
    ],
  ])('of %s', (_, source, state, reason) => {
    const tasks = [task('list'), task('load', ['list'], { forEach: { source, concurrency: null } })]
    const before = snapshot(dag('sales', tasks), { list: { state: 'success' } })
    const run = new Played({ ...before, run: { ...before.run, params: { text: 'a' } } })
    expect(run.of('load')).toMatchObject({ state, reason })
  })

  it('takes the outputs of a task before it', () => {
    const source = { kind: 'output', task: 'list', name: 'files' } as const
    const tasks = [task('list'), task('load', ['list'], { forEach: { source, concurrency: null } })]
    const run = played(tasks, { list: { state: 'success', outputs: { files: ['x', 'y', 'z'] } } })
    expect(Object.keys(run.states())).toEqual(['list', 'load', 'load.0', 'load.1', 'load.2'])
  })

  it('clears one item: it alone runs again, and the task counts anew', () => {
    const run = played(SALES(['a', 'b']))
      .start('load.0', 'load.1')
      .end('load.0', 'failed')
      .end('load.1')
    const { decision, cleared } = clear(run.run, { tasks: ['load.0'], downstream: true, failedOnly: false }, 'ana')
    expect(cleared).toEqual(['load.0', 'report'])
    run.apply({ ...decision, run: { ...decision.run, state: 'running' } }).settle()
    expect(run.states()).toEqual({ load: 'deferred', 'load.0': 'scheduled', 'load.1': 'success', report: 'none' })
    expect(run.of('load.0')).toMatchObject({ generation: 2, attempt: 1 })
    run.start('load.0').end('load.0')
    expect(run.states()).toMatchObject({ load: 'success', report: 'scheduled' })
  })

  it('gives an item that is to go on after a wait a new generation when the whole task is cleared, so that what it left is kept', () => {
    const run = played(SALES(['a', 'b']))
    run.start('load.0').end('load.0', 'stopped')
    expect(run.of('load.0')).toMatchObject({ state: 'scheduled', tries: 0, attempt: 1 })
    const { decision } = clear(run.run, { tasks: ['load'], downstream: false, failedOnly: false }, 'ana')
    expect(leavingWork(decision)).toContain('load.0')
    run.apply(decision).settle()
    expect(run.of('load.0')).toMatchObject({ state: 'scheduled', generation: 2 })
  })

  it('clears what failed: of a task with items those that failed', () => {
    const run = played(SALES(['a', 'b']))
      .start('load.0', 'load.1')
      .end('load.0', 'failed')
      .end('load.1')
    const { cleared } = clear(run.run, { tasks: null, downstream: false, failedOnly: true }, 'ana')
    expect(cleared).toEqual(['load.0', 'report'])
  })

  it('clears the whole task: its items are made anew from the list of then, in a generation of their own', () => {
    const source = { kind: 'output', task: 'list', name: 'files' } as const
    const tasks = [task('list'), task('load', ['list'], { forEach: { source, concurrency: null } })]
    const run = played(tasks, { list: { state: 'success', outputs: { files: ['x', 'y', 'z'] } } })
    run.start('load.0').end('load.0')
    run.start('load.1')
    run.apply(clear(run.run, { tasks: ['load'], downstream: false, failedOnly: false }, 'ana').decision).settle()
    // one still runs: nothing is made before it has stopped
    expect(run.states()).toMatchObject({ load: 'none', 'load.0': 'none', 'load.1': 'running', 'load.2': 'none' })
    run.run = {
      ...run.run,
      tasks: run.run.tasks.map((row) => (row.taskId === 'list' ? { ...row, outputs: { files: ['p', 'q'] } } : row)),
    }
    run.end('load.1', 'cancelled')
    expect(run.states()).toEqual({ list: 'success', load: 'deferred', 'load.0': 'scheduled', 'load.1': 'scheduled' })
    expect(run.of('load.0')).toMatchObject({ generation: 2, attempt: 1 })
    expect(run.of('load.1')).toMatchObject({ generation: 2, attempt: 1 })
  })

  it('marks an item, and the whole task with the items that have not ended', () => {
    const run = played(SALES(['a', 'b']))
      .start('load.0')
      .end('load.0', 'failed')
    run.apply(mark(run.run, ['load.0'], 'success', NOW, 'ana').decision).settle()
    expect(run.states()).toMatchObject({ load: 'deferred', 'load.0': 'success' })
    run.apply(mark(run.run, ['load'], 'skipped', NOW, 'ana').decision).settle()
    expect(run.states()).toEqual({ load: 'skipped', 'load.0': 'success', 'load.1': 'skipped', report: 'skipped' })
  })

  it('cancels all items with the task, and with the run', () => {
    for (const cancel of [
      (run: RunSnapshot) => cancelTask(run, 'load', NOW, 'ana'),
      (run: RunSnapshot) => cancelRun(run, NOW, 'ana'),
    ]) {
      const run = played(SALES(['a', 'b'])).start('load.0')
      const decision = cancel(run.run)
      if (decision === null) throw new Error('nothing to cancel')
      expect(decision.stop).toEqual([{ taskId: 'load.0', attempt: 1 }])
      run.apply(decision).settle()
      expect(run.states()).toMatchObject({ load: 'deferred', 'load.0': 'running', 'load.1': 'cancelled' })
      run.end('load.0', 'cancelled')
      expect(run.of('load')).toMatchObject({ state: 'cancelled', reason: 'cancelled by ana' })
    }
  })
})

describe('items set aside', () => {
  it('lets no more items have their turn than twice the tasks its DAG may run', () => {
    const run = new Played(snapshot(dag('sales', SALES(Array.from({ length: 9 }, (_, n) => n)), { maxActiveTasks: 2 })))
    expect(Object.values(run.states()).filter((state) => state === 'scheduled')).toHaveLength(4)
    expect(run.of('load.4').reason).toBe('waits for its turn')
    run.start('load.0').end('load.0')
    expect(run.of('load.4').state).toBe('scheduled')
  })

  it('keeps what decisions need: at work, the first that wait, and how many are left out', () => {
    const run = played(SALES([0, 1, 2, 3, 4, 5, 6], {}, 2))
    run.start('load.0', 'load.1').end('load.0', 'failed')
    const part = withAside(run.run, 2)
    expect(part.tasks.map(({ taskId }) => taskId)).toEqual(['load', 'report', 'load.1', 'load.2', 'load.3', 'load.4'])
    expect(part.aside).toEqual({ load: { ended: 1, failed: 1, waiting: 2 } })
    expect(withAside(run.run, 4)).toBe(run.run)
    expect(() => clear(part, { tasks: ['load'], downstream: false, failedOnly: false }, 'ana')).toThrow(
      'all of its items',
    )
  })

  it('decides from a part as from the whole, or not at all', () => {
    const steps = fc.array(
      fc.record({ pick: fc.nat(), result: fc.constantFrom('success', 'failed', 'skipped', 'lost') }),
    )
    const set = fc.record({
      size: fc.integer({ min: 1, max: 12 }),
      shown: fc.integer({ min: 1, max: 4 }),
      concurrency: fc.option(fc.integer({ min: 1, max: 3 })),
      maxActiveTasks: fc.integer({ min: 1, max: 3 }),
      steps,
    })
    fc.assert(
      fc.property(set, ({ size, shown, concurrency, maxActiveTasks, steps }) => {
        const tasks = SALES(
          Array.from({ length: size }, (_, n) => n),
          { retries: 1, retryDelayMs: 1_000 },
          concurrency,
        )
        const run = new Played(snapshot(dag('sales', tasks, { maxActiveTasks })))
        for (const { pick, result } of steps) {
          run.now += 600
          const ready = run.run.tasks.filter(({ state }) => state === 'scheduled')
          const chosen = ready[pick % Math.max(1, ready.length)]
          if (chosen === undefined) {
            run.settle()
            continue
          }
          run.start(chosen.taskId)
          const outcome = {
            ...{ taskId: chosen.taskId, attempt: chosen.attempt + 1, result: result as 'success', reason: 'why' },
            ...{ retryable: true, outputs: {}, endedAt: run.now },
          }
          const whole = { ...run.run, outcomes: [outcome] }
          const fromPart = decideFromPart(withAside(whole, shown), run.now, () => 0)
          if (fromPart !== null) {
            expect(fromPart).toEqual(decide(whole, run.now, () => 0))
            // the next snapshot in memory is the same whether made from the part or from the whole
            const after = applied(withAside(whole, shown), fromPart, run.now)
            expect(total(after)).toEqual(total(applied(whole, fromPart, run.now)))
          }
          run.settle(outcome)
        }
      }),
    )
  })
})

/** How many items a snapshot knows of, and how many of them have ended. */
function total({ tasks, aside }: RunSnapshot): { all: number; ended: number } {
  const items = tasks.filter(({ taskId }) => taskId.startsWith('load.'))
  const { ended, waiting } = aside.load ?? { ended: 0, waiting: 0 }
  const shownEnded = items.filter(({ state }) => isFinal(state)).length
  return { all: items.length + ended + waiting, ended: shownEnded + ended }
}
