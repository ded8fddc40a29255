import { describe, expect, it } from 'vitest'
import {
  forecastEnd,
  MIN_HISTORY,
  type PastRun,
  type PastTask,
  type RemainingTask,
} from '../../../scheduler/core/sla-forecast.js'
import { backTest } from './sla-back-test.js'

const past = (tasks: Record<string, PastTask>): PastRun => new Map(Object.entries(tasks))
const same = (run: PastRun, times = MIN_HISTORY): PastRun[] => Array.from({ length: times }, () => run)
const took = (durationMs: number, waitMs = 0): PastTask => ({ waitMs, durationMs })
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
    const running: RemainingTask = { id: 'a', needs: [], phase: 'running', since: 0 }
    expect(forecastEnd([running], same(times), 11)).toBeNull()
  })
})

describe('early warnings, back-tested on made-up histories', () => {
  it.each([
    { share: 0.9, precision: 0.09, recall: 1, lead: 40 },
    { share: 0.5, precision: 0.5, recall: 0.9, lead: 5 },
  ])('hold the figures of the decision at quantile $share', ({ share, precision, recall, lead }) => {
    const found = backTest({ seed: 7, runs: 300, deadlineMinutes: 60, share })
    expect(found.misses).toBeGreaterThan(10)
    expect(found.precision).toBeGreaterThan(precision)
    expect(found.recall).toBeGreaterThanOrEqual(recall)
    expect(found.medianLeadMinutes).toBeGreaterThan(lead)
  })
})
