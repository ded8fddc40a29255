import { describe, expect, it } from 'vitest'
import { freshnessMaxAgeMs, parseChecks } from '../../../lakehouse/checks/spec.js'

describe('checks as written', () => {
  it.each([
    [{ not_null: 'a' }, { kind: 'not_null', options: ['a'], severity: 'error', name: 'not_null a' }],
    [
      { unique: ['a', 'b'], severity: 'warn' },
      { kind: 'unique', options: ['a', 'b'], severity: 'warn', name: 'unique a, b' },
    ],
    [
      { range: { column: 'q', min: 1 }, name: 'n' },
      { kind: 'range', options: { column: 'q', min: 1 }, severity: 'error', name: 'n' },
    ],
    [
      { row_count: { min: 1, max: 9 } },
      { kind: 'row_count', options: { min: 1, max: 9 }, severity: 'error', name: 'row_count min 1 max 9' },
    ],
    [
      { freshness: '24h' },
      { kind: 'freshness', options: { max_age: '24h' }, severity: 'error', name: 'freshness 24h' },
    ],
    [
      { freshness: { column: 'at', max_age: '1h' } },
      { kind: 'freshness', options: { column: 'at', max_age: '1h' }, severity: 'error', name: 'freshness at 1h' },
    ],
    [
      { expression: 'a\n  > 0' },
      { kind: 'expression', options: { sql: 'a\n  > 0' }, severity: 'error', name: 'expression a > 0' },
    ],
    [
      { relationship: { column: 'c', to: 's.t', field: 'f' } },
      {
        kind: 'relationship',
        options: { column: 'c', to: 's.t', field: 'f' },
        severity: 'error',
        name: 'relationship c',
      },
    ],
  ])('%o', (written, expected) => {
    expect(parseChecks([written])).toEqual([expected])
  })

  it('shortens the name of a long expression', () => {
    const [check] = parseChecks([{ expression: 'x'.repeat(200) }])
    expect(check?.name).toHaveLength('expression '.length + 60)
  })

  it('throws for what no schema has seen', () => {
    for (const list of [null, [null], [{}], [{ nothing: 1 }]]) expect(() => parseChecks(list)).toThrow(TypeError)
  })

  it('knows the age in milliseconds', () => {
    expect([freshnessMaxAgeMs('2h'), freshnessMaxAgeMs({ max_age: '1d' })]).toEqual([7_200_000, 86_400_000])
    expect(() => freshnessMaxAgeMs(5)).toThrow(TypeError)
  })
})
