import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from '../lakehouse/subject.js'
import { type Fate, FaultyProxy } from './faulty-proxy.js'
import { catalogDatabase, StackIcebergLake } from './iceberg-lake.js'
import { pythonWithIceberg, runScript } from './python-env.js'

beforeAll(() => {
  pythonWithIceberg()
}, 300_000)

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function lakeBehind(fateOf: (request: string) => Fate) {
  const { host, port } = catalogDatabase()
  const proxy = await FaultyProxy.start(`tcp://${host}:${port}`, fateOf)
  const lake = new StackIcebergLake({ host: '127.0.0.1', port: proxy.port })
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
    rows: { n: number }[]
    snapshots: Record<string, string>[]
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('answers of PostgreSQL that are lost', () => {
  it('to 100 commits double no row and lose none', async () => {
    let commits = 0
    // Every commit loses its first answer; every tenth loses the second one, too.
    const { lake, proxy } = await lakeBehind((request) => {
      if (!/UPDATE iceberg_tables|INSERT INTO iceberg_tables/.test(request)) return 'pass'
      commits += 1
      return commits % 2 === 1 || commits % 20 === 0 ? 'lose_answer' : 'pass'
    })
    const table = lake.table('lost')
    for (const n of numbers(100)) {
      const outcome = await lake.write(table, `select ${n}::bigint as n`, { mode: 'append', token: `t/${n}` })
      expect(outcome.outcome).toBe('published')
    }
    expect(proxy.met.lose_answer).toBeGreaterThanOrEqual(100)
    const { rows, version, snapshots } = read(table)
    expect(version).toBe(100)
    expect(rows.map((row) => row.n)).toEqual(numbers(100))
    expect(new Set(snapshots.map((summary) => summary['sluice.token'])).size).toBe(100)
  }, 300_000)
})

describe('sixteen writers at once', () => {
  it('commit twenty times each to one table, and every row is there once', async () => {
    const lake = new StackIcebergLake()
    opened.push({ close: () => lake.remove() })
    const table = lake.table('crowded')
    const houses = await Promise.all(numbers(16).map(() => openLakehouse(lake.config)))
    await Promise.all(
      houses.map(async (house, writer) => {
        for (const n of numbers(20)) {
          const source = { kind: 'select' as const, sql: `select ${writer * 20 + n}::bigint as n` }
          const token = `w${writer}/${n}`
          const { outcome } = await house.write(writeRequest(table, source, { mode: 'append', token }))
          expect(outcome).toBe('published')
        }
      }),
    )
    for (const house of houses) await house.close()
    const { rows, version } = read(table)
    expect(version).toBe(320)
    expect(rows.map((row) => row.n)).toEqual(numbers(320))
  }, 600_000)
})
