import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { destinationsOf, parseDestination } from '../../../scheduler/core/alert.js'
import {
  dueDestinations,
  retryDelayMs,
  STORM_ALERTS,
  STORM_MS,
  type WaitingDestination,
} from '../../../scheduler/core/alert-batches.js'

const RULES = { windowMs: 5_000 }
const waiting = (changes: Partial<WaitingDestination> = {}): WaitingDestination => {
  return { destination: 'email a@e.org', since: 1_000_000, newest: 1_000_000, isOpen: false, lately: [], ...changes }
}
const due = (one: WaitingDestination, now: number) => dueDestinations([one], now, RULES)

describe('destinations', () => {
  it('are the same for the same people in another order or another case', () => {
    const one = destinationsOf({ email: ['Y@e.org', 'x@e.org'], webhook: null })
    expect(destinationsOf({ email: [' x@e.org', 'y@E.org', 'x@e.org'], webhook: null })).toEqual(one)
    expect(one).toEqual(['email x@e.org y@e.org'])
  })

  it('of mail and webhook are two, of nobody none', () => {
    const both = destinationsOf({ email: ['x@e.org'], webhook: 'chat' })
    expect(both.map(parseDestination)).toEqual([
      { kind: 'email', to: ['x@e.org'] },
      { kind: 'webhook', name: 'chat' },
    ])
    expect(destinationsOf({ email: [' '], webhook: null })).toEqual([])
    expect(() => parseDestination('pigeon x')).toThrow('pigeon x')
  })
})

describe('the next message to a destination', () => {
  it('is due once the first of its alerts has waited for the window', () => {
    const one = waiting()
    expect(due(one, one.since + 4_999)).toEqual({ due: [], next: one.since + 5_000 })
    expect(due(one, one.since + 5_000)).toEqual({ due: [one.destination], next: null })
  })

  it('waits for more while they keep coming, and not for ever', () => {
    const coming = (newest: number) => waiting({ newest })
    const { since } = waiting()
    expect(due(coming(since + 2_999), since + 5_000).due).toHaveLength(1)
    expect(due(coming(since + 4_500), since + 5_000)).toEqual({ due: [], next: since + 6_500 })
    expect(due(coming(since + 29_000), since + 29_000).next).toBe(since + 30_000)
    expect(due(coming(since + 60_000), since + 30_000).due).toHaveLength(1)
    // whoever gathers for a short time waits for a short time
    expect(dueDestinations([waiting()], since, { windowMs: 0 }).due).toHaveLength(1)
    expect(dueDestinations([coming(since + 90)], since + 100, { windowMs: 100 }).next).toBe(since + 190)
  })

  it('waits for the one under way, however long that takes', () => {
    expect(due(waiting({ isOpen: true }), 9e12)).toEqual({ due: [], next: null })
  })

  it('comes once a minute in a storm, and at once after a few alerts', () => {
    const at = waiting().since - 1_000
    const storm = waiting({ lately: [{ alerts: STORM_ALERTS, at }] })
    expect(due(storm, at + STORM_MS - 1).next).toBe(at + STORM_MS)
    expect(due(storm, at + STORM_MS).due).toEqual([storm.destination])
    expect(due(waiting({ lately: [{ alerts: STORM_ALERTS - 1, at }] }), storm.since + 5_000).due).toHaveLength(1)
  })

  it('comes once a minute when a few come again and again', () => {
    const at = waiting().since - 1_000
    const behind = (...lately: [alerts: number, minutesBefore: number][]) =>
      due(waiting({ lately: lately.map(([alerts, before]) => ({ alerts, at: at - before * 60_000 })) }), at + 6_000)
    const each = (messages: number, seconds: number) =>
      behind(...Array.from({ length: messages }, (_, index): [number, number] => [1, (index * seconds) / 60]))
    expect(each(STORM_ALERTS, 10).next).toBe(at + STORM_MS)
    expect(each(STORM_ALERTS - 1, 10).due).toHaveLength(1)
    expect(each(STORM_ALERTS, 15).due).toHaveLength(1)
    expect(behind([STORM_ALERTS - 4, 0], [4, 1]).next).toBe(at + STORM_MS)
    expect(behind([1, 0], [STORM_ALERTS, 2]).due).toHaveLength(1)
  })

  it('always comes: what is not due has an instant at which it will be, unless one is under way', () => {
    const drawn = fc.record({
      since: fc.integer({ min: 0, max: 1e6 }),
      newest: fc.integer({ min: 0, max: 1e6 }),
      isOpen: fc.boolean(),
      lately: fc.array(fc.record({ alerts: fc.integer({ min: 1, max: 100 }), at: fc.integer({ min: 0, max: 1e6 }) }), {
        maxLength: 3,
      }),
    })
    fc.assert(
      fc.property(fc.array(drawn), fc.integer({ min: 0, max: 2e6 }), (many, now) => {
        const all = many.map((one, index) => waiting({ ...one, destination: `email ${index}@e.org` }))
        const first = dueDestinations(all, now, RULES)
        const closed = all.filter(({ isOpen }) => !isOpen).map(({ destination }) => destination)
        expect(dueDestinations(all, 9e12, RULES).due).toEqual(closed)
        if (first.next === null) expect(first.due).toEqual(closed)
        else expect(dueDestinations(all, first.next, RULES).due.length).toBeGreaterThan(first.due.length)
      }),
    )
  })
})

it('an alert is tried again soon, and within 20 seconds of the end of any outage', () => {
  expect([1, 2, 3, 4, 5, 6, 1_000, 100_000].map(retryDelayMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000,
  ])
})
