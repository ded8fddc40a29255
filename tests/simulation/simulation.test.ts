import { describe, expect, it } from 'vitest'
import { simulate } from './simulation.js'

const SEEDS = 200
/** several tests, so that a failure names its seeds and none takes long */
const PER_TEST = 25

describe('the simulation', () => {
  it.each(Array.from({ length: SEEDS / PER_TEST }, (_, index) => 1 + index * PER_TEST))(
    'finds nothing in the seeds from %i on',
    async (from) => {
      for (let seed = from; seed < from + PER_TEST; seed += 1) {
        const { violations, runs, history } = await simulate(seed)
        expect(
          violations.map(({ message }) => message),
          `npm run simulate -- --seed ${seed}\n${history.slice(-40).join('\n')}`,
        ).toEqual([])
        expect(runs, `seed ${seed} made no run`).toBeGreaterThan(0)
      }
    },
  )

  it('gives the same history for the same seed, and another for another', async () => {
    const [first, again, other] = [await simulate(7), await simulate(7), await simulate(8)]
    expect(first.history.length).toBeGreaterThan(100)
    expect(again.history).toEqual(first.history)
    expect(again.hash).toBe(first.hash)
    expect(other.hash).not.toBe(first.hash)
  })

  it('has seen in these seeds what it is there for', async () => {
    const seen = new Map<string, number>()
    const looksFor = {
      crash: /crashes: at run:/,
      'crash of a worker': /worker\d crashes/,
      pause: /stands still/,
      conflict: /-> conflict/,
      'lost answer': /answer lost/,
      'doubled message': /doubled on the way/,
      'lost claim': /-> lost_claim/,
      'reaped lease': /reapExpired ->/,
      'takeover by an epoch': /beginEpoch .*"runs":\["/,
      'commit found': /is there already/,
      'run made by another scheduler': /"tick_moved"/,
      'repeated trigger': /"repeated":true/,
      'clear of a running task': /running>running \(cleared/,
      retry: /running>up_for_retry/,
    }
    for (let seed = 1; seed <= 60; seed += 1) {
      const { history } = await simulate(seed)
      for (const [what, pattern] of Object.entries(looksFor)) {
        if (history.some((line) => pattern.test(line))) seen.set(what, (seen.get(what) ?? 0) + 1)
      }
    }
    expect([...seen.keys()].sort()).toEqual(Object.keys(looksFor).sort())
  })
})
