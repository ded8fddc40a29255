import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Json } from '../../../json.js'
import type { LakehouseConfig } from '../../../lakehouse/config.js'
import { parseHandle } from '../../../lakehouse/engines/trino/handle.js'
import type { AttemptShape } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { type Fate, FaultyProxy } from '../faulty-proxy.js'
import { catalogDatabase, StackIcebergLake } from '../iceberg-lake.js'
import { pythonWithDelta, runScript } from '../python-env.js'
import { S3Lake } from '../s3-lake.js'
import { HeldRow } from '../trino-held.js'
import { published, TrinoPlace } from '../trino-place.js'
import { trino } from '../trino-query.js'
import { Cluster } from './cluster.js'
import { OwnRedis } from './own-redis.js'
import { processTree, signalAll } from './process-tree.js'

const SWAP = /UPDATE iceberg_tables|INSERT INTO iceberg_tables/
const LOG_ENTRY = /^PUT \/\S+\/_delta_log\/\d{20}\.json/

let redis: OwnRedis
beforeAll(async () => {
  if ((process.env.PG_DSN ?? '') === '') throw new Error('PG_DSN must name a PostgreSQL server')
  pythonWithDelta()
  redis = await OwnRedis.start()
})
afterAll(() => redis.down())

/** Called for all that a test has opened, the last one first, when it ends: most of its time a test waits, so they run beside each other. */
type Closing = (close: () => Promise<void>) => void

/** A proxy in which a worker falls asleep with the request that carries its commit. */
class Bed {
  readonly proxy: FaultyProxy
  #asleep: number[] = []
  #next: { pid: number; fate: Fate } | null = null

  private constructor(proxy: FaultyProxy) {
    this.proxy = proxy
  }

  static async before(service: string, commit: RegExp, closing: Closing): Promise<Bed> {
    const proxy = await FaultyProxy.start(service, (request) => (commit.test(request) ? bed.#meet() : 'pass'))
    const bed = new Bed(proxy)
    closing(() => proxy.close())
    return bed
  }

  /** Who makes the next commit sleeps, slots and all. */
  lay(pid: number, fate: Fate): void {
    this.#next = { pid, fate }
  }

  /** Resolves once the worker and at least one slot sleep. */
  async asleep(): Promise<void> {
    await eventually(60_000, async () => (this.#asleep.length > 1 ? true : null))
  }

  wake(): void {
    signalAll(this.#asleep, 'SIGCONT')
  }

  #meet(): Fate {
    if (this.#next === null) return 'pass'
    const { pid, fate } = this.#next
    this.#next = null
    this.#asleep = processTree(pid)
    signalAll(this.#asleep, 'SIGSTOP')
    return fate
  }
}

function projectFiles(
  { catalogs, connections }: Pick<LakehouseConfig, 'catalogs' | 'connections'>,
  table: string,
): Record<string, string> {
  return {
    'sluice.yaml': `catalogs: ${JSON.stringify(catalogs)}\nconnections: ${JSON.stringify(connections)}`,
    'dags/mark.yaml': `dag: mark
defaults: { retries: 3, retry_delay: 0s }
tasks:
  mark: { sql: { query: "select {{ run.id }} as run, {{ task.attempt }} as attempt", to: ${table}, mode: append } }
`,
  }
}

/** One run whose first worker sleeps through its lease in the commit. @returns the run, and how its attempts ended */
async function sleepThrough(bed: Bed, fate: Fate, files: Record<string, string>, closing: Closing) {
  const cluster = await Cluster.create({ postgres: process.env.PG_DSN ?? '', redis: redis.url }, files)
  closing(() => cluster.remove())
  await cluster.start('webserver')
  await cluster.start('scheduler')
  const sleeper = await cluster.start('worker')
  await cluster.knows('mark')
  bed.lay(sleeper.pid, fate)
  closing(async () => bed.wake())
  const run = await cluster.trigger('mark')
  await bed.asleep()
  await cluster.start('worker')
  expect((await cluster.ended([run], 120_000)).get(run)).toBe('success')
  bed.proxy.deliver()
  bed.wake()
  // it ends what it runs, finds out that its claim is gone, and has nothing more to do
  sleeper.signal('SIGTERM')
  await eventually(60_000, async () => (sleeper.output.includes('Stopped.') ? true : null))
  const attempts = await cluster.call<AttemptShape[]>('GET', `/runs/${run}/tasks/mark/attempts`)
  return { run, results: attempts.map(({ result }) => result).sort() }
}

describe('a worker that sleeps, slots and all, while it commits to an Iceberg table', () => {
  it.concurrent.for<[string, Fate]>([
    ['before its commit has arrived', 'lose_request'],
    ['before it hears that its commit was done', 'lose_answer'],
  ])('and wakes after its lease doubles nothing: %s', { timeout: 300_000 }, async ([, fate], { onTestFinished }) => {
    const { host, port } = catalogDatabase()
    const bed = await Bed.before(`tcp://${host}:${port}`, SWAP, onTestFinished)
    const lake = new StackIcebergLake({ host: '127.0.0.1', port: bed.proxy.port })
    onTestFinished(() => lake.remove())
    const table = lake.table('marks')
    // the table is there, so that the commit is a swap
    await lake.write(table, `select 'first' as run, 0 as attempt`, { token: randomUUID() })
    const { run, results } = await sleepThrough(bed, fate, projectFiles(lake.config, table), onTestFinished)
    expect(results).toEqual(['lost', 'success'])
    const rows = `SELECT attempt, count(*) FROM iceberg.${table} WHERE run = '${run}' GROUP BY 1`
    expect(await trino(rows)).toEqual([[fate === 'lose_request' ? 2 : 1, 1]])
    expect((await lake.house().then((house) => house.versions(table, { limit: 9 }))).length).toBe(2)
  })
})

describe('a worker that sleeps, slots and all, while it commits to a Delta table on S3', () => {
  it.concurrent.for<[string, Fate]>([
    ['while its commit is on the way, to arrive after that of the other', 'hold_request'],
    ['before it hears that its commit was done', 'lose_answer'],
  ])('and wakes after its lease doubles nothing: %s', { timeout: 300_000 }, async ([, fate], { onTestFinished }) => {
    const bed = await Bed.before(process.env.S3_ENDPOINT ?? '', LOG_ENTRY, onTestFinished)
    const lake = new S3Lake(bed.proxy.url)
    onTestFinished(() => lake.remove())
    await lake.write('bronze.marks', `select 'first' as run, 0 as attempt`, { token: randomUUID() })
    const { run, results } = await sleepThrough(bed, fate, projectFiles(lake.config, 'bronze.marks'), onTestFinished)
    expect(results).toEqual(['lost', 'success'])
    expect(bed.proxy.met[fate]).toBe(1)
    const { version, rows } = JSON.parse(runScript('read_delta_s3.py', [lake.url('bronze.marks'), 'attempt'])) as {
      version: number
      rows: unknown[]
    }
    const own = { run, attempt: fate === 'lose_answer' ? 1 : 2 }
    expect({ version, rows }).toEqual({ version: 1, rows: [{ run: 'first', attempt: 0 }, own] })
  })
})

/** The project that writes these rows through Trino. */
function trinoProject(place: TrinoPlace, row: HeldRow): Record<string, string> {
  const { catalogs, connections } = place.config
  return {
    ...projectFiles({ catalogs, connections }, place.table('marks')),
    'dags/mark.yaml': `dag: mark
defaults: { retries: 3, retry_delay: 0s }
tasks:
  mark: { sql: { file: mark.sql, to: ${place.table('marks')}, mode: append } }
`,
    'dags/mark.sql': `select concat({{ run.id }}, held) as run, {{ task.attempt }} as attempt from ${row.table}`,
  }
}

describe('a worker that sleeps, slots and all, while Trino publishes for it', () => {
  it.concurrent.for<[string, 'iceberg' | 'delta', boolean]>([
    ['into an Iceberg table', 'iceberg', true],
    ['into a Delta table', 'delta', true],
    ['and makes a Delta table', 'delta', false],
  ])(
    'and wakes after its lease leaves the query to the next: %s',
    { timeout: 300_000 },
    async ([, format, there], { onTestFinished }) => {
      const place = new TrinoPlace(format)
      onTestFinished(() => place.remove())
      published(await place.write(there ? 'marks' : 'other', `SELECT 'first' AS run, 0 AS attempt`))
      const row = await HeldRow.hold()
      onTestFinished(() => row.release())
      const files = trinoProject(place, row)
      const cluster = await Cluster.create({ postgres: process.env.PG_DSN ?? '', redis: redis.url }, files)
      onTestFinished(() => cluster.remove())
      const store = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
      onTestFinished(() => store.close())
      await cluster.start('webserver')
      await cluster.start('scheduler')
      const sleeper = await cluster.start('worker')
      await cluster.knows('mark')
      const run = await cluster.trigger('mark')
      // long enough under way that the next attempt can follow it
      await eventually(60_000, async () => {
        const [task] = await store.query<{ handle: Json }>('select handle from task_runs where run_id = $1', [run])
        const query = parseHandle(task?.handle ?? null)?.published[0]
        return query?.next !== undefined && query.next !== query.start ? true : null
      })
      const asleep = processTree(sleeper.pid)
      onTestFinished(() => signalAll(asleep, 'SIGCONT'))
      signalAll(asleep, 'SIGSTOP')
      await cluster.start('worker')
      const log = () => cluster.text(`/api/v1/runs/${run}/tasks/mark/attempts/2/log`).catch(() => '')
      await eventually(90_000, async () =>
        (await log()).includes('Waiting for what becomes of Trino query') ? true : null,
      )
      signalAll(asleep, 'SIGCONT')
      await eventually(60_000, async () => (sleeper.output.includes('the claim was lost') ? true : null))
      sleeper.signal('SIGTERM')
      await eventually(60_000, async () => (sleeper.output.includes('Stopped.') ? true : null))
      const queries = () =>
        trino(
          `SELECT state FROM system.runtime.queries WHERE regexp_like(query, '^(INSERT|CREATE)') AND query LIKE '%${row.mark}%'`,
        )
      expect(await queries()).toEqual([['RUNNING']])
      await row.release()
      expect((await cluster.ended([run], 120_000)).get(run)).toBe('success')
      const attempts = await cluster.call<AttemptShape[]>('GET', `/runs/${run}/tasks/mark/attempts`)
      expect(attempts.map(({ result }) => result).sort()).toEqual(['lost', 'success'])
      expect(await queries()).toEqual([['FINISHED']])
      const rows = `SELECT run, attempt FROM ${format}.${place.table('marks')} ORDER BY attempt`
      expect(await trino(rows)).toEqual([...(there ? [['first', 0]] : []), [run, 1]])
      expect(await log()).toContain('An earlier attempt has already written')
    },
  )
})
