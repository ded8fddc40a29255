import { describe, expect, it } from 'vitest'
import { assertFits, carried } from '../../operators/ingest/postgres-types.js'

/** as the server computes it */
const modifier = (precision: number, scale: number) => ((precision << 16) | (scale & 0x7ff)) + 4
const column = (dataTypeID: number, dataTypeModifier = -1) => ({ name: 'amount', dataTypeID, dataTypeModifier })

describe('types of PostgreSQL', () => {
  it.each([
    [10, 2, 'DECIMAL(10,2)'],
    [38, 0, 'DECIMAL(38,0)'],
    [38, 38, 'DECIMAL(38,38)'],
    [3, -2, 'DECIMAL(5,0)'],
    [2, 5, 'DECIMAL(5,5)'],
  ])('numeric(%i,%i) is %s', (precision, scale, type) => {
    expect(carried(column(1700, modifier(precision, scale)), null)).toMatchObject({ type, limit: null })
  })

  it('refuse a numeric with more digits than a table holds', () => {
    expect(() => carried(column(1700, modifier(39, 2)), null)).toThrow('Column amount is numeric(39,2)')
  })

  it('let a numeric without a precision through value by value', () => {
    const any = carried(column(1700), null)
    for (const value of ['0', '-12.50', '9999999999999999999999999999.9999999999', '1.00000000000000000', '0.1']) {
      expect(() => assertFits(any, value)).not.toThrow()
    }
    for (const value of ['NaN', 'Infinity', '0.00000000001', '10000000000000000000000000000', '-1.12345678901']) {
      expect(() => assertFits(any, value), value).toThrow(`holds ${value}, which does not fit into DECIMAL(38,10)`)
    }
  })

  it('are refused by name and with a way out when they have no equal', () => {
    const array = { name: 'integer[]', kind: 'b', category: 'A' }
    expect(() => carried(column(1007), array)).toThrow('Column amount has the type integer[]')
    expect(() => carried(column(20_000), { name: 'point3d', kind: 'c', category: 'C' })).toThrow('point3d')
    expect(carried(column(20_000), { name: 'mood', kind: 'e', category: 'E' }).type).toBe('VARCHAR')
    expect(carried(column(20_000), { name: 'citext', kind: 'b', category: 'S' }).type).toBe('VARCHAR')
  })
})
