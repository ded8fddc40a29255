import { NO_ALERTS } from '../../scheduler/core/alerts.js'
import type { Dag, ParamSpec, Task } from '../../scheduler/dag/model.js'
import { cronSchedule } from '../scheduler/core/dags.js'

/** A task with every default, as the compiler fills it in. */
export function sampleTask(id: string, needs: string[] = [], set: Partial<Task> = {}): Task {
  return {
    id,
    needs,
    operator: 'sql',
    config: { sql: `select * from ${id}`, to: id.replace('_', '.') },
    when: null,
    forEach: null,
    slas: [],
    triggerRule: 'all_success',
    retries: 3,
    retryDelayMs: 30_000,
    backoff: 2,
    maxDelayMs: 3_600_000,
    timeoutMs: 3_600_000,
    pool: 'default',
    poolSlots: 1,
    dependsOnPast: false,
    skipIfDone: false,
    priority: 0,
    queue: 'default',
    alerts: NO_ALERTS,
    checks: [],
    outputs: {},
    env: {},
    outputsOf: [],
    files: [],
    line: 10,
    group: id.split('_')[0] ?? '',
    ...set,
  }
}

export function sampleDag(id: string, tasks: Task[], set: Partial<Dag> = {}): Dag {
  return {
    id,
    version: `${id.length}${id
      .split('')
      .map((letter) => letter.charCodeAt(0).toString(16))
      .join('')}`
      .padEnd(64, '0')
      .slice(0, 64),
    file: `${id}.yaml`,
    description: '',
    owner: 'platform',
    tags: [],
    schedule: cronSchedule('0 6 * * *', 'Europe/Paris'),
    start: null,
    triggers: [],
    catchup: 'none',
    maxActiveRuns: 1,
    maxActiveTasks: 16,
    alerts: NO_ALERTS,
    slas: [],
    overlap: 'queue',
    dependsOnPast: false,
    runTimeoutMs: null,
    params: {},
    tasks,
    source: `dag: ${id}\ntasks:\n  first: { bash: "true" }\n`,
    files: {},
    ...set,
  }
}

const PARAMS: Record<string, ParamSpec> = {
  country: { type: 'string', default: 'all', enum: ['all', 'France', 'Germany'] },
  from_date: { type: 'date', description: 'First day to load' },
  max_rows: { type: 'integer', default: 1_000_000, minimum: 1, maximum: 5_000_000 },
  discounts: { type: 'array', items: 'number', default: [0.05, 0.1] },
  full_refresh: { type: 'boolean', default: false, description: 'Rebuild silver.orders from all of bronze' },
  note: { type: 'string', default: '', description: 'Why this run, for the audit' },
}

/** A medallion pipeline with each kind of trouble in it. */
export const ORDERS = sampleDag(
  'orders_daily',
  [
    sampleTask('bronze_customers', [], { operator: 'ingest' }),
    sampleTask('bronze_orders', [], { operator: 'ingest' }),
    sampleTask('bronze_lines', [], { operator: 'ingest' }),
    sampleTask('bronze_returns', [], { operator: 'ingest' }),
    sampleTask('fx_rates', [], { operator: 'http', group: 'bronze' }),
    sampleTask('silver_customers', ['bronze_customers']),
    sampleTask('silver_orders', ['bronze_orders', 'bronze_lines', 'silver_customers']),
    sampleTask('silver_returns', ['bronze_returns']),
    sampleTask('gold_revenue', ['silver_orders']),
    sampleTask('gold_segments', ['silver_orders']),
    sampleTask('gold_baskets', ['silver_orders'], { operator: 'python' }),
    sampleTask('gold_margin', ['silver_orders', 'fx_rates'], {
      config: { statement: 'ALTER TABLE gold.margin EXECUTE optimize' },
    }),
    sampleTask('gold_return_rate', ['silver_orders', 'silver_returns']),
    sampleTask('gold_churn', ['gold_baskets'], { operator: 'python', pool: 'heavy' }),
    sampleTask('audit_segments', ['gold_segments'], { operator: 'quality_check', group: 'serve' }),
    sampleTask('sync_crm', ['silver_customers'], { operator: 'http', group: 'serve' }),
    sampleTask('month_end', ['gold_revenue'], { operator: 'bash', group: 'serve' }),
    sampleTask('publish', ['audit_segments', 'gold_margin', 'gold_revenue'], { operator: 'http', group: 'serve' }),
  ],
  {
    owner: 'sales-data',
    tags: ['sales', 'daily'],
    description: 'Orders of the shops to gold sales figures',
    params: PARAMS,
    slas: [
      {
        name: 'by 07:00',
        rule: { kind: 'by', timeOfDayMs: 7 * 3_600_000, days: null },
        afterFailure: 'fire',
        earlyWarning: 'p90',
        to: { email: ['sales-data@example.com'], webhook: null },
      },
    ],
    source:
      'dag: orders_daily\nschedule: { cron: "0 6 * * *", timezone: Europe/Paris }\nparams:\n  country: { type: string }\n  from_date: { type: date }\n  max_rows: { type: integer }\n  discounts: { type: array }\n  full_refresh: { type: boolean }\n  note: { type: string }\ntasks:\n  bronze_customers: { ingest: { from: { files: "landing/*.csv" }, to: bronze.customers } }\n',
    files: {
      'sql/silver_orders.sql':
        "select o.id, c.name\nfrom bronze.orders o\njoin silver.customers c on c.id = o.customer\nwhere o.day >= {{ interval.start }} -- the day's\n",
    },
  },
)

export const WEATHER = sampleDag(
  'weather_hourly',
  [sampleTask('bronze_weather'), sampleTask('silver_weather', ['bronze_weather'])],
  {
    tags: ['weather', 'hourly'],
    schedule: cronSchedule('15 * * * *'),
  },
)

export const STREAM = sampleDag('click_batches', [sampleTask('load_clicks', [], { pool: 'heavy' })], {
  owner: 'growth',
  tags: ['events'],
  schedule: cronSchedule('*/10 * * * *'),
})

export const LEDGER = sampleDag('ledger_close', [sampleTask('close_books', [], { queue: 'maintenance' })], {
  owner: 'finance',
  tags: ['finance', 'monthly'],
  schedule: cronSchedule('0 22 1 * *', 'Europe/London'),
})

export const CATALOG = sampleDag('catalog_sync', [sampleTask('fetch_catalog', [], { operator: 'http' })], {
  owner: 'pim',
  schedule: null,
})
