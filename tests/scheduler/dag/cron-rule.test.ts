import { describe, expect, it } from 'vitest'
import { DENSE, dueByTheClock, SPARSE, scanZone, YEARS, ZONES } from './cron-oracle.js'
import { aroundChanges, compare } from './cron-rule.js'

/*
 * Against an implementation of its own (cron-oracle.ts). Expressions that are due often are compared around each change of the
 * clock only; `node dist/tests/scheduler/dag/cron-rule-main.js` compares all of them over all years.
 */
describe('cron against the clock, minute by minute', () => {
  it(`has 12 zones and 60 expressions`, () => {
    expect(ZONES).toHaveLength(12)
    expect(new Set([...SPARSE, ...DENSE]).size).toBe(60)
  })

  it.each(ZONES)('$timezone', { timeout: 30_000 }, ({ timezone, year }) => {
    const scan = scanZone(timezone, Date.UTC(year, 0, 1), Date.UTC(year + YEARS, 0, 1))
    const parts = aroundChanges(scan)
    const differences = [
      ...SPARSE.map((cron) => compare(cron, timezone, scan).difference),
      ...DENSE.flatMap((cron) => parts.map((part) => compare(cron, timezone, part).difference)),
    ]
    expect(differences.filter((difference) => difference !== null)).toEqual([])
  })

  it('is no comparison of nothing', () => {
    const berlin = scanZone('Europe/Berlin', Date.UTC(2026, 2, 26), Date.UTC(2026, 2, 31))
    const iso = dueByTheClock('30 2 * * *', berlin).map((instant) => new Date(instant).toISOString())
    expect(iso).toEqual(['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
    expect(aroundChanges(berlin)).toHaveLength(1)
  })
})
