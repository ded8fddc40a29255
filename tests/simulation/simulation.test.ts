import { describe, expect, it } from 'vitest'
import { type SimulationResult, simulate } from './simulation.js'

const SEEDS = 200
/** several tests, so that a failure names its seeds and none takes long */
const PER_TEST = 25

/** What the seeds are there for; a seed that was looked at tells which of it happened. */
const LOOKS_FOR = {
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
  'branch that leaves out': /branch \w+ does not follow it/,
  'condition that does not hold': /running>skipped \(`when` is false\)/,
  'outputs not as declared': /running>failed \(.*without the declared rows/,
  mute: /mute dag\d \S+ until \d+ -> \{"mute"/,
  'file that breaks': /folder \w+ breaks/,
  'file that is mended': /folder \w+ is mended/,
  'run while its file is broken': /is made while \w+\.yaml is broken/,
  'silent worker': /raiseAlerts -> .*worker_gone/,
  'worker that signs off': /removeWorker -> worker/,
  'attempt that a stop has ended': /running>scheduled \(starts again/,
  'worker that is gone for good': /leaves for good/,
  'mute ended by hand': /unmute \d -> undefined/,
}
const seenIn = new Map<number, string[]>()

async function looked(seed: number): Promise<SimulationResult> {
  const result = await simulate(seed)
  const seen = Object.entries(LOOKS_FOR).filter(([, pattern]) => result.history.some((line) => pattern.test(line)))
  seenIn.set(
    seed,
    seen.map(([what]) => what),
  )
  return result
}

describe('the simulation', () => {
  it.each(Array.from({ length: SEEDS / PER_TEST }, (_, index) => 1 + index * PER_TEST))(
    'finds nothing in the seeds from %i on',
    async (from) => {
      for (let seed = from; seed < from + PER_TEST; seed += 1) {
        const { violations, runs, history } = await looked(seed)
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
    for (let seed = 1; seed <= 60; seed += 1) if (!seenIn.has(seed)) await looked(seed)
    expect([...new Set([...seenIn.values()].flat())].sort()).toEqual(Object.keys(LOOKS_FOR).sort())
  })
})
