import { afterAll, expect, it } from 'vitest'
import { Lake } from './subject.js'

const lake = new Lake()
afterAll(() => lake.remove())

/** What `query --json` promises: instants carry a zone, wall times none; both are ISO 8601 in every precision. */
it.each([
  ["timestamp '2026-11-20 05:06:07.5'", '2026-11-20T05:06:07.5'],
  ["timestamp_s '2026-11-20 05:06:07'", '2026-11-20T05:06:07'],
  ["timestamp_ms '2026-11-20 05:06:07.125'", '2026-11-20T05:06:07.125'],
  ["timestamp_ns '2026-11-20 05:06:07.123456789'", '2026-11-20T05:06:07.123456789'],
  ["timestamptz '2026-11-20 05:06:07+01'", '2026-11-20T04:06:07Z'],
  ["date '2026-11-20'", '2026-11-20'],
])('%s is %s', async (sql, expected) => {
  expect(await lake.rows(`select ${sql} as value`)).toEqual([[expected]])
})
