import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findCycle, groupsOf, type Needs, topologicalOrder, upstreamOf } from '../../../scheduler/dag/graph.js'

/** Each task needs some of those before it, then the order of the file is shuffled. */
const acyclic: fc.Arbitrary<Needs> = fc
  .array(fc.array(fc.nat(30), { maxLength: 5 }), { minLength: 1, maxLength: 30 })
  .chain((rows) => {
    const entries = rows.map((row, index): [string, string[]] => [
      `t${index}`,
      [...new Set(row.filter((upstream) => upstream < index).map((upstream) => `t${upstream}`))],
    ])
    return fc.shuffledSubarray(entries, { minLength: entries.length }).map((shuffled) => new Map(shuffled))
  })

describe('graph', () => {
  it('orders tasks after what they need, and finds no cycle where there is none', () => {
    fc.assert(
      fc.property(acyclic, (needs) => {
        const order = topologicalOrder(needs)
        expect([...order].sort()).toEqual([...needs.keys()].sort())
        for (const [id, upstream] of needs) {
          for (const one of upstream) expect(order.indexOf(one)).toBeLessThan(order.indexOf(id))
        }
        expect(findCycle(needs)).toBeNull()
      }),
    )
  })

  it('keeps the order of the file among equals', () => {
    const needs = new Map([
      ['z', []],
      ['b', ['c']],
      ['c', []],
      ['a', []],
    ])
    expect(topologicalOrder(needs)).toEqual(['z', 'c', 'b', 'a'])
  })

  it('finds a cycle that is one', () => {
    fc.assert(
      fc.property(acyclic, fc.nat(), fc.nat(), (needs, from, to) => {
        const order = topologicalOrder(needs)
        const late = order[from % order.length] ?? ''
        const early = order[to % order.length] ?? ''
        const closed = new Map(needs)
        closed.set(early, [...(needs.get(early) ?? []), late])
        const cycle = findCycle(closed)
        const isCircle = early === late || upstreamOf(needs, late).has(early)
        expect(cycle !== null).toBe(isCircle)
        for (const [index, id] of (cycle ?? []).entries()) {
          const next = cycle?.[index + 1]
          if (next !== undefined) expect(closed.get(id)).toContain(next)
        }
        if (cycle !== null) expect(cycle[0]).toBe(cycle.at(-1))
      }),
    )
  })

  it('walks a chain of a hundred thousand tasks', () => {
    const needs = new Map(
      Array.from({ length: 100_000 }, (_, index) => [`t${index}`, index === 0 ? [] : [`t${index - 1}`]]),
    )
    expect(findCycle(needs)).toBeNull()
    expect(topologicalOrder(needs)).toHaveLength(100_000)
    expect(upstreamOf(needs, 't99999').size).toBe(99_999)
  })

  it('groups tasks by a prefix that several share', () => {
    const groups = groupsOf(['bronze_a', 'bronze_b', 'silver_a', 'audit', 'audits'])
    expect([...groups.values()]).toEqual(['bronze', 'bronze', '', '', ''])
  })
})
