import type { Instant, JsonObject } from '../../json.js'
import type { AlertEvent } from '../../scheduler/core/alert.js'
import type { Dag } from '../../scheduler/dag/model.js'
import type { MessageEnd } from '../../scheduler/store/alert-store.js'
import type { Database } from '../../scheduler/store/database.js'
import type { Store } from '../../scheduler/store/store.js'
import { CATALOG, LEDGER, ORDERS, STREAM, WEATHER } from './sample-dags.js'

export const NOW: Instant = Date.UTC(2026, 10, 20, 5, 41, 12)
const DAY = 86_400_000
const HOUR = 3_600_000
const MINUTE = 60_000

/** Inserts rows given as JSON objects whose names are the columns. */
export async function insertRows(db: Database, table: string, rows: readonly JsonObject[]): Promise<void> {
  const [first] = rows
  if (first === undefined) return
  const columns = Object.keys(first).join(', ')
  await db.query(
    `insert into ${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
    [JSON.stringify(rows)],
  )
}

const iso = (instant: Instant | null) => (instant === null ? null : new Date(instant).toISOString())

export function stamp(instant: Instant): string {
  return new Date(instant).toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '')
}

export interface SampleRun {
  dag: Dag
  dueAt: Instant
  state: string
  ms: number
  kind?: string
  triggeredBy?: string
}

export const runIdOf = ({ dag, dueAt, kind }: SampleRun) =>
  `${dag.id}-${stamp(dueAt)}${kind === 'manual' ? '-manual' : ''}`

export async function addRuns(db: Database, runs: readonly SampleRun[]): Promise<void> {
  await insertRows(
    db,
    'runs',
    runs.map((run) => ({
      run_id: runIdOf(run),
      dag_id: run.dag.id,
      version: run.dag.version,
      kind: run.kind ?? 'scheduled',
      state: run.state,
      revision: 1,
      due_at: iso(run.dueAt),
      interval_start: iso(run.dueAt - DAY),
      interval_end: iso(run.dueAt),
      params: run.dag === ORDERS ? { country: 'all' } : {},
      triggered_by: run.triggeredBy ?? 'schedule',
      no_checks: false,
      cancel_requested: false,
      reason: '',
      max_active_runs: 1,
      max_active_tasks: 16,
      created_at: iso(run.dueAt),
      started_at: run.state === 'queued' ? null : iso(run.dueAt + 400),
      ended_at: run.state === 'queued' || run.state === 'running' ? null : iso(run.dueAt + 400 + run.ms),
    })),
  )
}

export interface SampleTaskRun {
  taskId: string
  state: string
  attempts: { from: number; to: number | null; result: string | null; reason?: string; logLines?: number }[]
  reason?: string
  notBefore?: Instant
}

/** `from` and `to` of attempts are milliseconds after the run's due instant. */
export async function addTasks(db: Database, run: SampleRun, tasks: readonly SampleTaskRun[]): Promise<void> {
  const runId = runIdOf(run)
  const specs = new Map(run.dag.tasks.map((task) => [task.id, task]))
  await insertRows(
    db,
    'task_runs',
    tasks.map((task, position) => {
      const last = task.attempts.at(-1)
      const done = ['success', 'failed', 'skipped', 'upstream_failed', 'cancelled'].includes(task.state)
      return {
        run_id: runId,
        task_id: task.taskId,
        dag_id: run.dag.id,
        position,
        state: task.state,
        attempt: task.attempts.length,
        tries: task.attempts.length,
        generation: 1,
        pool: specs.get(task.taskId)?.pool ?? 'default',
        queue: specs.get(task.taskId)?.queue ?? 'default',
        priority: 0,
        since: iso(run.dueAt + (last?.to ?? last?.from ?? 500)),
        not_before: iso(task.notBefore ?? null),
        started_at: last === undefined ? null : iso(run.dueAt + last.from),
        ended_at: done && last?.to != null ? iso(run.dueAt + last.to) : null,
        reason: task.reason ?? '',
        cancel_requested: false,
        outputs: {},
        worker_id: task.state === 'running' ? 'worker-1' : null,
        lease_until: task.state === 'running' ? iso(NOW + 30_000) : null,
        progress: task.state === 'running' ? { done: 37, total: 42, unit: 'tasks' } : null,
      }
    }),
  )
  await insertRows(
    db,
    'attempts',
    tasks.flatMap((task) =>
      task.attempts.map((attempt, place) => ({
        run_id: runId,
        task_id: task.taskId,
        attempt: place + 1,
        generation: 1,
        claim_token: `${runId}/${task.taskId}/${place}`,
        worker_id: 'worker-1',
        claimed_at: iso(run.dueAt + attempt.from),
        ended_at: attempt.to === null ? null : iso(run.dueAt + attempt.to),
        result: attempt.result,
        reason: attempt.reason ?? '',
        retryable: true,
        outputs: {},
        settled: attempt.result !== null,
        rendered: {
          query:
            "select c.id, count(*) as orders\nfrom silver.orders o -- all of them\njoin silver.customers c on c.id = o.customer\nwhere o.day >= date '2026-11-20'\ngroup by 1",
          to: 'gold.segments',
          mode: 'overwrite',
        },
        log_lines: attempt.logLines ?? 3,
        log_bytes: 400,
        metrics: { tasks: 42, stages: 3, shuffle_written_bytes: 18_400_000_000 },
      })),
    ),
  )
}

const s = (seconds: number) => seconds * 1000

/** The run that is under way at NOW, with a task in nearly every state. */
export const LIVE_RUN: SampleRun = { dag: ORDERS, dueAt: Date.UTC(2026, 10, 20, 5), state: 'running', ms: 0 }

function ran(taskId: string, from: number, seconds: number): SampleTaskRun {
  return { taskId, state: 'success', attempts: [{ from: s(from), to: s(from + seconds), result: 'success' }] }
}

const LIVE_TASKS: SampleTaskRun[] = [
  ran('bronze_customers', 1, 38),
  ran('bronze_orders', 1, 112),
  ran('bronze_lines', 1, 250),
  ran('bronze_returns', 1, 52),
  { taskId: 'fx_rates', state: 'deferred', attempts: [], reason: 'waits for landing/fx/2026-11-20.csv' },
  ran('silver_customers', 40, 86),
  ran('silver_orders', 252, 561),
  {
    taskId: 'silver_returns',
    state: 'failed',
    attempts: [{ from: s(54), to: s(102), result: 'failed', reason: 'check unique return_id: 14 rows' }],
    reason: 'Check unique return_id failed: 14 rows. Nothing was published',
  },
  ran('gold_revenue', 814, 167),
  {
    taskId: 'gold_segments',
    state: 'running',
    attempts: [
      { from: s(814), to: s(1143), result: 'failed', reason: 'out of memory: 1 GB used' },
      { from: s(1173), to: null, result: null, logLines: 25 },
    ],
    reason: '',
  },
  { taskId: 'gold_baskets', state: 'running', attempts: [{ from: s(815), to: null, result: null }] },
  { taskId: 'gold_margin', state: 'none', attempts: [], reason: 'waits for fx_rates' },
  {
    taskId: 'gold_return_rate',
    state: 'upstream_failed',
    attempts: [],
    reason: 'silver_returns failed, rule all_success',
  },
  { taskId: 'gold_churn', state: 'scheduled', attempts: [], reason: 'pool heavy is full, 4 of 4' },
  { taskId: 'audit_segments', state: 'none', attempts: [], reason: 'waits for gold_segments' },
  {
    taskId: 'sync_crm',
    state: 'up_for_retry',
    attempts: [
      { from: s(127), to: s(2227), result: 'timed_out', reason: 'timed out after 35 m' },
      { from: s(2287), to: s(2411), result: 'failed', reason: 'the CRM answered 503' },
    ],
    reason: 'the CRM answered 503; third try at 05:43:10Z',
    notBefore: NOW + 118_000,
  },
  { taskId: 'month_end', state: 'skipped', attempts: [], reason: 'when is false' },
  { taskId: 'publish', state: 'none', attempts: [], reason: 'waits for audit_segments, gold_margin' },
]

function quietTasks(dag: Dag, failedAt: string | null): SampleTaskRun[] {
  let failed = false
  return dag.tasks.map((task, place) => {
    if (task.id === failedAt) {
      failed = true
      return {
        taskId: task.id,
        state: 'failed',
        attempts: [{ from: s(10 * place), to: s(10 * place + 9), result: 'failed', reason: 'refused' }],
        reason: 'range temp_c −60…60: 212 rows',
      }
    }
    if (failed && task.id.startsWith('gold'))
      return { taskId: task.id, state: 'upstream_failed', attempts: [], reason: `${failedAt} failed` }
    return ran(task.id, 60 * place, 50)
  })
}

async function addLineage(db: Database): Promise<void> {
  const run = runIdOf(LIVE_RUN)
  const at = LIVE_RUN.dueAt
  const write = (
    table: string,
    version: number,
    task: string,
    seconds: number,
    added: number,
    updated: number,
    removed: number,
  ) => ({
    table_name: table,
    version,
    version_before: version - 1,
    operation: 'MERGE',
    run_id: run,
    task_id: task,
    attempt: 1,
    rows_added: added,
    rows_updated: updated,
    rows_removed: removed,
    rows_total: 8_412_903,
    bytes: 18_400_000_000,
    reason: '',
    committed_at: iso(at + s(seconds)),
  })
  await insertRows(db, 'table_versions', [
    write('bronze.customers', 406, 'bronze_customers', 39, 312, 0, 0),
    write('bronze.orders', 1205, 'bronze_orders', 113, 21_640, 0, 0),
    write('bronze.lines', 1205, 'bronze_lines', 251, 48_213, 0, 0),
    write('silver.customers', 407, 'silver_customers', 126, 312, 1940, 0),
    write('silver.orders', 412, 'silver_orders', 813, 47_980, 233, 0),
    write('gold.revenue', 389, 'gold_revenue', 981, 1120, 0, 1104),
  ])
  const read = (task: string, table: string, version: number, rows: number) => ({
    run_id: run,
    task_id: task,
    attempt: 1,
    table_name: table,
    version,
    row_count: rows,
  })
  await insertRows(db, 'table_reads', [
    read('silver_orders', 'bronze.orders', 1205, 21_004_117),
    read('silver_orders', 'silver.customers', 407, 91_204),
    read('gold_revenue', 'silver.orders', 412, 8_412_903),
    read('gold_segments', 'silver.orders', 412, 8_412_903),
  ])
  const check = (
    task: string,
    position: number,
    table: string,
    name: string,
    passed: boolean,
    severity: string,
    rows: number,
  ) => ({
    run_id: run,
    task_id: task,
    attempt: 1,
    position,
    table_name: table,
    name,
    kind: name.split(' ')[0] ?? '',
    severity,
    passed,
    failing_rows: rows,
    measured: { rows },
    sample: passed ? [] : [{ return_id: 'R-20931' }, { return_id: 'R-20944' }],
    message: passed ? '' : `${rows} rows`,
    checked_at: iso(at + s(100)),
  })
  await insertRows(db, 'check_results', [
    check('silver_orders', 0, 'silver.orders', 'not_null order_id, product_id', true, 'error', 0),
    check('silver_orders', 1, 'silver.orders', 'unique order_id, product_id', true, 'error', 0),
    check('silver_orders', 2, 'silver.orders', 'range quantity ≥ 1', false, 'warn', 3),
    check('silver_returns', 0, 'silver.returns', 'unique return_id', false, 'error', 14),
    check('gold_revenue', 0, 'gold.revenue', 'row_count ≥ 1', true, 'error', 0),
  ])
}

/** Fills an empty store with a busy morning. */
/** The live run will be late, a task of it is, and one run of the past was. */
async function addSlas(db: Database, past: readonly SampleRun[]): Promise<void> {
  const sla = (run: SampleRun, deadline: number, set: JsonObject = {}) => ({
    run_id: runIdOf(run),
    task_id: '',
    sla: 'by 07:00',
    dag_id: run.dag.id,
    warns: true,
    revision: 1,
    deadline_at: iso(deadline),
    look_at: null,
    looked_at: iso(run.dueAt),
    p50_at: null,
    p90_at: null,
    at_risk_at: null,
    missed_at: null,
    recovered_at: null,
    closed_at: null,
    ...set,
  })
  const kept = past.map((run, back) => {
    const deadline = run.dueAt + HOUR
    const late = back === 25 ? { missed_at: iso(deadline), recovered_at: iso(deadline + 9 * MINUTE) } : {}
    return sla(run, deadline, { closed_at: iso(deadline + 9 * MINUTE), ...late })
  })
  const deadline = LIVE_RUN.dueAt + HOUR
  const predicted = { p50_at: iso(deadline + 4 * MINUTE), p90_at: iso(deadline + 9 * MINUTE) }
  await insertRows(db, 'slas', [
    ...kept,
    sla(LIVE_RUN, deadline, { ...predicted, at_risk_at: iso(NOW - 10 * MINUTE) }),
    sla(LIVE_RUN, LIVE_RUN.dueAt + 35 * MINUTE, {
      task_id: 'gold_segments',
      sla: 'within 35m',
      missed_at: iso(LIVE_RUN.dueAt + 35 * MINUTE),
    }),
  ])
}

export async function fillStore(store: Store, db: Database): Promise<void> {
  const dags = [ORDERS, WEATHER, STREAM, LEDGER, CATALOG]
  await store.registerDags(
    {
      dags,
      broken: ['returns_daily.yaml'],
      problems: [
        {
          file: 'returns_daily.yaml',
          line: 23,
          column: 7,
          path: 'shedule',
          severity: 'error',
          message: 'unknown key `shedule`',
          hint: 'did you mean `schedule`?',
        },
      ],
      nextDue: {
        orders_daily: Date.UTC(2026, 10, 21, 5),
        weather_hourly: Date.UTC(2026, 10, 20, 6, 15),
        click_batches: Date.UTC(2026, 10, 20, 5, 50),
        ledger_close: Date.UTC(2026, 11, 1, 22),
        catalog_sync: null,
      },
    },
    NOW - 30 * DAY,
  )
  await store.setPools({ default: 128, heavy: 4 })
  await store.createBackfill(
    {
      dagId: 'orders_daily',
      version: ORDERS.version,
      which: 'missing',
      from: Date.UTC(2026, 9, 1, 4),
      to: Date.UTC(2026, 9, 31, 5),
      reverse: false,
      maxActive: 1,
      nextDueAt: Date.UTC(2026, 9, 10, 4),
      slots: 30,
      createdBy: 'mira',
    },
    NOW - 3_600_000,
  )
  await store.setPaused('ledger_close', true, 'by finance, until the audit', NOW - DAY)
  const past: SampleRun[] = Array.from({ length: 30 }, (_, back) => ({
    dag: ORDERS,
    dueAt: LIVE_RUN.dueAt - (30 - back) * DAY,
    state: back === 18 ? 'failed' : back === 12 ? 'cancelled' : 'success',
    ms: (44 + ((back * 7) % 11)) * MINUTE,
  }))
  const weather: SampleRun[] = Array.from({ length: 22 }, (_, back) => ({
    dag: WEATHER,
    dueAt: Date.UTC(2026, 10, 20, 5, 15) - (21 - back) * HOUR,
    state: back > 19 || back === 9 ? 'failed' : 'success',
    ms: (90 + ((back * 37) % 60)) * 1000,
  }))
  const clicks: SampleRun[] = Array.from({ length: 20 }, (_, back) => ({
    dag: STREAM,
    dueAt: Date.UTC(2026, 10, 20, 5, 40) - (19 - back) * 10 * MINUTE,
    state: back === 19 ? 'queued' : 'success',
    ms: (40 + ((back * 13) % 30)) * 1000,
  }))
  const byHand: SampleRun = {
    dag: CATALOG,
    dueAt: NOW - 3 * HOUR,
    state: 'success',
    ms: 9_000,
    kind: 'manual',
    triggeredBy: 'mira',
  }
  await addRuns(db, [...past, LIVE_RUN, ...weather, ...clicks, byHand])
  for (const [back, run] of past.entries())
    await addTasks(db, run, quietTasks(ORDERS, back === 18 ? 'silver_orders' : null))
  for (const run of weather)
    await addTasks(db, run, quietTasks(WEATHER, run.state === 'failed' ? 'silver_weather' : null))
  await addTasks(db, LIVE_RUN, LIVE_TASKS)
  await addTasks(db, byHand, quietTasks(CATALOG, null))
  await addTasks(db, clicks.at(-1) as SampleRun, [
    { taskId: 'load_clicks', state: 'none', attempts: [], reason: 'max_active_runs' },
  ])
  await addSlas(db, past)
  await addLineage(db)
  const worker = { epoch: 1, host: 'lab', pid: 4711, started_at: iso(NOW - HOUR) }
  await insertRows(db, 'workers', [
    { worker_id: 'worker-1', ...worker, queues: ['default'], slots: 8, busy: 6, heartbeat_at: iso(NOW - 1000) },
    {
      worker_id: 'worker-2',
      ...worker,
      queues: ['default', 'heavy'],
      slots: 4,
      busy: 3,
      heartbeat_at: iso(NOW - 2000),
    },
    {
      worker_id: 'worker-4',
      ...worker,
      queues: ['maintenance'],
      slots: 4,
      busy: 0,
      heartbeat_at: iso(NOW - 21 * MINUTE),
    },
  ])
  await store.audit(
    { user: 'mira', action: 'trigger', target: runIdOf(byHand), detail: { dag: 'catalog_sync' } },
    NOW - 3 * HOUR,
  )
  await raiseSampleAlerts(store)
}

/** One that was sent (message 1), one that was given up (message 2), one that waits, and one that belongs to no DAG. */
async function raiseSampleAlerts(store: Store): Promise<void> {
  const event = (key: string, set: Partial<AlertEvent>): AlertEvent => ({
    ...{ key, kind: 'task_failed', subject: 'weather_hourly.silver_weather', dagId: 'weather_hourly' },
    ...{ runId: null, taskId: 'silver_weather', payload: { reason: 'no such column: <b>wind</b>' } },
    ...{ destinations: ['email data@example.com'], after: null },
    ...set,
  })
  const settle = async (destination: string, end: MessageEnd) => {
    await store.makeMessages([destination], NOW - 3 * MINUTE)
    const claimed = await store.claimMessages({ now: NOW - 3 * MINUTE, leaseMs: MINUTE, limit: 1 })
    for (const message of claimed) await store.settleMessage(message, end, NOW - 2 * MINUTE)
  }
  await store.raiseAlerts([event('sent', {})], NOW - 4 * MINUTE)
  await settle('email data@example.com', { state: 'sent', refused: null, problem: '' })
  await store.raiseAlerts([event('dead', { destinations: ['email gone@example.com'] })], NOW - 4 * MINUTE)
  await settle('email gone@example.com', { state: 'dead', problem: '550 no such user' })
  const file = { kind: 'file_broken', subject: 'returns_daily.yaml', dagId: null, taskId: null } as const
  await store.raiseAlerts([event('file', { ...file, destinations: ['webhook chat'] })], NOW - MINUTE)
}
