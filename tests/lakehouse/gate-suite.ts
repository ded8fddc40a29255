import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../json.js'
import { parseChecks } from '../../lakehouse/checks/spec.js'
import { type Lake, NOW } from './subject.js'

/** What checks, the gate and quarantine promise, whatever the format. */
export function gateSuite(kind: string, newLake: () => Lake): void {
  let lake: Lake
  beforeAll(async () => {
    lake = newLake()
    await lake.write('silver.countries', `select * from (values ('FR'), ('DE')) as t(code)`)
  })
  afterAll(() => lake.remove())

  const ORDERS = `select * from (values
  (1, 'FR', 10.0, timestamptz '2026-11-20 04:30:00Z', 'a-1'),
  (2, 'DE', 20.0, timestamptz '2026-11-20 03:00:00Z', 'a-2'),
  (2, 'XX', -5.0, timestamptz '2026-11-19 03:00:00Z', 'b2'),
  (null, null, null, null, null)) as t(id, country, amount, placed_at, code)`

  const KINDS: [title: string, check: Json, failingRows: number][] = [
    ['not_null', { not_null: 'id' }, 1],
    ['not_null of several', { not_null: ['id', 'country'] }, 1],
    ['unique', { unique: ['id'] }, 2],
    ['accepted_values of texts', { accepted_values: { column: 'country', values: ['FR', 'DE'] } }, 1],
    ['accepted_values of numbers', { accepted_values: { column: 'id', values: [1] } }, 2],
    ['range', { range: { column: 'amount', min: 0, max: 15 } }, 2],
    ['range of instants', { range: { column: 'placed_at', min: '2026-11-20' } }, 1],
    ['matches', { matches: { column: 'code', pattern: '[a-z]-[0-9]' } }, 1],
    ['relationship', { relationship: { column: 'country', to: 'silver.countries', field: 'code' } }, 1],
    ['expression', { expression: 'amount > 0 or amount is null' }, 1],
  ]

  describe(`checks on ${kind}`, () => {
    it.each(KINDS)('%s counts its failing rows and keeps some', async (_, check, failingRows) => {
      const outcome = await lake.write('silver.refused', ORDERS, { checks: parseChecks([check]) })
      expect(outcome.outcome).toBe('refused')
      expect(outcome.checks[0]).toMatchObject({ passed: false, failingRows, table: 'silver.refused' })
      expect(outcome.checks[0]?.sample).toHaveLength(failingRows)
      expect((await lake.independent('silver.refused')).version).toBe(-1)
    })

    const WHOLE: [title: string, check: Json, passed: boolean][] = [
      ['row_count within bounds', { row_count: { min: 4, max: 4, equals: 4 } }, true],
      ['row_count below', { row_count: { min: 5 } }, false],
      ['row_count above', { row_count: { max: 3 } }, false],
      ['row_count unequal', { row_count: { equals: 3 } }, false],
      ['freshness of a fresh column', { freshness: { column: 'placed_at', max_age: '31m' } }, true],
      ['freshness of an old column', { freshness: { column: 'placed_at', max_age: '29m' } }, false],
    ]
    it.each(WHOLE)('%s', async (_, check, passed) => {
      const outcome = await lake.write('silver.whole', ORDERS, { checks: parseChecks([check]), now: () => NOW })
      expect(outcome.checks[0]?.passed).toBe(passed)
      expect(outcome.outcome).toBe(passed ? 'published' : 'refused')
    })

    it('name the column that is not there, and the ones that are', async () => {
      const write = lake.write('silver.t', ORDERS, { checks: parseChecks([{ not_null: 'idd' }]) })
      await expect(write).rejects.toThrow(/idd.*id, country, amount/)
    })

    it('may not reach beyond the lakehouse', async () => {
      const outside = parseChecks([{ expression: `(select count(*) from read_text('/etc/passwd')) > 0` }])
      await expect(lake.write('silver.t', ORDERS, { checks: outside })).rejects.toMatchObject({ code: 'SQL_FORBIDDEN' })
    })
  })

  describe(`the gate on ${kind}`, () => {
    it('leaves the table as it was when an error check fails', async () => {
      await lake.write('silver.gated', 'select 1 as id')
      const outcome = await lake.write('silver.gated', 'select null::integer as id', {
        checks: parseChecks([{ not_null: 'id' }]),
      })
      expect(outcome.outcome).toBe('refused')
      expect(await lake.rows('select id from silver.gated')).toEqual([[1]])
      expect((await lake.independent('silver.gated')).version).toBe(lake.firstVersion)
    })

    it('publishes with a warning, and with everything when told so', async () => {
      const warn = parseChecks([{ not_null: 'id', severity: 'warn' }])
      const warned = await lake.write('silver.warned', 'select null::integer as id', { checks: warn })
      expect(warned).toMatchObject({ outcome: 'published', checks: [{ passed: false, severity: 'warn' }] })
      const error = parseChecks([{ not_null: 'id' }])
      const forced = await lake.write('silver.warned', 'select null::integer as id', { checks: error, noChecks: true })
      expect(forced).toMatchObject({ outcome: 'published', checks: [{ passed: false, severity: 'error' }] })
    })

    it('has no quarantine in the table itself, whatever name it is given, also when every row is good', async () => {
      for (const quarantine of ['silver.own', 'lake.silver.own']) {
        for (const checks of [parseChecks([{ not_null: 'id' }]), []]) {
          const write = lake.write('silver.own', 'select * from (values (1), (null)) as t(id)', { checks, quarantine })
          await expect(write).rejects.toMatchObject({ code: 'TABLE_NAME_INVALID', retryable: false })
        }
      }
      expect((await lake.independent('silver.own')).version).toBe(-1)
    })

    it('keeps failing rows in quarantine, once per token', async () => {
      const request = {
        checks: parseChecks([{ range: { column: 'amount', min: 0 } }]),
        quarantine: 'quarantine.orders',
        token: 'r/t/1',
      }
      for (let attempt = 0; attempt < 2; attempt++) {
        expect((await lake.write('silver.orders', ORDERS, request)).outcome).toBe('refused')
      }
      const kept = await lake.rows('select id, amount, _failed_checks from quarantine.orders')
      expect(kept).toEqual([[2, -5, 'range amount']])
    })
  })
}
