import { join } from 'node:path'
import type { Database } from '../../../scheduler/store/database.js'
import { openStore } from '../../../scheduler/store/open-store.js'
import { type Measurement, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const DAGS = 20
const TASKS = 10
/** of each DAG */
const RUNS = 5_000
/** Runs of each DAG in one statement. */
const CHUNK = 250
const TIMES = 10

/**
 * The pages of a Sluice that has a million task runs in its history. One run of each DAG is real, with a table, its checks and
 * its lineage; the others are copies of it in the store, each ten minutes older than the one before.
 */
export const million: Measurement = {
  id: 'million',
  async run() {
    const names = Array.from({ length: DAGS }, (_, index) => `history_${String(index).padStart(2, '0')}`)
    const subject = await Subject.create(Object.fromEntries(names.map((dag) => [`dags/${dag}.yaml`, dagOf(dag)])))
    try {
      await subject.up(2)
      await subject.hasDags(DAGS)
      const runs: string[] = []
      for (const dag of names) runs.push((await subject.finished(await subject.trigger(dag), 60_000)).run)
      await subject.down()
      const taskRuns = await fill(join(subject.folder, 'data/store'))
      const startMs = await subject.up(2)
      const took = await looked(subject, pagesOf(names[7] ?? '', runs[7] ?? ''))
      const all = [...took.values()].flat()
      const [slowest = '', slowestMs = 0] =
        [...took].map(([path, ms]) => [path, percentile(ms, 50)] as const).sort((a, b) => b[1] - a[1])[0] ?? []
      const late = percentile(all, 95)
      return [
        {
          name: `pages with ${taskRuns.toLocaleString('en')} task runs stored`,
          bar: 'p95 <= 100 ms',
          measured: `median ${milliseconds(percentile(all, 50))}, p95 ${milliseconds(late)}`,
          met: late <= 100,
          method: `${took.size} pages, ${TIMES} times each, from asking to the last byte; slowest ${slowest.replace(/-\d{8}T\d+Z-manual/, '')} with a median of ${milliseconds(slowestMs)}; the start on this store took ${(startMs / 1000).toFixed(1)} s`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}

function dagOf(dag: string): string {
  const rest = Array.from({ length: TASKS - 2 }, (_, index) => `  step_${index}: { needs: [first], bash: ["true"] }\n`)
  return `dag: ${dag}
schedule: "0 3 1 1 *"
tags: [history]
sla: { within: 1h }
tasks:
  first: { bash: ["true"] }
${rest.join('')}  rows:
    needs: [first]
    sql: { query: "select range as id from range(100)", to: bronze.${dag} }
    checks: [{ not_null: [id] }, { unique: [id] }, { row_count: { min: 1 } }]
`
}

function pagesOf(dag: string, run: string): string[] {
  return [
    ...['/', '/dags', '/dags?state=success&sort=due', '/runs', '/runs?state=failed', `/runs?dag=${dag}`, '/tables'],
    ...['', '?n=180', '/graph', '/runs', '/tables', '/versions', '/audit', '/schedule', '/trigger'].map(
      (tab) => `/dags/${dag}${tab}`,
    ),
    ...[`/runs/${run}`, `/runs/${run}/tasks/rows`, `/tables/lake.bronze.${dag}`, '/alerts', '/workers', '/audit'],
  ]
}

async function looked(subject: Subject, paths: readonly string[]): Promise<Map<string, number[]>> {
  const took = new Map<string, number[]>()
  for (let time = 0; time < TIMES; time++)
    for (const path of paths) took.set(path, [...(took.get(path) ?? []), await subject.page(path)])
  return took
}

/** @returns how many task runs there are then */
async function fill(folder: string): Promise<number> {
  const { store, database } = await openStore(folder, Date.now())
  try {
    for (const table of ['runs', 'task_runs', 'attempts', 'check_results', 'table_versions', 'table_reads', 'slas']) {
      const copy = await copying(database, table)
      for (let first = 1; first < RUNS; first += CHUNK)
        await database.query(copy, [first, Math.min(first + CHUNK, RUNS) - 1])
      await database.query(`vacuum analyze ${table}`)
    }
    const [row] = await database.query<{ n: number }>('select count(*)::int as n from task_runs')
    return row?.n ?? 0
  } finally {
    await store.close()
  }
}

/** Copies the newest run of each DAG, `$1` to `$2` times ten minutes older. */
async function copying(database: Database, table: string): Promise<string> {
  const columns = await database.query<{ name: string; type: string }>(
    `select column_name as name, data_type as type from information_schema.columns
     where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER' and is_identity = 'NO' order by ordinal_position`,
    [table],
  )
  const older = `g * interval '10 minutes'`
  const id = `n.dag_id || '-' || to_char((n.due_at - ${older}) at time zone 'UTC', 'YYYYMMDD"T"HH24MISSMS"Z"') || '-manual'`
  const olderOf = ({ name, type }: { name: string; type: string }) => {
    if (name === 'run_id') return id
    if (name === 'version' && type === 'bigint') return 't.version + g'
    return type.startsWith('timestamp') ? `t.${name} - ${older}` : `t.${name}`
  }
  return `with newest as (select distinct on (dag_id) run_id, dag_id, due_at from runs order by dag_id, due_at desc)
    insert into ${table} (${columns.map(({ name }) => name).join(', ')})
    select ${columns.map(olderOf).join(', ')} from newest n join ${table} t using (run_id) cross join generate_series($1::int, $2::int) g`
}
