import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { crowd } from './crowd.js'
import { type Fate, FaultyProxy } from './faulty-proxy.js'
import { independentCounts } from './independent-counts.js'
import { pythonWithDelta, runScript } from './python-env.js'
import { S3Lake } from './s3-lake.js'
import { SparkSql } from './spark-sql.js'

/** Hundreds of commits each, on a machine that may have other things to do. */
const PATIENCE_MS = 300_000
const COMMIT = /^PUT \/\S+\/_delta_log\/\d{20}\.json/

let spark: SparkSql
beforeAll(async () => {
  pythonWithDelta()
  spark = await SparkSql.start()
})
afterAll(() => spark.stop())

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function lakeBehind(fateOf: (request: string) => Fate) {
  const proxy = await FaultyProxy.start(process.env.S3_ENDPOINT ?? '', fateOf)
  const lake = new S3Lake(proxy.url)
  const close = async () => {
    await lake.remove()
    await proxy.close()
  }
  opened.push({ close })
  return { lake, proxy }
}

/** What delta-rs finds, asked past the proxy. */
function read(lake: S3Lake, table: string, order: string) {
  return JSON.parse(runScript('read_delta_s3.py', [lake.url(table), order])) as {
    version: number
    rows: Record<string, unknown>[]
  }
}

/** Each number is there once for Spark and for Trino. */
async function expectEachOnce(lake: S3Lake, table: string, count: number): Promise<void> {
  const each = [count, count]
  expect(await independentCounts(spark, { delta: lake.url(table) })).toEqual({ spark: each, trino: each })
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('answers that are lost', () => {
  it(
    'to 100 commits double no row and lose none',
    async () => {
      const seen = new Map<string, number>()
      // Every commit loses its first answer; every tenth one loses so many that the client gives up.
      const { lake, proxy } = await lakeBehind((request) => {
        const [line] = COMMIT.exec(request) ?? []
        if (line === undefined) return 'pass'
        const times = (seen.get(line) ?? 0) + 1
        seen.set(line, times)
        return times <= (Number(line.slice(-6, -5)) === 0 ? 5 : 1) ? 'lose_answer' : 'pass'
      })
      for (const n of numbers(100)) {
        const outcome = await lake.write('silver.t', `select ${n}::bigint as n`, { mode: 'append', token: `t/${n}` })
        expect(outcome.outcome).toBe('published')
      }
      expect(proxy.met.lose_answer).toBeGreaterThanOrEqual(100)
      const { rows, version } = read(lake, 'silver.t', 'n')
      expect(version).toBe(99)
      expect(rows.map((row) => row.n)).toEqual(numbers(100))
      await expectEachOnce(lake, 'silver.t', 100)
    },
    PATIENCE_MS,
  )

  it(
    'to any request, and requests that are lost, leave each row once after retries of the task',
    async () => {
      let requests = 0
      const { lake, proxy } = await lakeBehind(() => {
        requests += 1
        if (requests % 7 === 0) return 'lose_answer'
        return requests % 11 === 0 ? 'lose_request' : 'pass'
      })
      for (const n of numbers(30)) {
        const set = { mode: 'merge' as const, keys: ['n'], token: `t/${n}` }
        await lake.write('silver.m', `select range::bigint as n, ${n} as by from range(${n}, ${n + 3})`, set)
        await lake.write('silver.m', `select range::bigint as n, ${n} as by from range(${n}, ${n + 3})`, set)
      }
      expect(proxy.met.lose_answer).toBeGreaterThan(50)
      expect(proxy.met.lose_request).toBeGreaterThan(30)
      const { rows, version } = read(lake, 'silver.m', 'n')
      expect(version).toBe(29)
      expect(rows.map((row) => row.n)).toEqual(numbers(32))
      await expectEachOnce(lake, 'silver.m', 32)
      expect(rows.map((row) => row.by)).toEqual([...numbers(30), 29, 29])
    },
    PATIENCE_MS,
  )
})

describe('an outage that begins with the answer to a commit', () => {
  // the commit is sent again, looked for, looked for again, and then the attempt clears up: one length for each point
  it.each(['append', 'merge', 'overwrite'] as const)(
    'of any length leaves each row of an %s once',
    async (mode) => {
      let outage = 0
      let left = 0
      const { lake } = await lakeBehind((request) => {
        if (COMMIT.test(request) && request.includes('0000001.json') && left === 0 && outage > 0) {
          left = outage
          outage = 0
          return 'lose_answer'
        }
        if (left > 0) left -= 1
        return left > 0 ? 'lose_request' : 'pass'
      })
      let failures = 0
      for (let length = 1; length <= 34; length += 3) {
        const table = `silver.${mode}_${length}`
        await lake.write(table, 'select range::bigint as n, 0 as gen from range(4)')
        outage = length
        const request = lake.request(table, 'select range::bigint as n, 1 as gen from range(2, 6)', {
          mode,
          keys: mode === 'merge' ? ['n'] : [],
        })
        const house = await lake.house()
        const attempt = () => house.write(request)
        await attempt().catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'UNREACHABLE' })
          failures += 1
        })
        left = 0
        expect((await attempt()).outcome).toBe('already_published')
        const rows = await lake.rows(`select n, gen from ${table} order by n, gen`)
        const expected = {
          append: [
            [0, 0],
            [1, 0],
            [2, 0],
            [2, 1],
            [3, 0],
            [3, 1],
            [4, 1],
            [5, 1],
          ],
          merge: [
            [0, 0],
            [1, 0],
            [2, 1],
            [3, 1],
            [4, 1],
            [5, 1],
          ],
          overwrite: [
            [2, 1],
            [3, 1],
            [4, 1],
            [5, 1],
          ],
        }[mode]
        expect(rows).toEqual(expected)
        expect(read(lake, table, 'n,gen').rows.map(({ n, gen }) => [n, gen])).toEqual(expected)
      }
      expect(failures).toBeGreaterThan(1)
    },
    PATIENCE_MS,
  )
})

describe('sixteen writers at once, each a process', () => {
  it(
    'commit twenty times each to one table, and every row is there once',
    async () => {
      const lake = new S3Lake()
      opened.push({ close: () => lake.remove() })
      await crowd(lake.config, 'silver.t', 16, 20)
      const { rows, version } = read(lake, 'silver.t', 'n')
      expect(version).toBe(319)
      expect(rows.map((row) => row.n)).toEqual(numbers(320))
      await expectEachOnce(lake, 'silver.t', 320)
    },
    PATIENCE_MS,
  )
})
