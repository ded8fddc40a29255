import type { Check } from '../../../lakehouse/lakehouse.js'
import { published, TrinoPlace } from '../../stack/trino-place.js'
import { type Figure, type Measurement, median, milliseconds } from '../figure.js'

const ROUNDS = 5
const ROWS = 1_000_000
const SOURCE = `SELECT CAST(x * 1000 + y AS bigint) AS id, CAST((x * y) % 977 AS integer) AS product, DATE '2026-01-01' + CAST(y % 365 AS integer) * INTERVAL '1' DAY AS day,
  CAST((x + y) % 100 AS decimal(12, 2)) AS amount, concat('customer ', CAST(x % 500 AS varchar)) AS customer
  FROM UNNEST(sequence(1, 1000)) a(x) CROSS JOIN UNNEST(sequence(1, 1000)) b(y)`

/** What a gate costs depends on how much of the work is the writing of rows, since staged rows are written twice. */
const SHAPES = [
  {
    name: 'an aggregate (customers by day)',
    sql: (source: string) =>
      `SELECT customer, day, count(*) AS orders, sum(amount) AS amount, approx_distinct(product) AS products FROM ${source} GROUP BY customer, day HAVING sum(amount) > 10`,
  },
  { name: 'a copy of every row', sql: (source: string) => `SELECT * FROM ${source}` },
]

const CHECKS: Check[] = [
  { kind: 'not_null', options: ['customer', 'day'], severity: 'error', name: 'not_null' },
  { kind: 'row_count', options: { min: 1 }, severity: 'error', name: 'row_count' },
  { kind: 'range', options: { column: 'amount', min: 0 }, severity: 'error', name: 'range' },
]

export const trinoWrite: Measurement = {
  id: 'trino-write',
  takes: 3,
  async run(): Promise<Figure[]> {
    const figures: Figure[] = []
    for (const format of ['iceberg', 'delta'] as const) {
      const place = new TrinoPlace(format)
      try {
        published(await place.write('source', SOURCE))
        for (const shape of SHAPES) figures.push(await compared(place, shape.name, shape.sql(place.table('source'))))
      } finally {
        await place.remove()
      }
    }
    return figures
  },
}

/** Bare and gated writes in turn, so that what else the machine does weighs on both. */
async function compared(place: TrinoPlace, name: string, sql: string): Promise<Figure> {
  const bare: number[] = []
  const gated: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const plain = await timed(() => place.trino.run(`CREATE OR REPLACE TABLE ${place.table('bare')} AS ${sql}`))
    const guarded = await timed(async () => published(await place.write('gated', sql, { checks: CHECKS })))
    if (round === 0) continue
    bare.push(plain)
    gated.push(guarded)
  }
  const [plain, guarded] = [median(bare), median(gated)]
  return {
    name: `gated write on Trino, ${place.format}, ${name}`,
    bar: '<= 1.3 x the bare CTAS + 300 ms',
    measured: `${milliseconds(guarded)}, bare ${milliseconds(plain)}`,
    // what is left for the gate besides its share of the writing
    value: guarded - 1.3 * plain,
    met: guarded <= 1.3 * plain + 300,
    method: `median of ${ROUNDS} writes each, in turn, after one warm-up; source of ${ROWS.toLocaleString('en-US')} rows, three checks; of each take its milliseconds beyond 1.3 x the bare CTAS`,
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
