import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { eventually } from '../../e2e/eventually.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { Project } from '../../e2e/project.js'
import { Cluster, type Part } from './cluster.js'
import { OwnRedis } from './own-redis.js'

// Leases have to run out, and the machine may have other things to do.
vi.setConfig({ testTimeout: 300_000 })

const postgres = process.env.PG_DSN ?? ''

/** Each run publishes one row of its own behind two shell tasks. */
const MARK = `dag: mark
max_active_runs: 12
defaults: { retries: 50, retry_delay: 100ms, backoff: 1 }
tasks:
  before: { bash: ["true"] }
  mark: { needs: [before], sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append } }
  after: { needs: [mark], bash: ["true"] }
`

let redis: OwnRedis
let cluster: Cluster
beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(() => redis.down())
afterEach(async () => {
  await cluster.remove()
})

async function markersOf(): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const { run } of await deltaRows(`${cluster.folder}/data/lake/bronze/marks`)) {
    counts.set(String(run), (counts.get(String(run)) ?? 0) + 1)
  }
  return counts
}

/** Every run has succeeded and left exactly one row. */
async function expectEachOnce(runs: readonly string[], states: ReadonlyMap<string, string>): Promise<void> {
  expect(runs.filter((run) => states.get(run) !== 'success')).toEqual([])
  const markers = await markersOf()
  expect(runs.filter((run) => markers.get(run) !== 1)).toEqual([])
  expect(markers.size).toBe(runs.length)
}

describe('a cluster', () => {
  it('loses and doubles nothing when each of its parts is killed in turn', async () => {
    cluster = await Cluster.create({ postgres, redis: redis.url }, { 'dags/mark.yaml': MARK })
    const start: Record<string, () => Promise<Part>> = {
      scheduler: () => cluster.start('scheduler'),
      worker: () => cluster.start('worker', '--slots', '3'),
      webserver: () => cluster.start('webserver'),
    }
    const web = await cluster.start('webserver')
    const parts = [
      await cluster.start('scheduler'),
      await cluster.start('scheduler'),
      await cluster.start('worker', '--slots', '3'),
      await cluster.start('worker', '--slots', '3'),
    ]
    await cluster.knows('mark')
    const runs: string[] = []
    for (const part of [...parts, web]) {
      for (let count = 0; count < 10; count++) runs.push(await cluster.trigger('mark'))
      await part.end('SIGKILL')
      await start[part.name]?.()
    }
    await expectEachOnce(runs, await cluster.ended(runs, 120_000))
  })

  it('goes on while Redis is wiped, restarted and cut off', async () => {
    cluster = await Cluster.create({ postgres, redis: redis.url }, { 'dags/mark.yaml': MARK })
    await cluster.start('webserver')
    await cluster.start('scheduler')
    await cluster.start('worker', '--slots', '3')
    await cluster.knows('mark')
    const runs: string[] = []
    const triggerSome = async () => {
      for (let count = 0; count < 8; count++) runs.push(await cluster.trigger('mark'))
    }
    for (let count = 0; count < 10; count++) {
      await triggerSome()
      await redis.ask((connection) => connection.flushall())
    }
    await triggerSome()
    await redis.down()
    await triggerSome()
    await redis.up()
    redis.cutOff()
    await triggerSome()
    // all of it is done without a word from Redis
    const states = await cluster.ended(runs, 120_000)
    redis.reconnect()
    await triggerSome()
    await expectEachOnce(runs, new Map([...states, ...(await cluster.ended(runs, 120_000))]))
    expect(cluster.hasSaid('Redis is away')).toBe(true)
    // hints that were read leave nothing behind
    await eventually(10_000, async () => ((await redis.ask((connection) => connection.dbsize())) < 20 ? true : null))
  }, 300_000)

  it('keeps pools and limits exact across schedulers and workers', async () => {
    const tasks = Array.from({ length: 30 }, (_, index) => `  t${index}: { bash: "sleep 0.05", pool: narrow }`)
    const limited = Array.from({ length: 30 }, (_, index) => `  t${index}: { bash: "sleep 0.05" }`)
    cluster = await Cluster.create(
      { postgres, redis: redis.url },
      {
        'sluice.yaml': 'pools: { narrow: 3 }\n',
        'dags/pooled.yaml': `dag: pooled\nmax_active_runs: 2\ntasks:\n${tasks.join('\n')}\n`,
        'dags/limited.yaml': `dag: limited\nmax_active_runs: 2\nmax_active_tasks: 2\ntasks:\n${limited.join('\n')}\n`,
      },
    )
    await cluster.start('webserver')
    await Promise.all([cluster.start('scheduler'), cluster.start('scheduler')])
    await Promise.all([cluster.start('worker', '--slots', '4'), cluster.start('worker', '--slots', '4')])
    await cluster.knows('pooled')
    await cluster.knows('limited')
    const runs = await Promise.all(['pooled', 'limited', 'pooled', 'limited'].map((dag) => cluster.trigger(dag)))
    await cluster.ended(runs, 120_000)
    const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
    const attempts = await database.query<{ dag: string; from: number; to: number }>(
      `select t.dag_id as dag, extract(epoch from a.claimed_at)::float8 as from, extract(epoch from a.ended_at)::float8 as to
       from attempts a join task_runs t using (run_id, task_id)`,
    )
    await database.close()
    const most = (dag: string) => {
      const own = attempts.filter((attempt) => attempt.dag === dag)
      return Math.max(...own.map(({ from }) => own.filter((other) => other.from <= from && from < other.to).length))
    }
    expect(attempts).toHaveLength(120)
    expect(most('pooled')).toBe(3)
    expect(most('limited')).toBe(2)
  })

  it('refuses an attempt whose worker woke after its lease, and doubles no row', async () => {
    cluster = await Cluster.create(
      { postgres, redis: redis.url },
      {
        'dags/slow.yaml': `dag: slow
defaults: { retries: 3, retry_delay: 0s }
tasks:
  hold: { bash: "echo $SLUICE_ATTEMPT >> started; sleep 3" }
  mark: { needs: [hold], sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append } }
`,
      },
    )
    await cluster.start('webserver')
    await cluster.start('scheduler')
    const paused = await cluster.start('worker')
    await cluster.knows('slow')
    const run = await cluster.trigger('slow')
    const task = async (id: string) => {
      const shape = await cluster.call<{ tasks: { task: string; state: string; attempt: number }[] }>(
        'GET',
        `/runs/${run}`,
      )
      return shape.tasks.find((one) => one.task === id)
    }
    await eventually(20_000, async () => ((await task('hold'))?.state === 'running' ? true : null))
    paused.signal('SIGSTOP')
    const other = await cluster.start('worker')
    expect((await cluster.ended([run], 90_000)).get(run)).toBe('success')
    paused.signal('SIGCONT')
    // the worker that slept is told that its claim is gone
    await eventually(20_000, async () => (paused.output.includes('the claim was lost') ? true : null))
    const attempts = await cluster.call<{ result: string }[]>('GET', `/runs/${run}/tasks/hold/attempts`)
    expect(attempts.map(({ result }) => result).sort()).toEqual(['lost', 'success'])
    // and goes on with other work, now that it is alone
    expect(await other.end('SIGTERM')).toBe(0)
    const next = await cluster.trigger('slow')
    await expectEachOnce([run, next], new Map([[run, 'success'], ...(await cluster.ended([next], 60_000))]))
  })

  it('serves queues by name and drains on SIGTERM', async () => {
    cluster = await Cluster.create(
      { postgres, redis: redis.url },
      {
        'dags/queues.yaml': `dag: queues
tasks:
  here: { bash: "sleep 2" }
  there: { bash: ["true"], queue: special }
`,
      },
    )
    await cluster.start('webserver')
    await cluster.start('scheduler')
    const first = await cluster.start('worker')
    await cluster.knows('queues')
    const run = await cluster.trigger('queues')
    const states = async () => {
      const shape = await cluster.call<{ tasks: { task: string; state: string; reason: string }[] }>(
        'GET',
        `/runs/${run}`,
      )
      return Object.fromEntries(shape.tasks.map(({ task, state, reason }) => [task, { state, reason }]))
    }
    await eventually(20_000, async () => ((await states()).here?.state === 'running' ? true : null))
    expect((await states()).there?.state).toBe('queued')
    // ends what it runs, although it was told to end: there is nobody else who could
    expect(await first.end('SIGTERM')).toBe(0)
    const here = await eventually(20_000, async () => {
      const task = (await states()).here
      return task?.state === 'running' ? null : task
    })
    expect(here).toEqual({ state: 'success', reason: '' })
    await cluster.start('worker', '--queues', 'special,other')
    expect((await cluster.ended([run], 30_000)).get(run)).toBe('success')
  })

  it('and an embedded Sluice do not work on one store, whatever their projects', async ({ onTestFinished }) => {
    cluster = await Cluster.create({ postgres, redis: redis.url }, {})
    const worker = await cluster.start('worker')
    // of another folder: nothing but the store knows of both
    const embedded = await Project.create({ 'sluice.yaml': `store: ${cluster.storeUrl}\n` })
    onTestFinished(() => embedded.remove())
    const refused = await embedded.sluice('up', '--port', '0')
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('Another Sluice works on this store') })
    expect(await worker.end('SIGTERM')).toBe(0)

    await embedded.up()
    for (const part of ['worker', 'scheduler', 'webserver']) {
      const late = await cluster.sluice(part)
      expect(late).toMatchObject({ code: 3, stderr: expect.stringContaining('A `sluice up` works on this store') })
    }
  })

  it('has live pages wherever work happens, and sessions that every web server knows', async () => {
    cluster = await Cluster.create({ postgres, redis: redis.url }, { 'dags/mark.yaml': MARK })
    const [first, second] = [await cluster.start('webserver'), await cluster.start('webserver')]
    const urlOf = (part: Part) => /http:\/\/localhost:\d+/.exec(part.output)?.[0] ?? ''
    await cluster.start('scheduler')
    await cluster.start('worker')
    await cluster.knows('mark')
    const added = await cluster.sluice('users', 'add', 'ana', '--role', 'operator')
    const token = /token=(\S+)/.exec(added.stdout)?.[1] ?? ''
    const login = await fetch(`${urlOf(first)}/login?token=${token}`, { redirect: 'manual' })
    const cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    expect((await fetch(`${urlOf(second)}/dags`, { headers: { cookie }, redirect: 'manual' })).status).toBe(200)

    // a page of one web server, while the work is asked for through the other and done in other processes
    const stream = await fetch(`${urlOf(first)}/live/dags`, { headers: { cookie } })
    const heard: string[] = []
    const reading = (async () => {
      for await (const text of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        heard.push(text)
        if (heard.join('').includes('s-success')) return
      }
    })()
    const run = await cluster.trigger('mark')
    expect((await cluster.ended([run], 30_000)).get(run)).toBe('success')
    await Promise.race([reading, eventually(10_000, async () => null)])
    expect(heard.join('')).toContain('s-success')
  })

  it('takes the pools of the scheduler that registers the DAGs, and of no other', async () => {
    const more = 'pools: { narrow: 3, spark: 2 }\n'
    cluster = await Cluster.create({ postgres, redis: redis.url }, { 'sluice.yaml': more, 'dags/mark.yaml': MARK })
    const registrar = await cluster.start('scheduler')
    const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
    const pools = async () => {
      const rows = await database.query<{ pool: string; size: number }>('select pool, size from pools')
      return Object.fromEntries(rows.map(({ pool, size }) => [pool, size]))
    }
    expect(await pools()).toEqual({ default: 128, narrow: 3, spark: 2 })
    const config = await readFile(`${cluster.folder}/sluice.yaml`, 'utf8')
    await cluster.write('sluice.yaml', config.replace(more, 'pools: { narrow: 1 }\n'))
    await cluster.start('scheduler')
    expect(await pools()).toEqual({ default: 128, narrow: 3, spark: 2 })
    await registrar.end()
    await eventually(20_000, async () => ('spark' in (await pools()) ? null : true))
    expect(await pools()).toEqual({ default: 128, narrow: 1 })
    await database.close()
  })

  it('starts a due run of one DAG in time beside thousands of ready tasks of another', async () => {
    const many = Array.from({ length: 3_000 }, (_, index) => `  t${index}: { bash: ["true"] }`)
    cluster = await Cluster.create(
      { postgres, redis: redis.url },
      {
        'dags/flood.yaml': `dag: flood\nmax_active_tasks: 5000\ntasks:\n${many.join('\n')}\n`,
        'dags/mark.yaml': MARK,
      },
    )
    await cluster.start('webserver')
    await Promise.all([cluster.start('scheduler'), cluster.start('scheduler')])
    await Promise.all([cluster.start('worker', '--slots', '4'), cluster.start('worker', '--slots', '4')])
    await cluster.knows('flood')
    const flood = await cluster.trigger('flood')
    const shape = async (run: string) => {
      return cluster.call<{ state: string; tasks: { state: string; started_at: string | null }[] }>(
        'GET',
        `/runs/${run}`,
      )
    }
    await eventually(30_000, async () => {
      const started = (await shape(flood)).tasks.filter(({ state }) => state === 'success').length
      return started > 100 ? true : null
    })
    const asked = Date.now()
    const run = await cluster.trigger('mark')
    await eventually(20_000, async () =>
      (await shape(run)).tasks.some(({ started_at }) => started_at !== null) ? true : null,
    )
    const first = Math.min(
      ...(await shape(run)).tasks.flatMap(({ started_at }) => (started_at === null ? [] : Date.parse(started_at))),
    )
    expect(first - asked).toBeLessThan(2_000)
    expect((await shape(flood)).state).toBe('running')
  })

  it('does not start on a store that is not migrated, and says what to do', async () => {
    cluster = await Cluster.create({ postgres, redis: redis.url }, {})
    const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
    await database.query('update schema_migrations set number = number + 1000')
    await database.close()
    const { code, stderr } = await cluster.sluice('scheduler')
    expect(code).toBe(3)
    expect(stderr).toContain('sluice db migrate')
    await cluster.write('sluice.yaml', 'store: ./data/store\n')
    const local = await cluster.sluice('worker')
    expect(local.stderr).toContain(
      'A cluster needs `store: postgres://user@host/database` and `queue: redis://host:6379/0`',
    )
  })
})
