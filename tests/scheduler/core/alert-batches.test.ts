import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchAlerts, retryDelayMs } from '../../../scheduler/core/alert-batches.js'

const alert = (key: string, recipients: string[], createdAt = 0) => ({ key, recipients, createdAt })

describe('mails made from waiting alerts', () => {
  it('are one for a storm', () => {
    const storm = Array.from({ length: 14_000 }, (_, index) => alert(`miss ${index}`, ['team@example.com'], index))
    const [batch, ...others] = batchAlerts(storm.toReversed())
    expect(others).toEqual([])
    expect(batch?.alerts).toEqual(storm)
  })

  it('never merge different recipients', () => {
    const batches = batchAlerts([alert('a', ['x@e.org']), alert('b', ['x@e.org', 'y@e.org']), alert('c', ['y@e.org'])])
    expect(batches.map(({ alerts }) => alerts.map(({ key }) => key))).toEqual([['a'], ['b'], ['c']])
  })

  it('know the same recipients in another order or another case, and none for nobody', () => {
    const batches = batchAlerts([
      alert('a', ['Y@e.org', 'x@e.org']),
      alert('b', ['x@e.org', 'y@E.org']),
      alert('c', []),
    ])
    expect(batches.map(({ recipients }) => recipients)).toEqual([['x@e.org', 'y@e.org']])
  })

  it('hold each alert once, whatever comes', () => {
    const recipients = fc.uniqueArray(fc.constantFrom('a@e.org', 'b@e.org', 'c, d@e.org'), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(fc.tuple(recipients, fc.integer({ min: 0, max: 5 }))), (drawn) => {
        const waiting = drawn.map(([to, at], index) => alert(String(index), to, at))
        const batches = batchAlerts(waiting)
        const keys = batches.flatMap(({ alerts }) => alerts.map(({ key }) => key))
        expect(keys.toSorted()).toEqual(waiting.map(({ key }) => key).toSorted())
        for (const batch of batches)
          for (const { recipients: own } of batch.alerts) expect(own.toSorted()).toEqual(batch.recipients)
      }),
    )
  })
})

it('an alert is tried again soon, and within 20 seconds of the end of any outage', () => {
  expect([1, 2, 3, 4, 5, 6, 1_000, 100_000].map(retryDelayMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000,
  ])
})
