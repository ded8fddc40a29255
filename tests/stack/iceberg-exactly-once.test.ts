import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { crowd } from './crowd.js'
import { type Fate, FaultyProxy } from './faulty-proxy.js'
import { catalogDatabase, StackIcebergLake } from './iceberg-lake.js'
import { independentCounts } from './independent-counts.js'
import { pythonWithIceberg, runScript } from './python-env.js'
import { SparkSql } from './spark-sql.js'

/** Hundreds of commits each, on a machine that may have other things to do. */
const PATIENCE_MS = 600_000
const SWAP = /UPDATE iceberg_tables|INSERT INTO iceberg_tables/

let spark: SparkSql
beforeAll(async () => {
  pythonWithIceberg()
  spark = await SparkSql.start()
})
afterAll(() => spark.stop())

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function lakeBehind(service: 'postgres' | 's3', fateOf: (request: string) => Fate) {
  const { host, port } = catalogDatabase()
  const target = service === 'postgres' ? `tcp://${host}:${port}` : (process.env.S3_ENDPOINT ?? '')
  const proxy = await FaultyProxy.start(target, fateOf)
  const lake =
    service === 'postgres'
      ? new StackIcebergLake({ host: '127.0.0.1', port: proxy.port })
      : new StackIcebergLake(null, proxy.url)
  const close = async () => {
    await lake.remove()
    await proxy.close()
  }
  opened.push({ close })
  return { lake, proxy }
}

/** What pyiceberg finds, asked past the proxy. */
function read(table: string) {
  return JSON.parse(runScript('iceberg_table.py', ['read', table, 'n'], pythonWithIceberg())) as {
    version: number
    rows: Record<string, unknown>[]
    snapshots: Record<string, string>[]
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Each number is there once, for every reader; each commit made one version. */
async function expectEachOnce(table: string, count: number, version: number): Promise<void> {
  const found = read(table)
  expect(found.version).toBe(version)
  expect(found.rows.map((row) => row.n)).toEqual(numbers(count))
  expect(new Set(found.snapshots.map((summary) => summary['sluice.token'])).size).toBe(version)
  const each = [count, count]
  expect(await independentCounts(spark, { iceberg: table })).toEqual({ spark: each, trino: each })
}

describe('answers that are lost', () => {
  it(
    'by PostgreSQL to 100 commits double no row and lose none',
    async () => {
      let commits = 0
      // Every commit loses its first answer; every tenth loses the second one, too.
      const { lake, proxy } = await lakeBehind('postgres', (request) => {
        if (!SWAP.test(request)) return 'pass'
        commits += 1
        return commits % 2 === 1 || commits % 20 === 0 ? 'lose_answer' : 'pass'
      })
      const table = lake.table('lost')
      for (const n of numbers(100)) {
        const outcome = await lake.write(table, `select ${n}::bigint as n`, { mode: 'append', token: `t/${n}` })
        expect(outcome.outcome).toBe('published')
      }
      expect(proxy.met.lose_answer).toBeGreaterThanOrEqual(100)
      await expectEachOnce(table, 100, 100)
    },
    PATIENCE_MS,
  )

  it(
    'by the object store to the files of 100 commits double no row and lose none',
    async () => {
      const seen = new Map<string, number>()
      // Every file that a commit writes loses its first answer; every tenth metadata file so many that the attempt gives up.
      const { lake, proxy } = await lakeBehind('s3', (request) => {
        // metadata files are told by their number: the next attempt's has another name
        const [, file] = /^PUT \S+\/(metadata\/\d+(?=-\S+\.metadata\.json)|metadata\/\S+|data\/\S+)/.exec(request) ?? []
        if (file === undefined) return 'pass'
        const times = (seen.get(file) ?? 0) + 1
        seen.set(file, times)
        return times <= (/^metadata\/\d*9$/.test(file) ? 6 : 1) ? 'lose_answer' : 'pass'
      })
      const table = lake.table('files')
      let failed = 0
      for (const n of numbers(100)) {
        const request = lake.request(table, `select ${n}::bigint as n`, { mode: 'append', token: `t/${n}` })
        const attempt = async () => (await lake.house()).write(request)
        const outcome = await attempt().catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'UNREACHABLE' })
          failed += 1
          return attempt()
        })
        expect(outcome.outcome).toBe('published')
      }
      expect(proxy.met.lose_answer).toBeGreaterThanOrEqual(300)
      expect(failed).toBeLessThan(20)
      await expectEachOnce(table, 100, 100)
    },
    PATIENCE_MS,
  )

  it(
    'by the object store to any request, and requests that are lost, leave each row once after retries of the task',
    async () => {
      let requests = 0
      const { lake, proxy } = await lakeBehind('s3', () => {
        requests += 1
        if (requests % 7 === 0) return 'lose_answer'
        return requests % 11 === 0 ? 'lose_request' : 'pass'
      })
      const table = lake.table('merged')
      for (const n of numbers(30)) {
        const set = { mode: 'merge' as const, keys: ['n'], token: `t/${n}` }
        for (const _ of ['attempt', 'another']) {
          await lake.write(table, `select range::bigint as n, ${n} as by from range(${n}, ${n + 3})`, set)
        }
      }
      expect(proxy.met.lose_answer).toBeGreaterThan(50)
      expect(proxy.met.lose_request).toBeGreaterThan(30)
      await expectEachOnce(table, 32, 30)
      expect(read(table).rows.map((row) => row.by)).toEqual([...numbers(30), 29, 29])
    },
    PATIENCE_MS,
  )
})

describe('an outage of PostgreSQL that begins with the answer to a commit', () => {
  // shorter than the swap is repeated, and longer: then the next attempt finds what the first has done
  it.each([2, 12])(
    'of %i requests leaves each row once',
    async (length) => {
      let left = 0
      let armed = false
      const { lake } = await lakeBehind('postgres', (request) => {
        if (armed && SWAP.test(request)) {
          armed = false
          left = length
          return 'lose_answer'
        }
        if (left > 0) left -= 1
        return left > 0 ? 'lose_request' : 'pass'
      })
      const table = lake.table('outage')
      await lake.write(table, 'select range::bigint as n from range(4)', { token: 't/0' })
      armed = true
      const request = lake.request(table, 'select range::bigint as n from range(4, 8)', {
        mode: 'append',
        token: 't/1',
      })
      const first = await (await lake.house()).write(request).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'UNREACHABLE' })
        return null
      })
      expect(first === null).toBe(length > 8)
      left = 0
      expect((await (await lake.house()).write(request)).outcome).toBe('already_published')
      await expectEachOnce(table, 8, 2)
    },
    PATIENCE_MS,
  )
})

describe('sixteen writers at once, each a process', () => {
  it(
    'commit twenty times each to one table, and every row is there once',
    async () => {
      const lake = new StackIcebergLake()
      opened.push({ close: () => lake.remove() })
      const table = lake.table('crowded')
      await crowd(lake.config, table, 16, 20)
      await expectEachOnce(table, 320, 320)
    },
    PATIENCE_MS,
  )
})
