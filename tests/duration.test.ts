import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../duration.js'

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['20m', 1_200_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['1d2h3m4s5ms', 93_784_005],
    ['36500d', 3_153_600_000_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '5', 's', '5 s', '5S', '1.5h', '-5s', '1m1h', '1s1s', '36501d', '9999999999s', '5w', '5s '])(
    '%o is none',
    (text) => {
      expect(parseDuration(text)).toBeNull()
    },
  )

  it('are written as they are read', () => {
    fc.assert(
      fc.property(fc.nat({ max: 3_153_600_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
    expect(formatDuration(5_400_000)).toBe('1h30m')
  })
})
