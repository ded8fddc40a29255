import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EventDetail, TriggerEvent } from '../../../scheduler/core/model.js'
import { firings, keptEvents } from '../../../scheduler/core/triggers.js'
import type { Trigger } from '../../../scheduler/dag/model.js'

const NOW = Date.UTC(2026, 10, 20, 5)
const version = (id: number, table: string, number: number): TriggerEvent => ({
  id,
  kind: 'table',
  source: table,
  detail: { table, version: number, from_version: number === 0 ? null : number - 1 },
  seenAt: NOW + id,
})
const other = (id: number, kind: 'file' | 'dag', source: string, detail: EventDetail): TriggerEvent => ({
  id,
  kind,
  source,
  detail,
  seenAt: NOW + id,
})
const tables = (sources: string[], changes: Partial<Extract<Trigger, { kind: 'table' }>> = {}): Trigger => ({
  kind: 'table',
  sources,
  mode: 'any',
  batch: false,
  ...changes,
})
const fired = (trigger: Trigger, events: TriggerEvent[], isWaiting = false, limit = 100) =>
  firings({ triggers: [trigger] }, { events, isWaiting }, limit)

describe('runs that events start', () => {
  it('any: each version starts one, in order', () => {
    const made = fired(tables(['s.a', 's.b']), [version(1, 's.b', 0), version(2, 's.a', 7), version(3, 's.c', 1)])
    expect(made.map(({ by, events }) => [by, events])).toEqual([
      ['table s.b', [1]],
      ['table s.a', [2]],
    ])
    const one = { table: 's.a', version: 7, from_version: 6 }
    expect(made[1]?.trigger).toEqual({ kind: 'table', ...one, tables: [one] })
  })

  it('all: one, once every table has a version; it stands for all of them', () => {
    const both = tables(['s.a', 's.b'], { mode: 'all' })
    expect(fired(both, [version(1, 's.a', 4), version(2, 's.a', 5)])).toEqual([])
    const made = fired(both, [version(1, 's.a', 4), version(2, 's.a', 5), version(3, 's.b', 0)])
    expect(made).toEqual([
      {
        by: 'table s.a and 1 more',
        events: [1, 2, 3],
        trigger: {
          kind: 'table',
          tables: [
            { table: 's.a', version: 5, from_version: 3 },
            { table: 's.b', version: 0, from_version: null },
          ],
        },
      },
    ])
  })

  it('batch: one for all that waits, and none while one is queued', () => {
    const files: Trigger = {
      kind: 'file',
      sources: ['*.csv'],
      connection: null,
      stableMs: 0,
      marker: null,
      batch: true,
    }
    const events = Array.from({ length: 1_500 }, (_, index) =>
      other(index, 'file', '*.csv', { files: [`/landing/${index}`] }),
    )
    expect(fired(files, events, true)).toEqual([])
    const [made] = fired(files, events)
    expect(made?.events).toHaveLength(1_000)
    expect(made?.trigger).toMatchObject({
      kind: 'file',
      files: events.slice(0, 1_000).flatMap(({ detail }) => ('files' in detail ? detail.files : [])),
    })
    expect(made?.trigger).not.toHaveProperty('file')
  })

  it('names the run or the file when there is one', () => {
    const run = { dag: 'sales', run: 'sales-1' }
    const dags: Trigger = { kind: 'dag', sources: ['sales'], mode: 'any', batch: false }
    expect(fired(dags, [other(1, 'dag', 'sales', run)])[0]?.trigger).toEqual({ kind: 'dag', ...run, runs: [run] })
  })

  it('never an event twice, never more runs than asked for, never out of order', () => {
    const events = fc.array(fc.tuple(fc.constantFrom('s.a', 's.b', 's.c'), fc.nat(50)), { maxLength: 60 })
    const modes = fc.record({ mode: fc.constantFrom('any' as const, 'all' as const), batch: fc.boolean() })
    fc.assert(
      fc.property(events, modes, fc.integer({ min: 1, max: 9 }), (given, mode, limit) => {
        const pending = given.map(([table, number], id) => version(id, table, number))
        const made = fired(tables(['s.a', 's.b'], mode), pending, false, limit)
        const used = made.flatMap((one) => one.events)
        expect(new Set(used).size).toBe(used.length)
        expect(made.length).toBeLessThanOrEqual(limit)
        const firsts = made.map((one) => one.events[0] ?? -1)
        expect(firsts).toEqual([...firsts].sort((a, b) => a - b))
        for (const id of used) expect(['s.a', 's.b']).toContain(pending[id]?.source)
      }),
    )
  })
})

describe('what a resume keeps of events', () => {
  const events = [
    version(1, 's.a', 1),
    version(2, 's.a', 2),
    version(3, 's.b', 1),
    other(4, 'file', '*.csv', { files: [] }),
  ]
  const ids = (catchup: Parameters<typeof keptEvents>[0]) => keptEvents(catchup, events, NOW + 4).map(({ id }) => id)

  it('files always; versions and runs as catchup says', () => {
    expect(ids('none')).toEqual([4])
    expect(ids('last')).toEqual([2, 3, 4])
    expect(ids('all')).toEqual([1, 2, 3, 4])
    expect(ids({ windowMs: 1 })).toEqual([3, 4])
  })
})
