import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { intervalOption, parseInstant } from '../../cli/instants.js'

describe('instants on the command line', () => {
  it.each([
    ['2026-03-29', '2026-03-29T00:00:00.000Z'],
    ['2026-03-29T01:30', '2026-03-29T01:30:00.000Z'],
    ['2026-03-29 01:30:15', '2026-03-29T01:30:15.000Z'],
    ['2026-03-29T03:30+02:00', '2026-03-29T01:30:00.000Z'],
    ['2026-03-29T01:30:00.250Z', '2026-03-29T01:30:00.250Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
  ])('reads %s as %s', (text, expected) => {
    expect(new Date(parseInstant(text) ?? Number.NaN).toISOString()).toBe(expected)
  })

  it.each([
    '',
    'yesterday',
    '2026-02-30',
    '2025-02-29',
    '2026-13-01',
    '2026-03-29T25:00',
    '2026-3-9',
    '1767225600000',
    '2026-01-01Z+1',
  ])('refuses %s', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  it('reads back what toISOString writes', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
        expect(parseInstant(date.toISOString())).toBe(date.getTime())
      }),
    )
  })
})

describe('intervals on the command line', () => {
  it('are START/END', () => {
    expect(intervalOption('2026-03-01/2026-03-02')).toEqual({
      start: Date.UTC(2026, 2, 1),
      end: Date.UTC(2026, 2, 2),
    })
  })

  it.each([
    '2026-03-01',
    '2026-03-02/2026-03-01',
    '2026-03-01/2026-03-01',
    '2026-03-01/2026-03-02/2026-03-03',
    '/',
    'a/b',
  ])('refuse %s', (text) => {
    expect(() => intervalOption(text)).toThrow(/START before END/)
  })
})
