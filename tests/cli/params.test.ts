import { describe, expect, it } from 'vitest'
import { readParams } from '../../cli/params.js'
import type { ParamSpec } from '../../scheduler/dag/model.js'

const specs: Record<string, ParamSpec> = {
  country: { type: 'string' },
  limit: { type: 'integer' },
  ratio: { type: 'number' },
  full: { type: 'boolean' },
  days: { type: 'array', items: 'integer' },
}

describe('--param', () => {
  it('becomes what the DAG declares', () => {
    const pairs = ['country=12', 'limit=-3', 'ratio=0.5e2', 'full=true', 'days=1, 2,3']
    expect(readParams(pairs, specs)).toEqual({ country: '12', limit: -3, ratio: 50, full: true, days: [1, 2, 3] })
  })

  it('keeps everything behind the first =', () => {
    expect(readParams(['country=a=b'], specs)).toEqual({ country: 'a=b' })
    expect(readParams(['country='], specs)).toEqual({ country: '' })
  })

  it('passes on what does not fit, so that the scheduler refuses it in one place', () => {
    expect(readParams(['limit=many', 'full=maybe', 'unknown=1', 'limit2='], specs)).toEqual({
      limit: 'many',
      full: 'maybe',
      unknown: '1',
      limit2: '',
    })
  })

  it('makes no prototype', () => {
    const params = readParams(['__proto__=x'], {})
    expect(Object.keys(params)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(params)).toBe(Object.prototype)
  })

  it.each([['limit'], ['=3'], ['limit=1', 'limit=2']])('is refused as %s', (...pairs) => {
    expect(() => readParams(pairs, specs)).toThrow(expect.objectContaining({ code: 'WRONG_USE' }))
  })
})
