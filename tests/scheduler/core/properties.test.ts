import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applied } from '../../../scheduler/core/apply.js'
import { cancelRun } from '../../../scheduler/core/cancel.js'
import { clear } from '../../../scheduler/core/clear.js'
import { decide } from '../../../scheduler/core/decide.js'
import { isEmpty } from '../../../scheduler/core/draft.js'
import { mark } from '../../../scheduler/core/mark.js'
import { type AttemptOutcome, type RunSnapshot, TASK_STATES } from '../../../scheduler/core/model.js'
import { retryDelayMs } from '../../../scheduler/core/retry.js'
import { isFinalRun } from '../../../scheduler/core/states.js'
import { type Dag, type Task, TRIGGER_RULES } from '../../../scheduler/dag/model.js'
import { dag, NOW, snapshot, task } from './dags.js'
import { isDone, mayRun } from './trigger-rule-oracle.js'

const RESULTS = ['success', 'failed', 'skipped', 'timed_out', 'cancelled', 'lost', 'stopped'] as const

/** Any graph of up to eight tasks: needs only point back, as in a compiled DAG. */
const anyDag: fc.Arbitrary<Dag> = fc
  .array(
    fc.record({
      triggerRule: fc.constantFrom(...TRIGGER_RULES),
      retries: fc.integer({ min: 0, max: 2 }),
      needs: fc.array(fc.nat({ max: 7 }), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((tasks) =>
    dag(
      'any',
      tasks.map(({ needs, ...set }, index): Task => {
        const ids = needs.filter((need) => need < index).map((need) => `t${need}`)
        return task(`t${index}`, [...new Set(ids)], { ...set, retryDelayMs: 100 })
      }),
    ),
  )

/** Any states at all, also such as no run ever reaches: decisions must cope. */
const anySnapshot: fc.Arbitrary<RunSnapshot> = anyDag.chain((of) =>
  fc
    .record({
      run: fc.record({
        state: fc.constantFrom('queued' as const, 'running' as const),
        cancelRequested: fc.boolean(),
      }),
      tasks: fc.array(
        fc.record({
          state: fc.constantFrom(...TASK_STATES),
          attempt: fc.nat({ max: 3 }),
          tries: fc.nat({ max: 3 }),
          notBefore: fc.option(fc.integer({ min: NOW - 50, max: NOW + 50 })),
          cancelRequested: fc.boolean(),
        }),
        { minLength: of.tasks.length, maxLength: of.tasks.length },
      ),
      outcomes: fc.array(
        fc.record({
          task: fc.nat({ max: of.tasks.length - 1 }),
          attempt: fc.nat({ max: 3 }),
          result: fc.constantFrom(...RESULTS),
          retryable: fc.boolean(),
        }),
        { maxLength: 6 },
      ),
    })
    .map(({ run, tasks, outcomes }) => {
      const plain = snapshot(of)
      return {
        ...plain,
        run: { ...plain.run, ...run },
        tasks: plain.tasks.map((taskRun, index) => ({ ...taskRun, ...tasks[index] })),
        outcomes: outcomes.map(
          ({ task: index, ...set }): AttemptOutcome => ({
            taskId: `t${index}`,
            reason: 'why',
            outputs: {},
            endedAt: NOW,
            ...set,
          }),
        ),
      }
    }),
)

describe('decisions', () => {
  it('have nothing to add to their own result', () => {
    fc.assert(
      fc.property(anySnapshot, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (before, random) => {
        const first = decide(before, NOW, () => random)
        const again = decide(applied(before, first, NOW), NOW, () => 0.5)
        expect(again).toMatchObject({ tasks: [], run: null, settled: [], stop: [] })
        expect(again.wakeAt).toBe(first.wakeAt)
      }),
      { numRuns: 1_000 },
    )
  })

  it('let nothing run before its upstream allows it, and leave no task that waits without a reason', () => {
    fc.assert(
      fc.property(anySnapshot, (before) => {
        const after = applied(
          before,
          decide(before, NOW, () => 0),
          NOW,
        )
        const state = new Map(after.tasks.map((taskRun) => [taskRun.taskId, taskRun.state]))
        if (after.run.state !== 'running' || after.run.cancelRequested) return
        for (const declared of after.dag.tasks) {
          const upstream = declared.needs.flatMap((need) => state.get(need) ?? [])
          const now = after.tasks.find(({ taskId }) => taskId === declared.id)
          if (now?.state === 'scheduled') expect(mayRun(declared.triggerRule, upstream)).toBe(true)
          if (now?.state === 'none') {
            expect(mayRun(declared.triggerRule, upstream)).toBe(false)
            expect(now.reason).toMatch(/^waits for t\d/)
          }
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('change tasks only from where they are, and end a run only with its tasks', () => {
    fc.assert(
      fc.property(anySnapshot, (before) => {
        const decision = decide(before, NOW, () => 0)
        for (const { taskId, expect: expected } of decision.tasks) {
          expect(before.tasks.find((taskRun) => taskRun.taskId === taskId)).toMatchObject(expected)
        }
        const after = applied(before, decision, NOW)
        if (isFinalRun(after.run.state)) expect(after.tasks.every(({ state }) => isDone(state))).toBe(true)
        expect(after.outcomes).toEqual([])
      }),
      { numRuns: 1_000 },
    )
  })
})

/** Runs a run to its end as the world might: everything scheduled is attempted, with the results that chance gives. */
function play(of: Dag, results: readonly AttemptOutcome['result'][]): { end: RunSnapshot; steps: number } {
  let run = snapshot(of)
  let now = NOW
  let next = 0
  for (let steps = 0; ; steps += 1) {
    const decision = decide(run, now, () => 0)
    run = applied(run, decision, now)
    if (isFinalRun(run.run.state) || steps > 500) return { end: run, steps }
    const ready = run.tasks.filter(({ state }) => state === 'scheduled')
    if (ready.length === 0) now = decision.wakeAt ?? now
    const attempts = new Map(ready.map(({ taskId, attempt }) => [taskId, attempt + 1]))
    run = {
      ...run,
      tasks: run.tasks.map((taskRun) => {
        const attempt = attempts.get(taskRun.taskId)
        return attempt === undefined ? taskRun : { ...taskRun, state: 'running', attempt, tries: taskRun.tries + 1 }
      }),
      outcomes: [...attempts].map(([taskId, attempt]) => {
        next += 1
        const given = results[next % results.length] ?? 'success'
        // nobody stops Sluice for ever
        const result = given === 'stopped' && next > results.length ? 'success' : given
        return { taskId, attempt, result, reason: 'why', retryable: true, outputs: {}, endedAt: now }
      }),
    }
  }
}

describe('a run', () => {
  it('always ends, and no task has more tries than its retries allow', () => {
    fc.assert(
      fc.property(anyDag, fc.array(fc.constantFrom(...RESULTS), { minLength: 1, maxLength: 20 }), (of, results) => {
        const { end, steps } = play(of, results)
        expect(steps).toBeLessThan(500)
        for (const { taskId, tries } of end.tasks) {
          expect(tries).toBeLessThanOrEqual((of.tasks.find(({ id }) => id === taskId)?.retries ?? 0) + 1)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is cancelled, cleared and marked only where that was asked for', () => {
    fc.assert(
      fc.property(anySnapshot, fc.subarray(['t0', 't1', 't2', 't3']), fc.boolean(), (before, asked, downstream) => {
        const reachable = new Set(asked)
        for (const { id, needs } of downstream ? before.dag.tasks : []) {
          if (needs.some((need) => reachable.has(need))) reachable.add(id)
        }
        const { decision, cleared } = clear(before, { tasks: asked, downstream, failedOnly: false }, 'ana')
        expect([...reachable]).toEqual(expect.arrayContaining(cleared))
        expect(decision.tasks.map(({ taskId }) => taskId).sort()).toEqual([...cleared].sort())
        const { marked } = mark(before, asked, 'skipped', NOW, 'ana')
        expect(asked).toEqual(expect.arrayContaining(marked))
      }),
    )
  })

  it('is left with nothing to do for a second cancel', () => {
    fc.assert(
      fc.property(anySnapshot, (before) => {
        const first = cancelRun(before, NOW, 'ana')
        if (first === null) return
        const second = cancelRun(applied(before, first, NOW), NOW, 'ana')
        expect(second === null || isEmpty(second)).toBe(true)
      }),
    )
  })
})

describe('the delay of a retry', () => {
  it('is never negative, never above the cap, and never a fifth shorter than without jitter', () => {
    const config = fc.record({
      retryDelayMs: fc.nat({ max: 1e7 }),
      backoff: fc.double({ min: 1, max: 10, noNaN: true }),
      maxDelayMs: fc.nat({ max: 1e9 }),
    })
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(config, fc.integer({ min: 1, max: 5_000 }), chance, (retry, tries, random) => {
        const longest = retryDelayMs(retry, tries, () => 0)
        const delay = retryDelayMs(retry, tries, () => random)
        expect(longest).toBeLessThanOrEqual(retry.maxDelayMs)
        expect(delay).toBeLessThanOrEqual(longest)
        expect(delay).toBeGreaterThanOrEqual(Math.floor(longest * 0.8))
      }),
    )
  })
})
