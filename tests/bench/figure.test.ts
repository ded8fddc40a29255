import { describe, expect, it } from 'vitest'
import { type Figure, middleTake } from './figure.js'

const take = (value: number): Figure => {
  return { name: 'hop', bar: '<= 8 ms', measured: `${value} ms`, met: value <= 8, method: 'by hand', value }
}

describe('a figure that is taken several times', () => {
  it('is the take in the middle, and tells of all', () => {
    expect(middleTake([take(7), take(12), take(9)])).toMatchObject({ measured: '9 ms', met: false, value: 9 })
    expect(middleTake([take(7), take(12), take(9)]).method).toContain('(7.00, 9.00, 12)')
  })

  it('is the worse of the two in the middle when one take broke', () => {
    expect(middleTake([take(9), take(7)])).toMatchObject({ met: false })
  })

  it('is left as it was when there is one', () => {
    expect(middleTake([take(7)])).toEqual(take(7))
  })
})
