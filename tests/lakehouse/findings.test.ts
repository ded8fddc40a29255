import { describe, expect, it } from 'vitest'
import type { Json } from '../../json.js'
import type { CheckResult } from '../../lakehouse/lakehouse.js'
import { keptFindings, readFindings } from '../../lakehouse/tables/findings.js'

const READ = { table: 'silver.orders', version: 412, rows: null }

function check(name: string, set: Partial<CheckResult> = {}): CheckResult {
  const base = { kind: 'range', table: 'silver.t', severity: 'warn' as const, passed: true, failingRows: 0 }
  return { name, ...base, measured: { min: 1 }, sample: [{ id: 1 }], message: 'all between 1 and 5', ...set }
}

describe('what is kept with a commit', () => {
  it('comes back as it was, but for the samples', () => {
    const checks = [check('a'), check('b', { passed: false, failingRows: 3, severity: 'error' })]
    const kept = keptFindings({ checks, reads: [READ] })
    const expected = checks.map((one) => ({ ...one, sample: [] }))
    expect(readFindings(JSON.parse(JSON.stringify(kept)))).toEqual({ checks: expected, reads: [READ], leftOut: 0 })
  })

  it('is short, whatever there was: what failed is kept first, and what is missing is counted', () => {
    const passed = Array.from({ length: 200 }, (_, n) => check(`passed ${n}`))
    const failed = check('failed', { passed: false, failingRows: 7, measured: { values: 'x'.repeat(20_000) } })
    const reads = Array.from({ length: 10 }, (_, n) => ({ ...READ, version: n }))
    const kept = keptFindings({ checks: [...passed, failed], reads })
    expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThan(8_300)
    const found = readFindings(kept)
    expect(found.checks.at(-1)).toMatchObject({ name: 'failed', failingRows: 7, measured: {} })
    expect(found.checks.at(-1)?.message).toBe('all between 1 and 5 (figures too long to keep with the commit)')
    expect(found.reads).toEqual(reads)
    const names = found.checks.slice(0, -1).map(({ name }) => name)
    expect(names).toEqual(passed.slice(0, names.length).map(({ name }) => name))
    expect(found.leftOut).toBe(201 - found.checks.length)
    expect(found.leftOut).toBeGreaterThan(100)
  })

  it.each<Json>([
    null,
    'text',
    3,
    [],
    {},
    { checks: 'no', reads: { a: 1 }, leftOut: -1 },
    { checks: [null, { name: 1 }], reads: [7, { table: 't', version: -1 }] },
  ])('is nothing when others wrote %j in its place', (json) => {
    expect(readFindings(json)).toEqual({ checks: [], reads: [], leftOut: 0 })
  })
})
