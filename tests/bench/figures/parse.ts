import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { operators } from '../../../operators/index.js'
import { DagFolder } from '../../../scheduler/dag/load-folder.js'
import { type Measurement, median } from '../figure.js'

const FILES = 1000
const ROUNDS = 5

let firstOfProcess: number | undefined

/** A folder of DAGs like the example in the design: four tasks of several operators, needs, checks, params, templates. */
export const parse: Measurement = {
  id: 'parse',
  takes: 3,
  async run() {
    const project = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
    const dags = join(project, 'dags')
    try {
      await mkdir(dags)
      for (let index = 0; index < FILES; index++) await writeFile(join(dags, `d${index}.yaml`), dagText(index))
      const times: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const started = performance.now()
        const reading = await new DagFolder({ project, dags, operators }).read()
        times.push(performance.now() - started)
        if (reading.dags.length !== FILES)
          throw new Error(`not all files are good: ${JSON.stringify(reading.problems[0])}`)
      }
      firstOfProcess ??= times[0] ?? 0
      const typical = median(times)
      return [
        {
          name: 'parse and validate 1,000 DAG files',
          bar: '<= 1 s',
          measured: `${(typical / 1000).toFixed(2)} s (the first reading of a process ${(firstOfProcess / 1000).toFixed(2)} s)`,
          value: typical,
          met: typical <= 1000,
          method: `in one process without a cache, 4 tasks a file, median of ${ROUNDS}; the first includes compiling the schema and code that is not warm yet`,
        },
      ]
    } finally {
      await rm(project, { recursive: true, force: true })
    }
  },
}

function dagText(index: number): string {
  return `dag: northwind_sales_${index}
description: Orders to gold sales figures, number ${index}
owner: team-${index % 7}
tags: [sales, daily]
schedule: { cron: "${index % 60} 6 * * *", timezone: Europe/Paris }
start: 2026-01-01
catchup: false
max_active_runs: 1
params:
  country: { type: string, default: all, enum: [all, France, Germany] }
defaults: { retries: 3, retry_delay: 30s, backoff: 2, timeout: 20m }
tasks:
  bronze_orders:
    ingest: { from: { files: "landing/orders-*.csv" }, to: bronze.orders, mode: append }
  silver_sales:
    needs: [bronze_orders]
    sql: { query: "select * from bronze.orders where country = {{ params.country }}", to: silver.sales, mode: merge, keys: [order_id, product_id] }
    checks:
      - not_null: [order_id, product_id]
      - unique: [order_id, product_id]
      - { range: { column: quantity, min: 1 }, severity: warn }
  rfm:
    needs: [silver_sales]
    bash: "make rfm DATE={{ interval.start }}"
  audit:
    needs: [rfm]
    quality_check: { table: gold.rfm, checks: [{ row_count: { min: 1 } }, { freshness: 24h }] }
`
}
