import { randomBytes } from 'node:crypto'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'
import { PACKAGE_ROOT } from '../../package-root.js'
import type { TaskShape } from '../../scheduler/shapes.js'
import { Project } from '../e2e/project.js'
import { sourceText } from '../source-files.js'
import { Shop } from './shop.js'
import { sparkConnection } from './spark-services.js'
import { trinoUrl } from './trino-place.js'

// Every task starts something: a JVM, a query, a slot.
vi.setConfig({ testTimeout: 300_000 })

/** `bronze` becomes `bronze_1a2b3c`: the tables of this run of the tests, in a catalog that others use too. */
const MARK = randomBytes(3).toString('hex')
const LAYERS = ['bronze', 'silver', 'gold']
const shop = new Shop()
const SECRETS = { SHOP_DB_PASSWORD: shop.password }
let project: Project
let trino: TrinoSession

const named = (name: string) => process.env[name] ?? ''
const secret = (name: string) => ['${', `env:${name}}`].join('')

/**
 * The connection `spark` of `dags/cluster/sluice.yaml`: what it says is all that Spark is told. Addresses and keys are those of
 * this stack, and so are the jars, which the file lets Spark fetch.
 */
function clusterSpark() {
  const { connections } = parse(sourceText('dags/cluster/sluice.yaml')) as {
    connections: { spark: { master: string; conf: Record<string, string> } }
  }
  const { master, conf } = connections.spark
  const { 'spark.jars.packages': _packages, 'spark.jars.ivy': _ivy, 'spark.local.dir': _spill, ...kept } = conf
  const ofThisStack: Record<string, string> = {
    'spark.sql.catalog.lake.uri': named('ICEBERG_JDBC_URL'),
    'spark.sql.catalog.lake.jdbc.user': named('PGUSER'),
    'spark.sql.catalog.lake.jdbc.password': secret('PGPASSWORD'),
    'spark.sql.catalog.lake.warehouse': named('LAKE_WAREHOUSE'),
    'spark.hadoop.fs.s3a.endpoint': named('S3_ENDPOINT'),
    'spark.hadoop.fs.s3a.endpoint.region': named('S3_REGION'),
    'spark.hadoop.fs.s3a.access.key': secret('AWS_ACCESS_KEY_ID'),
    'spark.hadoop.fs.s3a.secret.key': secret('AWS_SECRET_ACCESS_KEY'),
  }
  // a key that the file lacks must not come from here
  expect(Object.keys(kept)).toEqual(expect.arrayContaining(Object.keys(ofThisStack)))
  const connection = sparkConnection({ master, conf: { ...kept, ...ofThisStack, 'spark.jars': named('JARS') } })
  const { SPARK_CONF_DIR: _defaults, ...env } = connection.env as Record<string, string>
  return { ...connection, env }
}

/** The form of `dags/cluster/sluice.yaml`, with the addresses of this stack. */
const config = () => ({
  catalogs: {
    lake: {
      format: 'iceberg',
      location: named('LAKE_WAREHOUSE'),
      connection: 'minio',
      jdbc: { connection: 'iceberg_catalog', name: named('ICEBERG_CATALOG') },
      trino: 'iceberg',
    },
  },
  connections: {
    lakehouse: { type: 'trino', url: trinoUrl(), user: 'sluice-test' },
    minio: {
      type: 's3',
      endpoint: named('S3_ENDPOINT'),
      region: named('S3_REGION'),
      path_style: true,
      access_key: secret('AWS_ACCESS_KEY_ID'),
      secret_key: secret('AWS_SECRET_ACCESS_KEY'),
    },
    iceberg_catalog: {
      type: 'postgres',
      host: named('PGHOST'),
      port: Number(named('PGPORT')),
      database: new URL(named('ICEBERG_JDBC_URL').replace('jdbc:', '')).pathname.slice(1),
      user: named('PGUSER'),
      password: secret('PGPASSWORD'),
    },
    spark: clusterSpark(),
  },
  vars: { shop_jdbc_url: shop.jdbcUrl, shop_user: shop.user },
  pools: { spark: 1 },
})

beforeAll(async () => {
  Object.assign(process.env, SECRETS)
  await shop.create()
  project = await Project.create({ 'sluice.yaml': JSON.stringify(config()) })
  await cp(join(PACKAGE_ROOT, 'dags/cluster/dags'), join(project.folder, 'dags'), { recursive: true })
  for (const file of await readdir(join(project.folder, 'dags'), { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name)
    if (file.isFile())
      await writeFile(
        path,
        (await readFile(path, 'utf8')).replace(/\b(bronze|silver|gold)\b(?=\.(?!py)|")/g, `$1_${MARK}`),
      )
  }
  const lake = { project: project.folder, ...config() } as unknown as Parameters<typeof trinoServer>[0]
  trino = new TrinoSession(trinoServer(lake, 'lakehouse'), 'iceberg')
})
afterAll(async () => {
  for (const layer of LAYERS) await trino.run(`DROP SCHEMA IF EXISTS iceberg.${layer}_${MARK} CASCADE`)
  trino.close()
  await project.remove()
  await shop.remove()
})

type Run = { state: string; tasks: TaskShape[] }
const gold = (sql: string) => trino.rows(sql.replaceAll('gold.', `iceberg.gold_${MARK}.`))

describe('northwind_medallion', () => {
  it('gives the figures that PostgreSQL computes from the shop', async () => {
    const { stdout } = await project.sluice('run', 'northwind_medallion', '--json')
    const run = JSON.parse(stdout) as Run
    expect(run.tasks.map(({ task, state, reason }) => [task, state, reason])).toEqual(
      run.tasks.map(({ task, reason }) => [task, 'success', reason]),
    )
    expect(run.state).toBe('success')
    // the Spark job commits by itself, and its commits are found and linked to the run
    expect(run.tasks[0]?.tables?.map(({ table, version_before }) => [table, version_before]).sort()).toEqual(
      ['categories', 'customers', 'employees', 'order_details', 'orders', 'products'].map((table) => [
        `bronze_${MARK}.${table}`,
        null,
      ]),
    )

    const lines = `order_details d join orders using (order_id) join customers c using (customer_id)
      join products p using (product_id) join categories using (category_id)`
    const revenue = 'round(sum(round(d.quantity * d.unit_price * (1 - d.discount), 4)), 2)::text'
    expect(await gold('SELECT CAST(revenue AS VARCHAR) AS revenue, orders, lines FROM gold.total_revenue')).toEqual(
      await shop.query(
        `select ${revenue} as revenue, count(distinct order_id)::int as orders, count(*)::int as lines from ${lines}`,
      ),
    )
    const countries = `select c.country, ${revenue} as revenue from ${lines} group by 1 order by sum(d.quantity * d.unit_price * (1 - d.discount)) desc limit 3`
    expect(
      await gold(
        'SELECT country, CAST(revenue AS VARCHAR) AS revenue FROM gold.top_countries t ORDER BY t.revenue DESC',
      ),
    ).toEqual(await shop.query(countries))
    expect(
      await gold(
        'SELECT category_name, CAST(revenue AS VARCHAR) AS revenue, units FROM gold.category_sales ORDER BY 1',
      ),
    ).toEqual(
      await shop.query(
        `select category_name, ${revenue} as revenue, sum(d.quantity)::int as units from ${lines} group by 1 order by 1`,
      ),
    )
  })

  it('gives each customer the segment that the shop’s orders give', async () => {
    const orders = await shop.query(
      `select customer_id, max(ordered_at) as last, count(distinct order_id)::int as orders,
         sum(d.quantity * d.unit_price * (1 - d.discount))::float as revenue
       from order_details d join orders using (order_id) group by 1`,
    )
    const found = await gold('SELECT customer_id, segment FROM gold.rfm')
    expect(Object.fromEntries(found.map(({ customer_id: id, segment }) => [id, segment]))).toEqual(segmentsOf(orders))
  })
})

describe('page_views_hourly', () => {
  it('replaces the partition of its hour, however often the hour is run', async () => {
    const run = (from: string, to: string) =>
      project.json<Run>('run', 'page_views_hourly', '--interval', `2026-03-01T${from}:00Z/2026-03-01T${to}:00Z`)
    for (const [from, to] of [
      ['10:00', '11:00'],
      ['11:00', '12:00'],
      ['10:00', '11:00'],
    ] as const)
      expect((await run(from, to)).state).toBe('success')
    const rows = await trino.rows(
      `SELECT CAST(hour AS VARCHAR) AS hour, count(*) AS n, count(DISTINCT view_id) AS ids FROM iceberg.bronze_${MARK}.page_views GROUP BY 1 ORDER BY 1`,
    )
    expect(rows.map(({ hour, n, ids }) => [String(hour).slice(0, 16), Number(n), Number(ids)])).toEqual([
      ['2026-03-01 10:00', 600, 600],
      ['2026-03-01 11:00', 600, 600],
    ])
    const [total] = await gold('SELECT sum(views) AS views, count(*) AS n FROM gold.page_views_hourly')
    expect([Number(total?.views), Number(total?.n)]).toEqual([1_200, 24])
  })
})

/** Fifths by rank, as `ntile(5)` deals them: the first groups take what is left over. */
function fifths(ids: string[]): Map<string, number> {
  const [size, more] = [Math.floor(ids.length / 5), ids.length % 5]
  const bounds = [0, 1, 2, 3, 4].map((group) => (group + 1) * size + Math.min(group + 1, more))
  return new Map(ids.map((id, rank) => [id, 1 + bounds.findIndex((bound) => rank < bound)]))
}

function segmentsOf(rows: Record<string, unknown>[]): Record<string, string> {
  const ranked = (value: (row: Record<string, unknown>) => number) =>
    fifths(
      [...rows]
        .sort((a, b) => value(a) - value(b) || (String(a.customer_id) < String(b.customer_id) ? -1 : 1))
        .map((row) => String(row.customer_id)),
    )
  const recency = ranked((row) => (row.last as Date).getTime())
  const frequency = ranked((row) => Number(row.orders))
  const monetary = ranked((row) => Number(row.revenue))
  return Object.fromEntries(
    rows.map(({ customer_id: id }) => {
      const [r = 0, f = 0, m = 0] = [recency, frequency, monetary].map((groups) => groups.get(String(id)) ?? 0)
      if (r >= 4 && f >= 4 && m >= 4) return [id, 'champion']
      if (f >= 4) return [id, 'loyal']
      if (r <= 2) return [id, m >= 4 ? 'at risk' : 'sleeping']
      return [id, 'regular']
    }),
  )
}
