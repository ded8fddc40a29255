import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  forecast,
  MIN_HISTORY,
  nextCrossing,
  type PastRun,
  type PastTask,
  type RemainingTask,
} from '../../../scheduler/core/sla-forecast.js'
import { backTest } from './sla-back-test.js'

const past = (tasks: Record<string, PastTask>): PastRun => new Map(Object.entries(tasks))
const same = (run: PastRun, times = MIN_HISTORY): PastRun[] => Array.from({ length: times }, () => run)
const took = (durationMs: number, waitMs = 0): PastTask => ({ waitMs, durationMs })
/** The 90th percentile, which early warnings go by unless the file says otherwise. */
const forecastEnd = (...args: Parameters<typeof forecast>) => forecast(...args)?.p90 ?? null
const waiting = (id: string, needs: string[] = []): RemainingTask => ({ id, needs, phase: 'waiting', since: null })

describe('the forecast of a run', () => {
  const diamond = [waiting('a'), waiting('b', ['a']), waiting('c', ['a']), waiting('d', ['b', 'c'])]
  const times = past({ a: took(10), b: took(20), c: took(50, 5), d: took(1) })

  it('is the critical path with its waits', () => {
    expect(forecastEnd(diamond, same(times), 1_000)).toBe(1_000 + 10 + 5 + 50 + 1)
  })

  it('is what is left of it', () => {
    const [, b, , d] = diamond
    if (b === undefined || d === undefined) throw new Error('the diamond has four tasks')
    const tasks: RemainingTask[] = [
      { id: 'a', needs: [], phase: 'done', since: 0 },
      b,
      { id: 'c', needs: ['a'], phase: 'running', since: 970 },
      d,
    ]
    expect(forecastEnd(tasks, same(times), 1_000)).toBe(1_000 + 20 + 1)
  })

  it('is the 90th percentile of whole runs', () => {
    const history = Array.from({ length: 10 }, (_, index) => past({ a: took((index + 1) * 100) }))
    expect(forecastEnd([waiting('a')], history, 0)).toBe(900)
  })

  it('leaves out runs that were quicker than this one already is', () => {
    const history = Array.from({ length: 20 }, (_, index) => past({ a: took((index + 1) * 100) }))
    const running: RemainingTask = { id: 'a', needs: [], phase: 'running', since: 0 }
    expect(forecastEnd([running], history, 0)).toBe(1_800)
    expect(forecastEnd([running], history, 1_000)).toBe(1_900)
  })

  it('is not made from too little', () => {
    expect(forecastEnd(diamond, same(times, MIN_HISTORY - 1), 0)).toBeNull()
  })

  it('is the least that is left when a task takes longer than ever', () => {
    const [, ...rest] = diamond
    const tasks: RemainingTask[] = [{ id: 'a', needs: [], phase: 'running', since: 0 }, ...rest]
    expect(forecastEnd(tasks, same(times), 10)).toBe(10 + 5 + 50 + 1)
    expect(forecastEnd(tasks, same(times), 400)).toBe(400 + 5 + 50 + 1)
    expect(forecastEnd([{ id: 'd', needs: [], phase: 'running', since: 0 }], same(times), 400)).toBe(400)
  })
})

describe('the next look at a forecast', () => {
  const MINUTE = 60_000
  /** What looking at every ten seconds finds: the first instant from which on it lies behind the deadline for `ms`. */
  const firstCrossing = (tasks: RemainingTask[], history: PastRun[], deadline: number, ms: number) => {
    let since: number | null = null
    for (let now = 10_000; now < deadline; now += 10_000) {
      const isBehind = (forecast(tasks, history, now)?.p90 ?? 0) > deadline
      since = isBehind ? (since ?? now) : null
      if (since !== null && now - since >= ms) return since
    }
    return null
  }
  /** Looks when told to, as the scheduler does. */
  const foundBy = (tasks: RemainingTask[], history: PastRun[], deadline: number) => {
    for (let [now, looks] = [0, 0]; looks < 100; looks += 1) {
      const next = nextCrossing(tasks, history, now, deadline, 0.9)
      if (next === null) return { at: null, looks }
      expect(next).toBeGreaterThan(now)
      if ((forecast(tasks, history, next)?.p90 ?? 0) > deadline) return { at: next, looks }
      now = next
    }
    throw new Error('it looks too often')
  }

  it('is when a wait has used up what there was to spare', () => {
    const history = same(past({ a: took(20 * MINUTE, 5 * MINUTE) }))
    const { at } = foundBy([waiting('a')], history, 60 * MINUTE)
    expect(at).toBe(35 * MINUTE + 1)
  })

  it('is when what comes after a task that hangs will not be in time any more', () => {
    const history = same(past({ a: took(5 * MINUTE), b: took(20 * MINUTE) }), 30)
    const hangs: RemainingTask[] = [{ id: 'a', needs: [], phase: 'running', since: 0 }, waiting('b', ['a'])]
    const { at, looks } = foundBy(hangs, history, 60 * MINUTE)
    expect(at).toBe(40 * MINUTE + 1)
    expect(looks).toBeLessThan(5)
  })

  it('is never for what will be in time whatever happens', () => {
    const running: RemainingTask = { id: 'a', needs: [], phase: 'running', since: 0 }
    expect(nextCrossing([running], same(past({ a: took(10 * MINUTE) })), 0, 60 * MINUTE, 0.9)).toBeNull()
    expect(nextCrossing([running], [], 0, 60 * MINUTE, 0.9)).toBeNull()
  })

  it('finds every crossing soon after it comes about, with few looks', () => {
    const times = fc.record({ waitMs: fc.nat(20 * MINUTE), durationMs: fc.nat(40 * MINUTE) })
    const runs = fc.array(fc.record({ a: times, b: times }).map(past), { minLength: MIN_HISTORY, maxLength: 12 })
    const running = fc.boolean()
    fc.assert(
      fc.property(runs, running, fc.integer({ min: 30, max: 120 }), (history, isRunning, minutes) => {
        const deadline = minutes * MINUTE
        const first: RemainingTask = isRunning ? { id: 'a', needs: [], phase: 'running', since: 0 } : waiting('a')
        const tasks = [first, waiting('b', ['a'])]
        fc.pre((forecast(tasks, history, 0)?.p90 ?? deadline + 1) <= deadline)
        const step = deadline / 16 + 1_000
        const crossing = firstCrossing(tasks, history, deadline, step)
        const { at, looks } = foundBy(tasks, history, deadline)
        expect(looks).toBeLessThan(20)
        if (crossing !== null) expect(at ?? deadline).toBeLessThanOrEqual(crossing + step)
      }),
    )
  })
})

describe('early warnings, back-tested on made-up histories', () => {
  it.each([
    { share: 0.9, precision: 0.09, recall: 1, lead: 40 },
    { share: 0.75, precision: 0.2, recall: 0.95, lead: 15 },
    { share: 0.5, precision: 0.5, recall: 0.9, lead: 5 },
  ])('hold the figures of the decision at quantile $share', ({ share, precision, recall, lead }) => {
    const found = backTest({ seed: 7, runs: 300, deadlineMinutes: 60, share })
    expect(found.misses).toBeGreaterThan(10)
    expect(found.precision).toBeGreaterThan(precision)
    expect(found.recall).toBeGreaterThanOrEqual(recall)
    expect(found.medianLeadMinutes).toBeGreaterThan(lead)
  })
})
