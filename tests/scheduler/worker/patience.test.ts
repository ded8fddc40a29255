import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import { patiently } from '../../../scheduler/worker/patience.js'

const HALF_A_MINUTE_MS = 30_000

function failed(code: string): SluiceError {
  const cause = Object.assign(new Error(`the server says ${code}`), { code })
  return new SluiceError('STORE_FAILED', 'The store failed.', { cause })
}

/** Asks while `answers` last, under a clock that is always there already; a function tells the answer of the time since the first try. */
async function asked(answer: (ms: number) => SluiceError | 'answered') {
  let now = 0
  let tries = 0
  const ignore = () => undefined
  const at = (instant: number, ring: () => void) => {
    now = instant
    queueMicrotask(ring)
    return ignore
  }
  const outcome = await patiently(
    async () => {
      tries += 1
      const given = answer(now)
      if (given !== 'answered') throw given
      return given
    },
    {
      clock: { now: () => now, at },
      log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      what: 'it could not be asked',
      wanted: () => true,
    },
  ).catch((error: unknown) => error)
  return { outcome, tries, ms: now }
}

describe('asking a store patiently', () => {
  it.each(['XX000', 'XX001', 'XX002'])(
    'ends after half a minute of %s, which may be damage that stays',
    async (code) => {
      const failure = failed(code)
      expect(await asked(() => failure)).toMatchObject({ outcome: failure, ms: HALF_A_MINUTE_MS })
    },
  )

  it('goes on where that passes', async () => {
    const passes = (ms: number) => (ms < HALF_A_MINUTE_MS - 1_000 ? failed('XX000') : 'answered')
    expect(await asked(passes)).toMatchObject({ outcome: 'answered' })
  })

  it.each(['57P01', 'ECONNREFUSED'])('goes on for as long as the server is away: %s', async (code) => {
    const hour = 3_600_000
    expect(await asked((ms) => (ms < hour ? failed(code) : 'answered'))).toMatchObject({
      outcome: 'answered',
      ms: hour,
    })
  })

  it('does not wait for a server that is away in between to forget what is damaged', async () => {
    const turns = (ms: number) => failed(ms % 1_000 === 0 ? 'XX001' : '57P01')
    expect(await asked(turns)).toMatchObject({ ms: 2 * HALF_A_MINUTE_MS })
  })

  it('ends at once where the store refuses', async () => {
    expect(await asked(() => failed('22P02'))).toMatchObject({ tries: 1 })
  })
})
