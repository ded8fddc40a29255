import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideSla, type SlaKind, type SlaSubject, slaDeadline } from '../../../scheduler/core/sla.js'
import { firstInstant, wallAt } from '../../../scheduler/dag/zone.js'

const HOUR = 3_600_000
const at = (text: string) => Date.parse(text)
const zoneOf = (name: string) => ({
  wallAt: (instant: number) => wallAt(name, instant),
  firstInstant: (wall: number) => firstInstant(name, wall),
})
const run = (dueAt: string, startedAt: string | null = null) => ({
  dueAt: at(dueAt),
  startedAt: startedAt === null ? null : at(startedAt),
})
const by = (hours: number, days: number | null = null) =>
  ({ kind: 'by', timeOfDayMs: Math.round(hours * HOUR), days }) as const

describe('the deadline of an SLA', () => {
  it.each([
    ['the same morning', by(7), '2026-11-20T05:00:00Z', '2026-11-20T06:00:00Z'],
    ['the next morning for a run by hand in the afternoon', by(7), '2026-11-20T14:00:00Z', '2026-11-21T06:00:00Z'],
    ['the next one when it is due just then', by(7), '2026-11-20T06:00:00Z', '2026-11-21T06:00:00Z'],
    ['after midnight', by(2), '2026-11-20T22:30:00Z', '2026-11-21T01:00:00Z'],
    ['that day with +0d, though it has passed', by(7, 0), '2026-11-20T14:00:00Z', '2026-11-20T06:00:00Z'],
    ['a day later with +1d', by(7, 1), '2026-11-20T05:00:00Z', '2026-11-21T06:00:00Z'],
    ['by the zone of the day: due before midnight in UTC only', by(7), '2026-11-19T23:30:00Z', '2026-11-20T06:00:00Z'],
    ['summer time', by(7), '2026-07-01T04:00:00Z', '2026-07-01T05:00:00Z'],
    ['after the gap that swallows it', by(2.5), '2026-03-29T00:00:00Z', '2026-03-29T01:00:00Z'],
    ['the first of two', by(2.5), '2026-10-24T23:00:00Z', '2026-10-25T00:30:00Z'],
  ])('by a clock time is %s', (_, rule, due, expected) => {
    expect(slaDeadline(rule, run(due), zoneOf('Europe/Paris'))).toBe(at(expected))
  })

  it('within a time counts from the due instant, or from the start once there is one', () => {
    const zone = zoneOf('UTC')
    const started = run('2026-11-20T05:00:00Z', '2026-11-20T05:20:00Z')
    expect(slaDeadline({ kind: 'within', withinMs: HOUR, from: 'due' }, started, zone)).toBe(at('2026-11-20T06:00:00Z'))
    expect(slaDeadline({ kind: 'within', withinMs: HOUR, from: 'start' }, started, zone)).toBe(
      at('2026-11-20T06:20:00Z'),
    )
    expect(slaDeadline({ kind: 'within', withinMs: HOUR, from: 'start' }, run('2026-11-20T05:00:00Z'), zone)).toBeNull()
  })

  it('without days is after the due instant and within two days of it, in every zone', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Paris', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Apia')
    const due = fc.integer({ min: at('2010-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') })
    fc.assert(
      fc.property(zones, due, fc.integer({ min: 0, max: 1_439 }), (name, dueAt, minute) => {
        const deadline = slaDeadline(by(minute / 60), { dueAt, startedAt: null }, zoneOf(name))
        expect(deadline).toBeGreaterThan(dueAt)
        expect(deadline).toBeLessThanOrEqual(dueAt + 49 * HOUR)
      }),
    )
  })
})

const DEADLINE = 10_000
const FIRE = { afterFailure: 'fire' } as const
const DROP = { afterFailure: 'drop' } as const
const OPEN = false
const CLOSED = true
const subject = (fields: Partial<SlaSubject> = {}): SlaSubject => ({
  state: 'running',
  endedAt: null,
  dagPaused: false,
  sent: [],
  forecast: null,
  ...fields,
})

describe('notices of an SLA', () => {
  it.each<[string, Partial<SlaSubject>, number, SlaKind[], number | null, boolean]>([
    ['nothing before the deadline', {}, DEADLINE - 1, [], DEADLINE, OPEN],
    ['a miss at the deadline', {}, DEADLINE, ['missed'], null, OPEN],
    ['a miss of a run that never started', { state: 'queued' }, DEADLINE, ['missed'], null, OPEN],
    ['nothing twice', { sent: ['missed'] }, DEADLINE + 5, [], null, OPEN],
    ['nothing when it ended in time', { state: 'success', endedAt: DEADLINE }, DEADLINE + 5, [], null, CLOSED],
    ['nothing yet when it ended early: it may be cleared', { state: 'success', endedAt: 5 }, 6, [], DEADLINE, OPEN],
    ['nothing when it was skipped', { state: 'skipped', endedAt: 5 }, DEADLINE + 5, [], null, CLOSED],
    [
      'a recovery',
      { state: 'success', endedAt: DEADLINE + 1, sent: ['missed'] },
      DEADLINE + 1,
      ['recovered'],
      null,
      CLOSED,
    ],
    [
      'a recovery in a pause that began after the miss',
      { state: 'success', endedAt: DEADLINE + 1, sent: ['missed'], dagPaused: true },
      DEADLINE + 1,
      ['recovered'],
      null,
      CLOSED,
    ],
    [
      'both after downtime',
      { state: 'success', endedAt: DEADLINE + 1 },
      DEADLINE + 9,
      ['missed', 'recovered'],
      null,
      CLOSED,
    ],
    [
      'no recovery of one that fails late',
      { state: 'failed', endedAt: DEADLINE + 1, sent: ['missed'] },
      20_000,
      [],
      null,
      OPEN,
    ],
    ['a miss of one that failed before', { state: 'failed', endedAt: 5 }, DEADLINE, ['missed'], null, OPEN],
    ['nothing after it was cancelled', { state: 'cancelled', endedAt: 5 }, DEADLINE, [], null, CLOSED],
    ['nothing while the DAG is paused', { dagPaused: true }, DEADLINE, [], null, OPEN],
    [
      'nothing of what ended late in a pause',
      { dagPaused: true, state: 'failed', endedAt: 5 },
      DEADLINE,
      [],
      null,
      CLOSED,
    ],
    ['an early warning', { forecast: DEADLINE + 1 }, 5, ['at_risk'], DEADLINE, OPEN],
    ['no warning when it will be in time', { forecast: DEADLINE }, 5, [], DEADLINE, OPEN],
    ['no second warning', { forecast: DEADLINE + 1, sent: ['at_risk'] }, 5, [], DEADLINE, OPEN],
    [
      'no warning about what has failed',
      { state: 'failed', endedAt: 4, forecast: DEADLINE + 1 },
      5,
      [],
      DEADLINE,
      OPEN,
    ],
    ['no warning about a paused DAG', { forecast: DEADLINE + 1, dagPaused: true }, 5, [], null, OPEN],
  ])('are %s', (_, fields, now, notices, wakeAt, closed) => {
    expect(decideSla(FIRE, DEADLINE, subject(fields), now)).toEqual({ notices, wakeAt, closed })
  })

  it('drop a run that failed before its deadline when asked to, and not one that failed after it', () => {
    const failed = (endedAt: number) => subject({ state: 'failed', endedAt })
    expect(decideSla(DROP, DEADLINE, failed(5), DEADLINE + 1).notices).toEqual([])
    expect(decideSla(DROP, DEADLINE, failed(DEADLINE + 1), DEADLINE + 1).notices).toEqual(['missed'])
  })

  it('are the same set however often and whenever somebody looks', () => {
    const looks = fc.array(fc.integer({ min: 0, max: 3 * DEADLINE }), { maxLength: 20 })
    fc.assert(
      fc.property(looks, fc.integer({ min: 1, max: 2 * DEADLINE }), (times, endedAt) => {
        const sent: SlaKind[] = []
        for (const now of [...times.toSorted((a, b) => a - b), 3 * DEADLINE]) {
          const ended = now >= endedAt
          const seen = subject({ state: ended ? 'success' : 'running', endedAt: ended ? endedAt : null, sent })
          sent.push(...decideSla(FIRE, DEADLINE, seen, now).notices)
        }
        expect(sent).toEqual(endedAt > DEADLINE ? ['missed', 'recovered'] : [])
      }),
    )
  })
})
