import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { AttemptShape } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { Cluster, type Part } from './cluster.js'
import { OwnPostgres } from './own-postgres.js'
import { OwnRedis } from './own-redis.js'

/** A lease has 30 s. The worker is held up for a while when the store is back: others hear of it before. */
const OUTAGES = [
  { away: 'for half of a lease', ms: 15_000, heldUpMs: 0 },
  { away: 'for longer than a lease, whoever is heard first when it is back', ms: 40_000, heldUpMs: 8_000 },
]
/** What is left of a lease of 30 s right after a heartbeat. */
const FRESH_S = 28
/** More refusals than make an outcome plain (reporter.ts). */
const TRIES = 22
const GATE = 7

let postgres: OwnPostgres
let source: OwnPostgres
let redis: OwnRedis
let cluster: Cluster
beforeAll(async () => {
  ;[postgres, source, redis] = await Promise.all([OwnPostgres.start(), OwnPostgres.start(), OwnRedis.start()])
})
afterEach(() => cluster?.remove())
afterAll(async () => {
  await redis?.down()
  await Promise.all([postgres?.remove(), source?.remove()])
})

/** Its source answers once the test lets go of the lock. No retries: what the outage costs would fail the run. */
const KEEP = `dag: keep
tasks:
  rows:
    ingest:
      from: { connection: source, query: "select 41 as n, pg_advisory_xact_lock_shared(${GATE})::text as waited" }
      to: bronze.kept
      mode: append
  told: { needs: [rows], bash: "test {{ tasks.rows.outputs.rows_read }} = 1" }
`

it.each(OUTAGES)(
  'keeps what a task has done that ends while PostgreSQL is away $away',
  { timeout: 240_000 },
  async (outage) => {
    const place = `host: 127.0.0.1, port: ${source.port}, database: postgres, user: ${source.user}`
    cluster = await Cluster.create(
      { postgres: postgres.url, redis: redis.url },
      { 'sluice.yaml': `connections: { source: { type: postgres, ${place} } }\n`, 'dags/keep.yaml': KEEP },
    )
    await cluster.start('webserver')
    await cluster.start('scheduler')
    const worker = await cluster.start('worker')
    await cluster.knows('keep')
    const gate = await PostgresDatabase.open(source.url, { connections: 1 })
    await gate.query('select pg_advisory_lock($1)', [GATE])
    const run = await cluster.trigger('keep')
    const waits = `select 1 as waits from pg_locks where locktype = 'advisory' and not granted`
    const watch = await PostgresDatabase.open(source.url, { connections: 1 })
    await eventually(20_000, async () => ((await watch.query(waits)).length > 0 ? true : null))

    // just extended, so that all of it is there to be away in
    const before = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
    const lease = `select extract(epoch from lease_until - now())::float8 as left from task_runs where task_id = 'rows'`
    await eventually(20_000, async () => (Number((await before.query(lease))[0]?.left) > FRESH_S ? true : null))
    await before.close()
    await postgres.down()
    const away = performance.now()
    const commit = join(cluster.folder, 'data/lake/bronze/kept/_delta_log', `${'0'.repeat(20)}.json`)
    expect(existsSync(commit)).toBe(false)
    await gate.query('select pg_advisory_unlock($1)', [GATE])
    const tries = new Set<string>()
    await eventually(outage.ms + 25_000, async () => {
      for (const at of triesOf(worker)) tries.add(at)
      return tries.size >= TRIES && performance.now() - away > outage.ms ? true : null
    })
    expect(existsSync(commit)).toBe(true)
    if (outage.heldUpMs > 0) worker.signal('SIGSTOP')
    await postgres.up()
    const back = performance.now()
    await eventually(outage.heldUpMs + 5_000, async () => (performance.now() - back >= outage.heldUpMs ? true : null))
    worker.signal('SIGCONT')

    expect((await cluster.ended([run], 60_000)).get(run)).toBe('success')
    const attempts = await cluster.call<AttemptShape[]>('GET', `/runs/${run}/tasks/rows/attempts`)
    expect(attempts).toMatchObject([{ attempt: 1, result: 'success' }])
    const store = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
    const lineage = 'select table_name, run_id, rows_added from table_versions'
    const written = await store.query(lineage)
    expect(written).toEqual([{ table_name: 'bronze.kept', run_id: run, rows_added: 1 }])
    expect((await deltaRows(join(cluster.folder, 'data/lake/bronze/kept'))).map(({ n }) => Number(n))).toEqual([41])
    await Promise.all([gate.close(), watch.close(), store.close()])
  },
)

/** When it has told that outcomes could not be recorded, as far as its output reaches back. */
function triesOf(worker: Part): string[] {
  const lines = worker.output.split('\n').filter((line) => line.includes('outcomes could not be recorded'))
  return lines.flatMap((line) => /"time":(\d+)/.exec(line)?.[1] ?? [])
}
